"""Where the spikes of a value come from: all wiring of a graph as index maps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_ir.codes import Strand
from snncc_ir.graph import Graph
from snncc_ir.linear import wire
from snncc_ir.nodes import Concat, Input, Linear, MaxPool, Population, Readout
from snncc_ir.plan import Box, three_axes

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Origin:
    """An input, a population or a max-pool: what sends spikes. Its neurons have numbers from `first`."""

    name: str
    strand: Strand
    first: int
    size: int


@dataclass(frozen=True, eq=False)
class Picked:
    """The neurons that a value takes its spikes from, in one strand.

    `index` counts through the neurons of `origins`, one after the other; their total number stands for
    silence. None: the value is its one origin as it is.
    """

    origins: tuple[str, ...]
    index: Array | None


class Wiring:
    """Traces every value that holds levels back to the neurons that send it."""

    def __init__(self, graph: Graph, boxes: Mapping[str, Sequence[Box]] = MappingProxyType({})) -> None:
        """Trace all values of an integer graph; nodes with `boxes` are as many origins, NAME.0, NAME.1."""
        self.origins: list[Origin] = []
        self._boxes = boxes
        self._numbers: dict[str, Array] = {}
        for node in graph.nodes:
            match node:
                case Input() | Population() | MaxPool():
                    self._numbers[node.name] = self._number(graph, node.name)
                case Concat():
                    self._numbers[node.name] = wire(node, *(self._numbers[part] for part in node.parts))
                case Readout():
                    continue
                case _ if not isinstance(node, Linear):
                    self._numbers[node.name] = wire(node, self._numbers[node.sources[0]])

    def _number(self, graph: Graph, name: str) -> Array:
        """New numbers, from 1 up; 0 stands for silence, since padding is level 0."""
        shape, strand = graph.types[name].shape, graph.strands[name][0]
        if name not in self._boxes:
            return self._origin(name, strand, math.prod(shape)).reshape(1, *shape)
        numbers = np.zeros(three_axes(shape), np.int64)
        for number, box in enumerate(self._boxes[name]):
            part = numbers[tuple(slice(*interval) for interval in box)]
            part[...] = self._origin(f"{name}.{number}", strand, part.size).reshape(part.shape)
        return numbers.reshape(1, *shape)

    def _origin(self, name: str, strand: Strand, size: int) -> Array:
        """The numbers of a new origin."""
        first = self.origins[-1].first + self.origins[-1].size if self.origins else 1
        self.origins.append(Origin(name, strand, first, size))
        return np.arange(first, first + size)

    def numbers(self, name: str) -> Array:
        """The numbers of the neurons that a value takes its spikes from, in its shape; 0: silence."""
        return self._numbers[name][0]

    def pick(self, name: str, strand: Strand) -> Picked | None:
        """Where value `name` finds its spikes of a strand; None where no neuron of it is left."""
        return self.pick_numbers(self._numbers[name], strand)

    def pick_numbers(self, given: Array, strand: Strand) -> Picked | None:
        """The same for the neurons of some numbers."""
        numbers = given.ravel()
        picked = np.full(numbers.shape, -1)
        names: list[str] = []
        total = 0
        for origin in self._used(numbers, strand):
            inside = (numbers >= origin.first) & (numbers < origin.first + origin.size)
            picked[inside] = numbers[inside] - origin.first + total
            names.append(origin.name)
            total += origin.size
        if not names:
            return None
        if len(names) == 1 and np.array_equal(picked, np.arange(total)):
            return Picked((names[0],), None)
        return Picked(tuple(names), np.where(picked < 0, total, picked))

    def _used(self, numbers: Array, strand: Strand) -> list[Origin]:
        """The origins of a strand that occur among the numbers."""
        firsts = np.array([origin.first for origin in self.origins])
        found = np.searchsorted(firsts, np.unique(numbers[numbers > 0]), side="right") - 1
        return [origin for i in np.unique(found) if (origin := self.origins[int(i)]).strand == strand]
