"""What a network takes of an ECP5 device, before any tool has run.

Block memories follow the rule by which Yosys maps memories (`capacity`), multipliers are the lanes that
multiply. LUTs (carries included) and flip-flops are sums over the parts of the core, each a count out of the
Verilog times a factor: `benchmarks/fpga_estimate.py --fit` fits them to placed designs, those of binary and
of shift-add lanes `fpga_binary.py --fit` and `fpga_shift_add.py --fit` to synthesised ones. The clock is a
fit alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from snncc_backends.fpga.capacity import mapped_memories, slices_of
from snncc_backends.fpga.counts import Counts
from snncc_backends.fpga.planning.maps import PACKED_WORD, WORD, ceil_div
from snncc_backends.fpga.tables.tables import Tables
from snncc_ir.hardware import Resources


@dataclass(frozen=True, kw_only=True)
class Parts(Counts):
    """What a count is made of: core, lanes, unpacking, groups, tables in LUTs, counters of binary lanes,
    sums of shifted weights."""

    core: float
    lanes: float
    unpacking: float
    groups: float
    tables: float
    counting: float = 0.0
    shifting: float = 0.0


LUT_FACTORS = Parts(
    core=1125.467, lanes=1.179, unpacking=7.497, groups=0.9, tables=0.825, counting=1.121, shifting=1.162
)
FLIP_FLOP_FACTORS = Parts(
    core=1499.144, lanes=0.705, unpacking=1.37, groups=1.426, tables=0.0, counting=1.086
)
CLOCK = (108.0, 3.0)
"""MHz of eight lanes, and MHz less for each doubling."""


def estimate(tables: Tables) -> Resources:
    """LUTs, flip-flops, block memories, multipliers and clock of the core with its pins."""
    memories, highest, step = mapped_memories(tables), *CLOCK
    return Resources(
        luts=round(lut_parts(tables).dot(LUT_FACTORS)),
        flip_flops=round(flip_flop_parts(tables).dot(FLIP_FLOP_FACTORS)),
        brams=sum(memory.blocks for memory in memories.values()),
        multipliers=tables.widths.lanes * (tables.widths.multipliers - tables.widths.shift_add),
        fmax_mhz=round(highest - step * (tables.widths.groups.bit_length() - 1), 1),
    )


def lut_parts(tables: Tables) -> Parts:
    """LUTs: a bit of an adder, of a comparison or of a choice between two is one."""
    widths = tables.widths
    potential, level, steps, groups = widths.potential, widths.level, widths.fire_steps, widths.groups
    own, shift = _own(tables), _shift(tables)
    lane = 3 * potential + shift * potential + own * level  # sum, its start, shadow; what start and level are
    fire = potential + 2 * steps * potential  # v, then a difference and a choice per step
    used = WORD * ceil_div(level + 2, 4)
    source = groups // 2 * level  # the bank that a group reads
    words = own * WORD * (level + source)
    group = fire + 2 * WORD * steps + 5 * level + source + words + used + widths.map_address
    slices = slices_of(widths.weight_words, widths.lanes * widths.weight)
    constants = sum(memory.rom_bits for memory in mapped_memories(tables).values()) / 16
    return Parts(
        core=1,
        lanes=widths.lanes * lane,
        unpacking=widths.mixed_weights * widths.lanes * widths.weight,
        groups=groups * group,
        tables=constants + (slices - 1) * widths.lanes * widths.weight,
        counting=_counting_luts(tables) if widths.binary else 0,
        shifting=widths.shift_add * widths.lanes * level * (max(2, widths.weight) + 2),
    )


def flip_flop_parts(tables: Tables) -> Parts:
    """Flip-flops: one for every bit of a register."""
    widths = tables.widths
    potential, level, steps = widths.potential, widths.level, widths.fire_steps
    product = 12 if widths.binary else max(2, widths.weight) + level + 1
    source = (level if _own(tables) else level // WORD) + widths.weight
    lane = product + 2 * potential + widths.multipliers * source
    fire = 3 * potential + widths.theta + steps * (potential + widths.theta + steps // 2 + 1)
    words = (4 + 2 * _own(tables)) * WORD * level
    group = fire + 2 * WORD * steps + words + 2 * level + WORD + widths.map_address
    return Parts(
        core=1,
        lanes=widths.lanes * lane,
        unpacking=widths.mixed_weights * widths.lanes * widths.weight,
        groups=widths.groups * group,
        tables=0,
        counting=_counting_flip_flops(tables) if widths.binary else 0,
    )


def _counting_luts(tables: Tables) -> float:
    """Of binary lanes: five LUTs count two bits under their weights; their tree, a difference, the word."""
    widths, used = tables.widths, _used_weights(tables)
    tree = 4 * 5 + 2 * 7 + 11
    word = PACKED_WORD * (2 + ceil_div(widths.groups - 1, 3))
    selects = (slices_of(widths.bit_words, widths.lanes * PACKED_WORD) - 1) * used
    differences = widths.lanes * (widths.level + 4) * (1 + widths.multipliers)
    return 2.5 * (used + PACKED_WORD) + (widths.lanes + 1) * tree + differences + word + selects


def _counting_flip_flops(tables: Tables) -> float:
    """Of binary lanes: a copy of the weights, the counts of bytes, fours and all, and the word."""
    tree = 2 * 7 + 11
    used = _used_weights(tables)
    return 1.5 * used + (tables.widths.lanes + 1) * tree + 2.5 * PACKED_WORD


def _used_weights(tables: Tables) -> int:
    """Bits of a word of binary weights that are ever 1; Yosys leaves out what counts the others."""
    return int(tables.memories["bit_weights"].pattern().any(axis=0).sum())


def _own(tables: Tables) -> int:
    """1 where lanes ever take levels of their own; else Yosys leaves that out of the core."""
    return int(tables.widths.multipliers and tables.memories["row_windows"].values["own"].any())


def _shift(tables: Tables) -> int:
    """1 where sums are ever shifted, likewise."""
    return int(tables.memories["row_windows"].values["shift"].any())
