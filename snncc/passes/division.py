"""A real graph whose populations are divided by channels: every part is a population of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from snncc.passes.channel_ties import is_channelwise, keeps_channels
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog
from snncc_ir.nodes import (
    AnyNode,
    Concat,
    Conv,
    Dense,
    Linear,
    MaxPool,
    Pad,
    Part,
    Population,
    Repeat,
    Reshape,
    Slice,
    Transpose,
    Wiring,
)
from snncc_ir.tensors import Ints
from snncc_ir.types import Shape

LONGEST = 48
"""Letters of a name that the names of its parts begin with."""

Division = Mapping[str, Sequence[Ints]]
"""The channels of every part of a population, in the order that they get; the parts hold each once."""


def divided(graph: Graph, division: Division) -> Graph:
    """The same function with the populations of `division` in parts, and their channels in that order.

    Tied populations (`tied_populations`) must be divided alike. A concatenation takes the name of a divided
    population where something reads all of it.
    """
    work = _Division(graph, division)
    for node in graph.nodes:
        work.visit(node)
    return replace(graph, nodes=_read_nodes(work.nodes, graph.outputs))


def division_of(graph: Graph) -> Division:
    """How the populations of a graph were divided, by the names that they had."""
    found: dict[str, list[Ints]] = {}
    for node in graph.populations:
        if node.part is not None:
            found.setdefault(node.part.whole, []).append(np.array(node.part.channels))
    return found


@dataclass(frozen=True)
class _Piece:
    """A node that holds some successive channels of a value."""

    name: str
    channels: int


@dataclass
class _Division:
    """Grows the nodes. Channel i of a value was channel `order[value][i]`; `pieces[value]` hold all of it."""

    graph: Graph
    division: Division
    nodes: list[AnyNode] = field(default_factory=list)
    order: dict[str, Ints] = field(default_factory=dict)
    pieces: dict[str, tuple[_Piece, ...]] = field(default_factory=dict)
    slices: dict[tuple[str, int, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.taken = set(self.graph.by_name)

    def visit(self, node: AnyNode) -> None:
        """Add what stands for the node."""
        match node:
            case Linear():
                self._project(node)
            case Population() if node.name in self.division:
                self._divide(node)
            case Wiring():
                self._wire(node)
            case _:
                self._keep(node)

    def _keep(self, node: AnyNode) -> None:
        self.nodes.append(node)
        self.order[node.name] = self._as_it_was(node.name)
        self.pieces[node.name] = (_Piece(node.name, self.graph.types[node.name].shape[0]),)

    def _project(self, node: Linear) -> None:
        """One linear node for every part of the population that adds its drive."""
        target = self.graph.readers[node.name][0]
        rows = self.division.get(target.name, (self._as_it_was(node.name),))
        self.pieces[node.name] = self._pieces(node.name, map(len, rows))
        first = 0
        for piece, channels in zip(self.pieces[node.name], rows, strict=True):
            made = replace(node, name=piece.name, weight=node.weight.taken(channels))
            if is_channelwise(node):
                made = replace(made, source=self._channels_of(node.source, first, piece.channels))
                made = replace(made, groups=piece.channels) if isinstance(made, Conv) else made
            elif isinstance(made, Dense) or (isinstance(made, Conv) and made.groups == 1):
                made = replace(made, weight=made.weight.taken(self.order[node.source], axis=1))
            self.nodes.append(made)
            first += piece.channels

    def _channels_of(self, source: str, first: int, count: int) -> str:
        """What holds some channels of a value: all of it, a piece, or a slice."""
        shape = self.graph.types[source].shape
        if count == shape[0]:
            return source
        start = 0
        for piece in self.pieces[source]:
            if (start, piece.channels) == (first, count):
                return piece.name
            start += piece.channels
        return self._slice(source, first, (first + count, *shape[1:]))

    def _slice(self, source: str, first: int, stop: Shape) -> str:
        key = source, first, stop[0]
        if key not in self.slices:
            self.slices[key] = self._unused(f"{source[:LONGEST]}_from{first}")
            start, step = (first, *(0,) * (len(stop) - 1)), (1,) * len(stop)
            made = Slice(name=self.slices[key], source=source, start=start, stop=stop, step=step)
            self.nodes.append(made)
        return self.slices[key]

    def _divide(self, node: Population) -> None:
        rows = self.division[node.name]
        self.pieces[node.name] = self._pieces(node.name, map(len, rows))
        for number, (piece, channels) in enumerate(zip(self.pieces[node.name], rows, strict=True)):
            drives = tuple(self.pieces[drive][number].name for drive in node.drives)
            part = Part(whole=node.name, channels=tuple(map(int, channels)))
            neuron = _picked(node.neuron, channels)
            self.nodes.append(replace(node, name=piece.name, drives=drives, neuron=neuron, part=part))
        self.order[node.name] = np.concatenate(rows)
        self._join(node.name)

    def _join(self, name: str) -> None:
        pieces = self.pieces[name]
        if len(pieces) > 1:
            self.nodes.append(Concat(name=name, parts=tuple(piece.name for piece in pieces)))

    def _wire(self, node: Wiring) -> None:
        sources = [piece for name in node.sources for piece in self.pieces[name]]
        if len(sources) > 1 and isinstance(node, MaxPool | Pad | Repeat | Transpose) and keeps_channels(node):
            self.pieces[node.name] = self._pieces(node.name, (piece.channels for piece in sources))
            for source, piece in zip(sources, self.pieces[node.name], strict=True):
                self.nodes.append(replace(node, name=piece.name, source=source.name))
            self._join(node.name)
        else:
            self._keep(node)
            if isinstance(node, Concat) and node.axis == 0:
                self.pieces[node.name] = tuple(sources)
        self.order[node.name] = self._wired(node)

    def _wired(self, node: Wiring) -> Ints:
        """The order of what wiring gives."""
        channels = self.graph.types[node.name].shape[0]
        starts = np.cumsum([0, *(len(self.order[name]) for name in node.sources)])
        joined = [self.order[name] + start for name, start in zip(node.sources, starts, strict=False)]
        order = np.concatenate(joined)
        if isinstance(node, Reshape) and len(node.shape) == 1:
            positions = channels // len(order)
            return np.asarray(order[:, None] * positions + np.arange(positions)).ravel()
        return order if len(order) == channels else np.arange(channels)

    def _as_it_was(self, name: str) -> Ints:
        return np.arange(self.graph.types[name].shape[0])

    def _pieces(self, name: str, sizes: Iterable[int]) -> tuple[_Piece, ...]:
        """New names; a single piece keeps the name."""
        counts = tuple(sizes)
        if len(counts) == 1:
            return (_Piece(name, *counts),)
        names = (self._unused(f"{name[:LONGEST]}_part{number}") for number in range(1, len(counts) + 1))
        return tuple(map(_Piece, names, counts))

    def _unused(self, name: str) -> str:
        found, number = name, 1
        while found in self.taken:
            number += 1
            found = f"{name}x{number}"
        self.taken.add(found)
        return found


def _picked(neuron: object, channels: Ints) -> Analog:
    if not isinstance(neuron, Analog) or neuron.grid is not None:
        raise TypeError("only real units without a grid are divided")
    slope = None if neuron.slope is None else neuron.slope.taken(channels)
    bias = replace(neuron.bias, values=neuron.bias.values.taken(channels))
    return replace(neuron, bias=bias, slope=slope)


def _read_nodes(nodes: Sequence[AnyNode], outputs: tuple[str, ...]) -> tuple[AnyNode, ...]:
    """The nodes without joined values that nothing reads, because all of their readers read parts."""
    kept, read = [], set(outputs)
    for node in reversed(nodes):
        if node.name in read:
            kept.append(node)
            read.update(node.sources)
    return tuple(reversed(kept))
