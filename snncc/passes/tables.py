"""Breakpoint tables of units that no staircase expresses: a slope on the negative side, uneven bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from snncc_ir.certificates import Interval, bias_interval, drive_interval
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog, Bias, Staircase, Table
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
    B_j = ceil((j - 1/2) * theta) for j > 0 and ceil((j - 1/2) * theta / slope) for j <= 0. Levels
    beyond the unit's low and high, rounded to levels, do not occur.
    """
    slope = np.ones(len(scale)) if unit.slope is None else unit.slope.data
    level = np.arange(stairs.lo + 1, stairs.hi + 1)
    with np.errstate(divide="ignore"):
        reach = (level - 0.5) * stairs.theta.data[:, None] / np.where(level <= 0, slope[:, None], 1.0)
    first, last = (bound[:, None] for bound in _bounds(unit, scale, stairs.lo, stairs.hi))
    points = np.clip(np.ceil(reach), -FARTHEST, FARTHEST)
    points = np.where(level <= first, -FARTHEST, np.where(level > last, FARTHEST, points))
    return Table(breakpoints=Tensor.integer(points), lo=stairs.lo, hi=stairs.hi, bias=stairs.bias)


def _bounds(unit: Analog, scale: Reals, lo: int, hi: int) -> tuple[Reals, Reals]:
    """Least and greatest level of each channel."""
    low, high = (np.floor(bound / scale + 0.5) for bound in (unit.low, unit.high))
    return np.maximum(low, lo), np.minimum(high, hi)


def within_reach(graph: Graph) -> Graph:
    """The graph whose own tables have no breakpoint below the values of U + b, and none far beyond them.

    No level changes, and the width certificate counts nothing that cannot be.
    """
    changed = []
    for node in graph.of_type(Population):
        if isinstance(node.neuron, Table) and node.neuron.bias is not None and node.unit is not None:
            reach = _reach(graph, node, node.neuron.bias)
            points = np.maximum(node.neuron.breakpoints.data, reach.low[:, None])
            points = np.where(points == FARTHEST, reach.high[:, None] + 1, points)
            points = np.maximum.accumulate(points, axis=1)
            changed.append(replace(node, neuron=_with_points(node.neuron, points)))
    return graph.with_nodes(changed)


def with_bias(graph: Graph, node: Population, table: Table, bias: Bias) -> Table:
    """The table of a population with another bias; what every drive reached, or none, stays so."""
    if table.bias is None:
        return replace(table, bias=bias)
    old, new = (_reach(graph, node, each) for each in (table.bias, bias))
    points = table.breakpoints.data
    always, never = points <= old.low[:, None], points > old.high[:, None]
    moved = np.where(always, np.minimum(points, new.low[:, None]), points)
    moved = np.where(never, np.maximum(points, new.high[:, None] + 1), moved)
    return _with_points(replace(table, bias=bias), moved)


def _reach(graph: Graph, node: Population, bias: Bias) -> Interval:
    """The values of U + b."""
    return drive_interval(graph, node) + bias_interval(bias)


def _with_points(table: Table, points: Ints) -> Table:
    return replace(table, breakpoints=Tensor.integer(points))
