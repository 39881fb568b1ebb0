"""Breakpoint tables of units whose negative side has another slope (LeakyRelu, PRelu)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from snncc_ir.certificates import drive_interval
from snncc_ir.errors import GraphError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Staircase, Table
from snncc_ir.nodes import Population
from snncc_ir.tensors import NEURON_BITS, Ints, Reals, Tensor

FARTHEST = 2 ** (NEURON_BITS - 1) - 1
"""Magnitude of the farthest breakpoint."""


def leaky_table(stairs: Staircase, slope: Reals) -> Table:
    """The staircase with its negative side times slope[C] >= 0, as breakpoints.

    With v = U + b and f(v) = v where v >= 0, else slope * v, the level is f(v) / theta rounded half up:
    B_j = ceil((j - 1/2) * theta - b) for j > 0 and ceil((j - 1/2) * theta / slope - b) for j <= 0.
    """
    if stairs.bias.rows:
        raise GraphError(
            "has a slope for negative values and a bias that varies by position, which no table holds",
            hint="normalise the input without a mean, pad the image before, or use Relu",
        )
    theta, bias = stairs.theta.data[:, None], stairs.bias.values.data[:, None]
    half = np.arange(stairs.lo + 1, stairs.hi + 1) - 0.5
    with np.errstate(divide="ignore"):
        reach = half * theta / np.where(half < 0, slope[:, None], 1.0)
    points = np.clip(np.ceil(reach - bias), -FARTHEST, FARTHEST)
    return Table(breakpoints=Tensor.integer(points), lo=stairs.lo, hi=stairs.hi)


def table_bias(table: Table, theta: Ints) -> Ints:
    """The bias b[C] that `leaky_table` folded into the breakpoints: B_1 = theta - floor(theta / 2) - b."""
    return np.asarray(theta - theta // 2 - table.breakpoints.data[:, -table.lo])


def shifted(table: Table, shift: Ints, least: Ints) -> Table:
    """The table for a bias that is larger by shift[C]; what every drive >= least[C] reaches stays so."""
    points = table.breakpoints.data
    floor = least[:, None]
    moved = np.where(points <= floor, np.minimum(points, floor), np.maximum(points - shift[:, None], floor))
    return replace(table, breakpoints=Tensor.integer(moved))


def within_reach(graph: Graph) -> Graph:
    """The graph whose tables have no breakpoint of a negative level below the least drive that can occur.

    No level changes, and the width certificate counts nothing that cannot be.
    """
    changed = []
    for node in graph.of_type(Population):
        if isinstance(node.neuron, Table) and node.unit is not None:
            least = drive_interval(graph, node).low[:, None]
            points = node.neuron.breakpoints.data.copy()
            points[:, : -node.neuron.lo] = np.maximum(points[:, : -node.neuron.lo], least)
            points = np.maximum.accumulate(points, axis=1)
            changed.append(replace(node, neuron=replace(node.neuron, breakpoints=Tensor.integer(points))))
    return graph.with_nodes(changed)
