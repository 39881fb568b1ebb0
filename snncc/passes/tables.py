"""Breakpoint tables of units that no staircase expresses: a slope on the negative side, uneven bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from snncc_ir.certificates import Interval, drive_interval
from snncc_ir.errors import GraphError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog, Staircase, Table
from snncc_ir.nodes import Population
from snncc_ir.tensors import NEURON_BITS, Ints, Reals, Tensor

FARTHEST = 2 ** (NEURON_BITS - 1) - 1
"""Magnitude of the farthest breakpoint."""


def needs_table(unit: Analog, scale: Reals, lo: int, hi: int) -> bool:
    """True where the unit, with levels lo..hi of the real value scale[C], is more than a staircase.

    An unsigned unit never is without a slope: its top lies within its bounds.
    """
    first, last = _bounds(unit, scale, lo, hi)
    return unit.slope is not None or (lo < 0 and bool((first > lo).any() or (last < hi).any()))


def table_of(unit: Analog, stairs: Staircase, scale: Reals) -> Table:
    """The staircase with the unit's slope on its negative side and its own bounds, as breakpoints.

    With v = U + b and f(v) = v where v >= 0, else slope * v, the level is f(v) / theta rounded half up:
    B_j = ceil((j - 1/2) * theta - b) for j > 0 and ceil((j - 1/2) * theta / slope - b) for j <= 0. Levels
    beyond the unit's low and high, rounded to levels, do not occur.
    """
    if stairs.bias.rows:
        raise GraphError(
            "needs a table (a slope for negative values, or bounds that are not symmetric) and a bias that "
            "varies by position, which no table holds",
            hint="normalise the input without a mean, pad the image before that, or use Relu",
        )
    slope = np.ones(len(scale)) if unit.slope is None else unit.slope.data
    theta, bias = stairs.theta.data[:, None], stairs.bias.values.data[:, None]
    level = np.arange(stairs.lo + 1, stairs.hi + 1)
    with np.errstate(divide="ignore"):
        reach = (level - 0.5) * theta / np.where(level <= 0, slope[:, None], 1.0)
    first, last = (bound[:, None] for bound in _bounds(unit, scale, stairs.lo, stairs.hi))
    points = np.clip(np.ceil(reach - bias), -FARTHEST, FARTHEST)
    points = np.where(level <= first, -FARTHEST, np.where(level > last, FARTHEST, points))
    return Table(breakpoints=Tensor.integer(points), lo=stairs.lo, hi=stairs.hi)


def _bounds(unit: Analog, scale: Reals, lo: int, hi: int) -> tuple[Reals, Reals]:
    """Least and greatest level of each channel."""
    low, high = (np.floor(bound / scale + 0.5) for bound in (unit.low, unit.high))
    return np.maximum(low, lo), np.minimum(high, hi)


def within_reach(graph: Graph) -> Graph:
    """The graph whose own tables have no breakpoint beyond the drives that can occur.

    No level changes, and the width certificate counts nothing that cannot be.
    """
    changed = []
    for node in graph.of_type(Population):
        if isinstance(node.neuron, Table) and node.unit is not None:
            reach = drive_interval(graph, node)
            points = np.clip(node.neuron.breakpoints.data, reach.low[:, None], reach.high[:, None] + 1)
            changed.append(replace(node, neuron=_with_points(node.neuron, points)))
    return graph.with_nodes(changed)


def table_bias(table: Table, theta: Ints) -> Ints:
    """The bias b[C] that `table_of` folded into the breakpoints: B_1 = theta - floor(theta / 2) - b."""
    return np.asarray(theta - theta // 2 - _first_positive(table))


def shifted(table: Table, shift: Ints, reach: Interval) -> Table:
    """The table for a bias that is larger by shift[C].

    Levels that every drive reaches, or none, stay so; so does a channel of which level 1 is one of them.
    """
    points = table.breakpoints.data
    low, high = reach.low[:, None], reach.high[:, None]
    one = _first_positive(table)[:, None]
    fixed = (points <= low) | (points > high) | (one <= low) | (one > high)
    moved = np.clip(points - shift[:, None], low, high + 1)
    return _with_points(table, np.where(fixed, points, moved))


def _first_positive(table: Table) -> Ints:
    """The breakpoint of level 1."""
    return np.asarray(table.breakpoints.data[:, -table.lo])


def _with_points(table: Table, points: Ints) -> Table:
    return replace(table, breakpoints=Tensor.integer(points))
