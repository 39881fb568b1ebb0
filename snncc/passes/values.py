"""Levels of the calibration images at every value that a later node still reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.passes.base import Context
from snncc_ir.graph import Graph
from snncc_ir.linear import wire
from snncc_ir.neurons import Staircase, Table
from snncc_ir.nodes import AnyNode, Input, Linear, Population, Wiring
from snncc_ir.semantics import fire

Array = NDArray[Any]

BATCH = 64


class Values:
    """What a pass sees that goes through the integer network node by node with the calibration images."""

    def __init__(self, graph: Graph, context: Context) -> None:
        """Start before the first node of `graph`, whose names and wiring count."""
        self._context = context
        self._levels: dict[str, Array] = {}
        self._last_reader = _last_readers(graph)

    def __getitem__(self, name: str) -> Array:
        """Levels `[N, *shape]` of a value."""
        return self._levels[name]

    def drive(self, projections: Iterable[Linear]) -> Array:
        """The sum of integer projections, `[N, *shape]`, without any bias."""
        total: Array | None = None
        for projection in projections:
            source = self._levels[projection.source]
            batches = (source[i : i + BATCH] for i in range(0, len(source), BATCH))
            part = np.concatenate([self._drive(projection, batch) for batch in batches])
            total = part if total is None else total + part
        if total is None:
            raise ValueError("a population without drives")
        return total

    def _drive(self, projection: Linear, levels: Array) -> Array:
        return self._context.layers.drive(projection, levels)

    def _given(self) -> Array:
        """The input."""
        return self._context.samples.astype(np.int16)

    def fired(self, node: Population, drive: Array) -> None:
        """Keep the levels of an integer population."""
        if not isinstance(node.neuron, Staircase | Table):
            raise TypeError("only integer populations fire")
        self._levels[node.name] = self._context.layers.fire(node.neuron, drive)

    def passed(self, node: AnyNode) -> None:
        """Go on behind `node`: keep what wiring makes of its sources, drop what nobody reads any more."""
        match node:
            case Input():
                self._levels[node.name] = self._given()
            case Wiring():
                self._levels[node.name] = wire(node, *(self._levels[name] for name in node.sources))
        for name in [name for name in self._levels if self._last_reader.get(name) == node.name]:
            del self._levels[name]


class RealValues(Values):
    """The same for a real network: real values in the place of levels."""

    def _drive(self, projection: Linear, levels: Array) -> Array:
        return self._context.layers.real_drive(projection, levels)

    def _given(self) -> Array:
        return self._context.input_format.to_reals(self._context.samples).astype(np.float32)

    def fired(self, node: Population, drive: Array) -> None:
        """Keep what a real population makes of its drive."""
        self._levels[node.name] = fire(node.neuron, drive).astype(np.float32)


def _last_readers(graph: Graph) -> dict[str, str]:
    """For every value the last node that needs its levels; a linear node's reader needs its source's."""
    last: dict[str, str] = {}
    for node in graph.nodes:
        for source in node.sources:
            projection = graph.by_name[source]
            linear = isinstance(projection, Linear)
            last[projection.sources[0] if linear else source] = node.name
    return last
