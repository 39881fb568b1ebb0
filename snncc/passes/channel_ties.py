"""Which populations must have their channels in one order, because something ties channel c of both."""

from __future__ import annotations

from dataclasses import dataclass, field

from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog
from snncc_ir.nodes import (
    AnyNode,
    Concat,
    Conv,
    Input,
    Linear,
    MaxPool,
    Pad,
    Population,
    Readout,
    Repeat,
    Reshape,
    Scale,
    Slice,
    SumPool,
    Transpose,
    Wiring,
)

FIXED = ""
"""Stands for all that keeps its order: inputs, outputs, and channels that are lost sight of on their way."""

Owners = tuple[str, ...]
"""The populations whose channels a value has along its first axis, one after the other."""


def tied_populations(graph: Graph) -> tuple[tuple[str, ...], ...]:
    """Groups of analog populations whose channels may change their order, in the graph's order.

    All of a group must change it alike: skips, pools and depthwise convolutions read and give channel c.
    """
    work = _Ties(graph)
    for node in graph.nodes:
        work.visit(node)
    for name in graph.outputs:
        if not isinstance(graph.by_name[name], Readout):
            work.fix(work.owners[name])
    return work.groups()


def is_channelwise(node: Linear) -> bool:
    """True where channel c of the drive comes from channel c of the source alone."""
    if isinstance(node, Conv):
        return node.groups == node.weight.shape[0] and node.weight.shape[1] == 1
    return isinstance(node, Scale | SumPool)


def keeps_channels(node: Wiring) -> bool:
    """True where pieces of the channels can go through alone, one behind the other."""
    match node:
        case MaxPool() | Concat(axis=0):
            return True
        case Pad(padding=padding, interior=interior):
            return padding[0] == (0, 0) and not any(interior[:1])
        case Repeat(factors=factors):
            return factors[0] == 1
        case Transpose(axes=axes):
            return axes[0] == 0
        case _:
            return False


@dataclass
class _Ties:
    """`root` leads from a population to the one that stands for its group; `owners` knows every signal."""

    graph: Graph
    root: dict[str, str] = field(default_factory=lambda: {FIXED: FIXED})
    owners: dict[str, Owners] = field(default_factory=dict)

    def visit(self, node: AnyNode) -> None:
        match node:
            case Input():
                self.owners[node.name] = (FIXED,)
            case Conv() if node.groups > 1 and not is_channelwise(node):
                self.fix(self.owners[node.source])
            case Population():
                self._population(node)
            case Readout():
                for drive in node.drives:
                    self._project(drive, FIXED)
            case Wiring():
                self.owners[node.name] = self._wired(node)

    def _population(self, node: Population) -> None:
        self.root[node.name] = node.name
        self.owners[node.name] = (node.name,)
        free = isinstance(node.neuron, Analog) and node.neuron.grid is None
        if not free or any(len(self.graph.readers[drive]) > 1 for drive in node.drives):
            self.fix((node.name,))
        for drive in node.drives:
            self._project(drive, node.name)

    def _project(self, drive: str, target: str) -> None:
        """Tie what reads a drive to what the drive comes from, where channels stay what they are."""
        node = self.graph.by_name[drive]
        if isinstance(node, Linear) and is_channelwise(node):
            source = self.owners[node.source]
            if len(source) == 1 and self._channels(source[0]) in (None, self._channels(drive)):
                self._tie(source[0], target)
            else:
                self.fix((*source, target))
        elif isinstance(node, Conv) and node.groups > 1:
            self.fix((target,))

    def _channels(self, name: str) -> int | None:
        return self.graph.types[name].shape[0] if name != FIXED else None

    def _wired(self, node: Wiring) -> Owners:
        """The owners of what wiring gives; channels that it takes apart or mixes stay where they are."""
        owners = tuple(owner for name in node.sources for owner in self.owners[name])
        channels = [self.graph.types[name].shape[0] for name in node.sources]
        match node:
            case MaxPool() if self._is_joined(node.source):
                kept = False  # it pools values of one width, so that every piece needs a pool
            case MaxPool() | Pad() | Repeat() | Transpose() | Concat():
                kept = keeps_channels(node)
            case Reshape(shape=shape):
                kept = len(shape) == 1 or shape[0] == channels[0]
            case Slice(start=(0, *_), stop=(stop, *_), step=(1, *_)):
                kept = stop == channels[0]
            case _:
                kept = False
        if kept:
            return owners
        self.fix(owners)
        return (FIXED,)

    def _is_joined(self, name: str) -> bool:
        """True where a value cannot be had in pieces."""
        node = self.graph.by_name[name]
        if isinstance(node, Reshape | Slice):
            return True
        return isinstance(node, Wiring) and any(map(self._is_joined, node.sources))

    def fix(self, owners: Owners) -> None:
        """These keep the order of their channels."""
        for owner in owners:
            self._tie(owner, FIXED)

    def _tie(self, one: str, other: str) -> None:
        first, second = self._find(one), self._find(other)
        if FIXED in (first, second):
            self.root[first] = self.root[second] = FIXED
        else:
            self.root[second] = first

    def _find(self, name: str) -> str:
        while self.root[name] != name:
            name = self.root[name]
        return name

    def groups(self) -> tuple[tuple[str, ...], ...]:
        found: dict[str, list[str]] = {}
        for name in self.root:
            found.setdefault(self._find(name), []).append(name)
        return tuple(tuple(names) for root, names in found.items() if root != FIXED)
