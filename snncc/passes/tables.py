"""Breakpoint tables of units that no staircase expresses: a slope on the negative side, bounds of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from snncc_ir.certificates import drive_interval
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog, Bias, Staircase, Table, per_channel
from snncc_ir.nodes import Population
from snncc_ir.tensors import NEURON_BITS, Ints, Reals, Tensor

FARTHEST = 2 ** (NEURON_BITS - 1) - 1
"""Magnitude of the farthest breakpoint."""


def table_of(unit: Analog, stairs: Staircase, scale: Reals) -> Table:
    """The staircase with the unit's slope on its negative side and its own bounds, as breakpoints.

    With v = U + b and f(v) = v where v >= 0, else slope * v, the level is f(v) / theta rounded half up:
    B_j = ceil((j - 1/2) * theta) - b for j > 0 and ceil((j - 1/2) * theta / slope) - b for j <= 0. Levels
    beyond the unit's low and high, rounded to levels, do not occur.
    """
    slope = np.ones(len(scale)) if unit.slope is None else unit.slope.data
    level = np.arange(stairs.lo + 1, stairs.hi + 1)
    with np.errstate(divide="ignore"):
        reach = (level - 0.5) * stairs.theta.data[:, None] / np.where(level <= 0, slope[:, None], 1.0)
    first, last = (bound[:, None] for bound in unit.bounds(scale, stairs.lo, stairs.hi))
    points = np.clip(np.ceil(reach), -FARTHEST, FARTHEST)
    points = np.where(level <= first, -FARTHEST, np.where(level > last, FARTHEST, points))
    bias = stairs.bias
    by_class = points.reshape(len(points), *(1,) * (bias.values.data.ndim - 1), -1)
    moved = np.clip(by_class - bias.values.data[..., None], -FARTHEST, FARTHEST)
    whole = np.where(np.abs(by_class) == FARTHEST, by_class, moved)
    return Table(
        breakpoints=Tensor.integer(whole), lo=stairs.lo, hi=stairs.hi, rows=bias.rows, columns=bias.columns
    )


def within_reach(graph: Graph) -> Graph:
    """The graph whose own tables have no breakpoint below the values of U, and none far beyond them.

    No level changes, and the width certificate counts nothing that cannot be.
    """
    changed = []
    for node in graph.of_type(Population):
        if isinstance(node.neuron, Table) and node.unit is not None:
            low, high = _reach(graph, node, node.neuron)
            points = np.maximum(node.neuron.breakpoints.data, low)
            points = np.where(points == FARTHEST, high + 1, points)
            points = np.maximum.accumulate(points, axis=-1)
            changed.append(replace(node, neuron=_with_points(node.neuron, points)))
    return graph.with_nodes(changed)


def bias_of(node: Population, table: Table) -> Bias:
    """The bias in a table that `table_of` made: the breakpoint of level 1 is ceil(theta / 2) - b."""
    if node.scale is None or node.unit is None:
        raise TypeError("an imported table has no bias")
    theta = np.rint(node.scale.data / node.unit.data)
    first = table.breakpoints.data[..., -table.lo]
    half = np.ceil(theta / 2).astype(np.int64).reshape(-1, *(1,) * (first.ndim - 1))
    return Bias(values=Tensor.integer(half - first), rows=table.rows, columns=table.columns)


def shifted(graph: Graph, node: Population, table: Table, shift: Ints) -> Table:
    """The table whose bias is greater by shift[C]; what every drive reached, or none, stays so.

    A channel whose level 1 is among these tells nothing of its bias and stays as it is.
    """
    low, high = _reach(graph, node, table)
    points = table.breakpoints.data
    always, never = points <= low, points > high
    lost = (always | never)[..., -table.lo].reshape(len(points), -1).any(axis=1)
    moved = points - per_channel(np.where(lost, 0, shift), points.ndim)
    moved = np.where(always, np.minimum(points, low), np.where(never, np.maximum(points, high + 1), moved))
    return _with_points(table, np.maximum.accumulate(np.clip(moved, low, high + 1), axis=-1))


def _reach(graph: Graph, node: Population, table: Table) -> tuple[Ints, Ints]:
    """The least and the greatest drive of each channel, so that they broadcast to the breakpoints."""
    found = drive_interval(graph, node)
    rank = len(table.breakpoints.shape)
    return per_channel(found.low, rank), per_channel(found.high, rank)


def _with_points(table: Table, points: Ints) -> Table:
    return replace(table, breakpoints=Tensor.integer(points))
