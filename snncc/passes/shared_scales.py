"""Which channels of real units need one scale of levels, because something reads them as one channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from snncc_ir.graph import Graph
from snncc_ir.linear import wire
from snncc_ir.neurons import Analog
from snncc_ir.nodes import AnyNode, Conv, Dense, Linear, MaxPool, Wiring
from snncc_ir.tensors import WEIGHT_BITS, Ints, Reals

ANY = 0
"""Label of a position whose scale is not ours to choose: padding, the input, a unit on a given grid."""

Group = dict[str, Ints]
"""Channels, by the name of their population."""


@dataclass(frozen=True)
class SharedScales:
    """Groups of two channels or more; a channel in none of them may have any scale."""

    groups: tuple[Group, ...]

    def mask(self, name: str, channels: int) -> NDArray[np.bool_]:
        """`[C]`, true where a channel of the population shares its scale with another."""
        mask = np.zeros(channels, dtype=bool)
        for group in self.groups:
            mask[group.get(name, [])] = True
        return mask

    def unified(self, scales: Mapping[str, Reals]) -> dict[str, Reals]:
        """The scales `[C]` of populations, those of a group as its greatest."""
        found = {name: np.array(scale) for name, scale in scales.items()}
        for group in self.groups:
            most = max(float(found[name][channels].max()) for name, channels in group.items())
            for name, channels in group.items():
                found[name][channels] = most
        return found


def shared_scales(graph: Graph, *, whole: bool = False) -> SharedScales:
    """The groups of a real graph: all positions of one channel, or of one pooling window, share a scale.

    Weights of few bits that are to be kept as they are need one for the whole of their source. With
    `whole` each population is a group.
    """
    work = _Labels(graph)
    for node in graph.nodes:
        work.visit(node)
    if whole:
        for start, channels in work.first.values():
            work.join(np.arange(start, start + channels))
    return SharedScales(work.groups())


@dataclass
class _Labels:
    """A number for each channel, spread over every value; `root` maps those that must share to one."""

    graph: Graph
    first: dict[str, tuple[int, int]] = field(default_factory=dict)
    values: dict[str, Ints] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = ANY + 1
        for node in self.graph.populations:
            if isinstance(node.neuron, Analog):
                self.first[node.name] = count, self.graph.types[node.name].shape[0]
                count += self.graph.types[node.name].shape[0]
        self.root: Ints = np.arange(count)

    def visit(self, node: AnyNode) -> None:
        match node:
            case MaxPool():
                self._join_windows(node)
                self._wire(node)
            case Wiring():
                self._wire(node)
            case Conv() | Dense() if _keeps_few_bits(node):
                self.join(self.values[node.source])
            case Dense():
                pass  # each of its inputs has a weight of its own
            case Linear():
                self._join_rows(self.values[node.source])
            case _:
                self.values[node.name] = self._source(node)

    def _source(self, node: AnyNode) -> Ints:
        shape = self.graph.types[node.name].shape
        if node.name not in self.first:
            return np.full(shape, ANY)
        start, channels = self.first[node.name]
        return np.broadcast_to(
            np.arange(start, start + channels).reshape(-1, *(1,) * (len(shape) - 1)), shape
        )

    def _wire(self, node: Wiring) -> None:
        self.values[node.name] = wire(node, *(self.values[name][None] for name in node.sources))[0]

    def _join_rows(self, value: Ints) -> None:
        flat = value.reshape(len(value), -1)
        for row in flat[(flat != flat[:, :1]).any(axis=1)]:
            self.join(row)

    def _join_windows(self, node: MaxPool) -> None:
        """Join the least and the greatest label of every window until they are one."""
        labels = self.values[node.source]
        while True:
            found = self.root[labels][None]
            most = wire(node, found)
            least = -wire(node, -np.where(found == ANY, len(self.root), found))
            differ = (most != ANY) & (least != most)
            if not differ.any():
                return
            for pair in np.unique(np.stack([least[differ], most[differ]], axis=1), axis=0):
                self.join(pair)

    def join(self, labels: Ints) -> None:
        """From now on all these channels are one group."""
        roots = np.unique(self.root[labels[labels != ANY]])
        if len(roots) > 1:
            self.root[np.isin(self.root, roots)] = roots[0]

    def groups(self) -> tuple[Group, ...]:
        """The channels of every group of two or more."""
        found = []
        roots, counts = np.unique(self.root, return_counts=True)
        for root in roots[counts > 1]:
            group = {}
            for name, (start, channels) in self.first.items():
                members = np.flatnonzero(self.root[start : start + channels] == root)
                if len(members):
                    group[name] = members
            found.append(group)
        return tuple(found)


def _keeps_few_bits(node: Conv | Dense) -> bool:
    """True where weights of few bits came with the network and stay as they are."""
    weight = node.weight
    return weight.scale is not None and weight.bits is not None and weight.bits < WEIGHT_BITS[-1]
