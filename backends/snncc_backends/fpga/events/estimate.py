"""What a streaming network takes of an ECP5 device, before any tool has run.

As for the level core (`snncc_backends.fpga.estimate`): block memories follow the rule by which Yosys maps
memories, multipliers are the lanes and the one that makes payloads, LUTs and flip-flops are counts out of
the Verilog times factors that `benchmarks/fpga_estimate.py --fit` fits to placed designs; the clock is a fit
alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from snncc_backends.fpga.counts import Counts
from snncc_backends.fpga.events.capacity import BANK, event_block_memories
from snncc_backends.fpga.events.tables import EventTables
from snncc_backends.fpga.planning.maps import ceil_div
from snncc_ir.hardware import Resources


@dataclass(frozen=True, kw_only=True)
class EventParts(Counts):
    """What a count is made of: core, bits of potentials on their way, of their banks, of a word's levels,
    and of what `stbif` has sent."""

    core: float
    potentials: float
    banks: float
    levels: float
    sent: float


LUT_FACTORS = EventParts(core=1170.6, potentials=15.094, banks=0.738, levels=5.926, sent=13.744)
FLIP_FLOP_FACTORS = EventParts(core=1918.5, potentials=8.148, banks=1.055, levels=6.089, sent=7.418)
CLOCK = (104.0, 9.0)
"""MHz of eight lanes, and MHz less for each doubling."""


def event_estimate(tables: EventTables) -> Resources:
    """LUTs, flip-flops, block memories, multipliers and clock of the event core with its pins."""
    parts, (highest, step) = event_parts(tables), CLOCK
    return Resources(
        luts=round(parts.dot(LUT_FACTORS)),
        flip_flops=round(parts.dot(FLIP_FLOP_FACTORS)),
        brams=sum(event_block_memories(tables).values()),
        multipliers=tables.widths.lanes + 1,
        fmax_mhz=round(highest - step * (tables.widths.lanes.bit_length() - 4), 1),
    )


def event_parts(tables: EventTables) -> EventParts:
    """The bits of everything that there is once for each lane."""
    w = tables.widths
    banks, sent_banks = ceil_div(w.potential_words, BANK), ceil_div(w.sent_words, BANK)
    more = (banks - 1) * w.potential + w.stbif * (sent_banks - 1) * w.sent
    return EventParts(
        core=1,
        potentials=w.lanes * w.potential,
        banks=w.lanes * more,
        levels=w.lanes * w.level,
        sent=w.lanes * w.stbif * w.sent,
    )
