"""What a streaming network takes of an ECP5 device, before any tool has run.

As for the level core (`snncc_backends.fpga.estimate`): block memories follow the rule by which Yosys maps
memories, multipliers are the lanes and the one that makes payloads, LUTs and flip-flops are counts out of
the Verilog times factors that `benchmarks/fpga_estimate.py --fit` fits to placed designs; the clock is a fit
alone. Tables in LUTs cost what they cost in the level core. What lets potentials decay is fitted to
designs that are packed, not placed (`benchmarks/fpga_leaky.py --fit`); the clock knows nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from snncc_backends.fpga.counts import Counts
from snncc_backends.fpga.estimate import LUT_FACTORS as LEVEL_CORE
from snncc_backends.fpga.events.capacity import BANK, event_mapped_memories, event_multipliers
from snncc_backends.fpga.events.tables import EventTables
from snncc_backends.fpga.planning.maps import ceil_div
from snncc_ir.hardware import Resources


@dataclass(frozen=True, kw_only=True)
class EventParts(Counts):
    """What a count is made of: core, bits of potentials on their way and of their banks, of what `stbif` has
    sent, of weights that are unpacked, of the levels of a word, and of potentials that decay."""

    core: float
    potentials: float
    banks: float
    sent: float
    unpacking: float
    levels: float
    decays: float


LUT_FACTORS = EventParts(
    core=647.129, potentials=15.382, banks=1.925, sent=11.779, unpacking=6.578, levels=0.0, decays=3.687
)
FLIP_FLOP_FACTORS = EventParts(
    core=1512.71, potentials=8.343, banks=1.395, sent=6.132, unpacking=2.232, levels=7.58, decays=2.764
)
CLOCK = (94.4, 6.5)
"""MHz of eight lanes, and MHz less for each doubling."""


def event_estimate(tables: EventTables) -> Resources:
    """LUTs, flip-flops, block memories, multipliers and clock of the event core with its pins."""
    memories, (highest, step) = event_mapped_memories(tables), CLOCK
    return Resources(
        luts=round(event_lut_parts(tables).dot(LUT_FACTORS) + table_luts(tables)),
        flip_flops=round(event_flip_flop_parts(tables).dot(FLIP_FLOP_FACTORS)),
        brams=sum(memory.blocks for memory in memories.values()),
        multipliers=event_multipliers(tables),
        fmax_mhz=round(highest - step * (tables.widths.lanes.bit_length() - 4), 1),
    )


def event_lut_parts(tables: EventTables) -> EventParts:
    """What LUTs are counted by; levels are hardly chosen among."""
    return _parts(tables, levels=0)


def event_flip_flop_parts(tables: EventTables) -> EventParts:
    """What flip-flops are counted by."""
    return _parts(tables, levels=tables.widths.level)


def table_luts(tables: EventTables) -> float:
    """LUTs of the tables that are too small for a block memory."""
    return LEVEL_CORE.tables * sum(memory.rom_bits for memory in event_mapped_memories(tables).values()) / 16


def _parts(tables: EventTables, *, levels: int) -> EventParts:
    w = tables.widths
    banks = (ceil_div(w.potential_words, BANK) - 1) * w.potential
    banks += w.stbif * (ceil_div(w.sent_words, BANK) - 1) * w.sent
    return EventParts(
        core=1,
        potentials=w.lanes * w.potential,
        banks=w.lanes * banks,
        sent=w.lanes * w.stbif * w.sent,
        unpacking=w.lanes * w.mixed_weights * w.weight,
        levels=w.lanes * levels,
        decays=w.lanes * w.leaky * w.potential,
    )
