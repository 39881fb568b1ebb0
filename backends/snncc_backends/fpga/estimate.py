"""What a network takes of an ECP5 device, before any tool has run.

Block memories follow the rule by which Yosys maps memories (`capacity`), multipliers the number of lanes.
LUTs (carries included) and flip-flops are sums over the parts of the core, each a count out of the Verilog
times a factor that `benchmarks/fpga_estimate.py --fit` fits to placed designs; the clock is a fit alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from snncc_backends.fpga.capacity import Mapped, mapped_memories, slices_of
from snncc_backends.fpga.maps import WORD, ceil_div
from snncc_backends.fpga.tables import Tables, Widths
from snncc_ir.hardware import Resources

LEAST_PRODUCT, LEAST_FACTOR = 9, 2
"""Bits of product and factors from which Yosys takes a multiplier (synth_ecp5, mul2dsp)."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a count is made of: the core once, its lanes, its groups, and tables that are built of LUTs."""

    core: float
    lanes: float
    groups: float
    tables: float

    def dot(self, factors: Parts) -> float:
        """The sum of all parts, each times its factor."""
        return (
            self.core * factors.core
            + self.lanes * factors.lanes
            + self.groups * factors.groups
            + self.tables * factors.tables
        )


LUT_FACTORS = Parts(core=1010.0, lanes=1.14, groups=0.76, tables=1.23)
FLIP_FLOP_FACTORS = Parts(core=1440.0, lanes=1.1, groups=1.2, tables=0.0)
CLOCK = (108.0, 1.0)
"""MHz of eight lanes, and MHz less for each doubling."""


def estimate(tables: Tables) -> Resources:
    """LUTs, flip-flops, block memories, multipliers and clock of the core with its pins."""
    widths, memories = tables.widths, mapped_memories(tables)
    highest, step = CLOCK
    return Resources(
        luts=round(lut_parts(widths, memories).dot(LUT_FACTORS)),
        flip_flops=round(flip_flop_parts(widths).dot(FLIP_FLOP_FACTORS)),
        brams=sum(memory.blocks for memory in memories.values()),
        multipliers=widths.lanes if takes_multipliers(widths) else 0,
        fmax_mhz=round(highest - step * (widths.groups.bit_length() - 1), 1),
    )


def takes_multipliers(widths: Widths) -> bool:
    """True where a product of weight and level is wide enough for a multiplier block."""
    weight, level = max(2, widths.weight), widths.level + 1
    return min(weight, level) >= LEAST_FACTOR and weight + level >= LEAST_PRODUCT


def lut_parts(widths: Widths, memories: Mapping[str, Mapped]) -> Parts:
    """LUTs: a bit of an adder, of a comparison or of a choice between two is one."""
    potential, level, steps = widths.potential, widths.level, widths.fire_steps
    weight = max(2, widths.weight)
    product = 0 if takes_multipliers(widths) else weight * (level + 1)
    unpacked = 2 * weight if widths.mixed_weights else 0
    lane = 3 * potential + level + product + unpacked  # sum, its start, shadow; the level that is taken
    fire = potential + 2 * steps * potential  # v, then a difference and a choice per step
    used = WORD * ceil_div(level + 2, 4)
    group = fire + 2 * WORD * steps + 13 * level + used + widths.map_address
    slices = slices_of(widths.weight_words, widths.lanes * widths.weight)
    constants = sum(memory.rom_bits for memory in memories.values()) / 16
    return Parts(
        core=1,
        lanes=widths.lanes * lane,
        groups=widths.groups * group,
        tables=constants + (slices - 1) * widths.lanes * widths.weight,
    )


def flip_flop_parts(widths: Widths) -> Parts:
    """Flip-flops: one for every bit of a register."""
    potential, level, steps = widths.potential, widths.level, widths.fire_steps
    weight = max(2, widths.weight)
    unpacked = weight + level if widths.mixed_weights else 0
    lane = (weight + level + 1) + 2 * potential + level + widths.weight + unpacked
    fire = 3 * potential + widths.theta + steps * (potential + widths.theta + steps // 2 + 1)
    group = fire + 2 * WORD * steps + 6 * WORD * level + WORD + widths.map_address
    return Parts(core=1, lanes=widths.lanes * lane, groups=widths.groups * group, tables=0)
