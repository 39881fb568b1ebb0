"""Where the spikes of a value come from: all wiring of a graph as index maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_ir.codes import Strand
from snncc_ir.graph import Graph
from snncc_ir.linear import wire
from snncc_ir.nodes import Concat, Input, Linear, MaxPool, Population, Readout

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

    def __init__(self, graph: Graph) -> None:
        """Trace all values of an integer graph."""
        self.origins: list[Origin] = []
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
        shape = graph.types[name].shape
        first = self.origins[-1].first + self.origins[-1].size if self.origins else 1
        size = int(np.prod(shape))
        self.origins.append(Origin(name, graph.strands[name][0], first, size))
        return np.arange(first, first + size).reshape(1, *shape)

    def pick(self, name: str, strand: Strand) -> Picked | None:
        """Where value `name` finds its spikes of a strand; None where no neuron of it is left."""
        numbers = self._numbers[name].ravel()
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
