"""Populations in two parts: the channels whose rounding costs the outputs more, and the others."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from snncc.passes.base import Context, Pass
from snncc.passes.channel_ties import tied_populations
from snncc.passes.division import Division, divided, division_of
from snncc.passes.importance import importances
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog
from snncc_ir.statistics import Statistics
from snncc_ir.tensors import Ints, Reals

LEAST_RATIO = 2.0
"""How many times the mean importance of the other part one must have: half a bit's worth of squared error."""

LEAST_IMPORTANCE = 1e-12
"""Relative to a population's greatest; a silent channel has none."""

SMALLEST = 1e-30
"""Importance of a population that reaches no output."""


@dataclass(frozen=True)
class Divide(Pass):
    """Divides populations by channels in two, so that each part may have level bits of its own.

    A neuron of importance e and b level bits adds e 4^-b to the squared error. For a given sum of bits it is
    least where all neurons add the same; it then is the geometric mean of the importances instead of their
    arithmetic mean (reverse water-filling: Cover and Thomas, Elements of Information Theory, section 10.3).
    Channels are sorted by importance, alike in populations that are tied, and cut where the geometric mean
    of both parts' means is least. The function of the real network stays the same.
    """

    name: ClassVar[str] = "divide"

    def apply(self, graph: Graph, context: Context) -> Graph:
        """The graph with parts, which `balance` gives grids."""
        return divided(graph, _division(graph, context.calibration.populations))

    def adapted(self, graph: Graph, context: Context) -> Context:
        """The calibration of every part."""
        populations = dict(context.calibration.populations)
        for node in self.apply(graph, context).populations:
            if node.part is not None:
                whole = context.calibration.populations[node.part.whole]
                populations[node.name] = whole.picked(np.array(node.part.channels))
        return replace(context, calibration=replace(context.calibration, populations=populations))

    def rescaled(self, graph: Graph, compiled: Graph) -> Graph:
        """The graph in the parts of the compiled one, which remember their channels."""
        division = division_of(compiled)
        _check(graph, division)
        return divided(graph, division)


def _check(graph: Graph, division: Division) -> None:
    """Refuse a division that this pass cannot have made of the graph."""
    for names in tied_populations(graph):
        orders = {tuple(map(tuple, division[name])) for name in names if name in division}
        channels = range(graph.types[names[0]].shape[0])
        for parts in orders:
            if len(orders) > 1 or sorted(itertools.chain(*parts)) != list(channels):
                raise _not_of_this(names[0])
    unknown = division.keys() - set(itertools.chain(*tied_populations(graph)))
    if unknown:
        raise _not_of_this(min(unknown))


def _not_of_this(name: str) -> SnnccError:
    return SnnccError("its parts are not those of the model", where=name, hint="compile it again")


def _division(graph: Graph, statistics: Mapping[str, Statistics]) -> Division:
    units = [node.neuron for node in graph.populations if isinstance(node.neuron, Analog)]
    if any(unit.grid is not None for unit in units) or (graph.populations and not units):
        raise SnnccError("runs on the real network", where=Divide.name, hint="put it before balance")
    if any(node.part is not None for node in graph.populations):
        raise SnnccError("the populations are in parts already", where=Divide.name, hint="run it once")
    found: dict[str, tuple[Ints, ...]] = {}
    important = importances(graph, statistics)
    for names in tied_populations(graph):
        positions = np.array([np.prod(graph.types[name].shape[1:], dtype=np.int64) for name in names])
        each = np.stack([important[name] for name in names])
        greatest = np.maximum(each.max(axis=1, keepdims=True), SMALLEST)
        each = np.maximum(each, LEAST_IMPORTANCE * greatest)
        parts = _parts(each, positions)
        if len(parts) > 1:
            found |= dict.fromkeys(names, parts)
    return found


def _parts(important: Reals, positions: Ints) -> tuple[Ints, ...]:
    """The channels of both parts for the importances `[populations, C]` of tied populations; or of one."""
    logs = np.log(important)
    order = np.argsort(-(positions @ (logs - logs.mean(axis=1, keepdims=True))), kind="stable")
    channels = len(order)
    if channels < 2:
        return (order,)
    total = np.cumsum(important[:, order], axis=1)
    first = np.arange(1, channels)
    upper, lower = total[:, :-1] / first, (total[:, -1:] - total[:, :-1]) / (channels - first)
    lower = np.maximum(lower, important.min(axis=1, keepdims=True))  # what is left of a difference
    errors = positions @ (first * np.log(upper) + (channels - first) * np.log(lower))
    cut = int(np.argmin(errors))
    if (upper[:, cut] / lower[:, cut]).max() < LEAST_RATIO:
        return (order,)
    return order[: cut + 1], order[cut + 1 :]
