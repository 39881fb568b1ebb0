"""What a streaming network takes of an ECP5 device, before any tool has run.

As for the level core (`snncc_backends.fpga.estimate`): block memories follow the rule by which Yosys maps
memories, multipliers are the lanes and the one that makes payloads, LUTs and flip-flops are counts out of
the Verilog times factors that `benchmarks/fpga_estimate.py --fit` fits to placed designs; the clock is a fit
alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from snncc_backends.fpga.counts import Counts
from snncc_backends.fpga.events.capacity import BANK, event_mapped_memories
from snncc_backends.fpga.events.tables import EventTables
from snncc_backends.fpga.planning.maps import ceil_div
from snncc_ir.hardware import Resources


@dataclass(frozen=True, kw_only=True)
class EventParts(Counts):
    """What a count is made of: core, lanes, the levels of a word, and tables in LUTs."""

    core: float
    lanes: float
    levels: float
    tables: float


def event_estimate(tables: EventTables) -> Resources:
    """Block memories and multipliers of the event core with its pins; its LUTs are not fitted yet."""
    return Resources(
        luts=None,
        flip_flops=None,
        brams=sum(memory.blocks for memory in event_mapped_memories(tables).values()),
        multipliers=tables.widths.lanes + 1,
        fmax_mhz=None,
    )


def event_lut_parts(tables: EventTables) -> EventParts:
    """LUTs: a bit of an adder, of a comparison or of a choice between two is one."""
    w = tables.widths
    # sum and what is added to it, comparison, result and what it is; of a pool: the greatest sum
    lane = 7 * w.potential + 2 * w.sum + w.payload + w.stbif * 4 * w.sent + w.mixed_weights * 3 * w.weight
    banks = ceil_div(w.potential_words, BANK) + w.stbif * ceil_div(w.sent_words, BANK) - 1 - w.stbif
    memories = event_mapped_memories(tables).values()
    return EventParts(
        core=1,
        lanes=w.lanes * (lane + banks * w.potential),
        levels=w.lanes * w.level,
        tables=sum(memory.rom_bits / 16 + 4 * memory.lut_rams for memory in memories),
    )


def event_flip_flop_parts(tables: EventTables) -> EventParts:
    """Flip-flops: one for every bit of a register."""
    w = tables.widths
    banks = ceil_div(w.potential_words, BANK)
    # copies of what memories hold, sums, results, thresholds on their way
    lane = (5 + banks) * w.potential + 3 * w.theta + 2 * w.weight + w.stbif * 4 * w.sent
    return EventParts(
        core=1,
        lanes=w.lanes * lane,
        levels=w.lanes * (3 * w.level + 9 * (1 + w.signed_spikes)),
        tables=0,
    )
