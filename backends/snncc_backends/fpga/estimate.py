"""What a network takes of an ECP5 device, before any tool has run.

Block memories follow the rule by which Yosys maps memories (`capacity`), multipliers the number of lanes.
LUTs (carries included) and flip-flops are sums over the parts of the core, each a count out of the Verilog
times a factor that `benchmarks/fpga_estimate.py --fit` fits to placed designs; the clock is a fit alone.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

from snncc_backends.fpga.capacity import mapped_memories, slices_of
from snncc_backends.fpga.maps import WORD, ceil_div
from snncc_backends.fpga.tables import Tables
from snncc_ir.hardware import Resources


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a count is made of: the core once, lanes, unpacking of weights, groups, tables that are LUTs."""

    core: float
    lanes: float
    unpacking: float
    groups: float
    tables: float

    def dot(self, factors: Parts) -> float:
        """The sum of all parts, each times its factor."""
        return sum(part * factor for part, factor in zip(astuple(self), astuple(factors), strict=True))


LUT_FACTORS = Parts(core=1125.467, lanes=1.179, unpacking=7.497, groups=0.9, tables=0.825)
FLIP_FLOP_FACTORS = Parts(core=1499.144, lanes=0.705, unpacking=1.37, groups=1.426, tables=0.0)
CLOCK = (108.0, 3.0)
"""MHz of eight lanes, and MHz less for each doubling."""


def estimate(tables: Tables) -> Resources:
    """LUTs, flip-flops, block memories, multipliers and clock of the core with its pins."""
    memories, highest, step = mapped_memories(tables), *CLOCK
    return Resources(
        luts=round(lut_parts(tables).dot(LUT_FACTORS)),
        flip_flops=round(flip_flop_parts(tables).dot(FLIP_FLOP_FACTORS)),
        brams=sum(memory.blocks for memory in memories.values()),
        multipliers=tables.widths.lanes,
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
    )


def flip_flop_parts(tables: Tables) -> Parts:
    """Flip-flops: one for every bit of a register."""
    widths = tables.widths
    potential, level, steps = widths.potential, widths.level, widths.fire_steps
    product = max(2, widths.weight) + level + 1
    lane = product + 2 * potential + widths.weight + (level if _own(tables) else level // WORD)
    fire = 3 * potential + widths.theta + steps * (potential + widths.theta + steps // 2 + 1)
    words = (4 + 2 * _own(tables)) * WORD * level
    group = fire + 2 * WORD * steps + words + 2 * level + WORD + widths.map_address
    return Parts(
        core=1,
        lanes=widths.lanes * lane,
        unpacking=widths.mixed_weights * widths.lanes * widths.weight,
        groups=widths.groups * group,
        tables=0,
    )


def _own(tables: Tables) -> int:
    """1 where lanes ever take levels of their own; else Yosys leaves that out of the core."""
    return int(tables.memories["row_windows"].values["own"].any())


def _shift(tables: Tables) -> int:
    """1 where sums are ever shifted, likewise."""
    return int(tables.memories["row_windows"].values["shift"].any())
