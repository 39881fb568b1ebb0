"""What a run costs: spikes and synaptic operations, counted from levels without any time step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_ir.codes import Code, Strand, window
from snncc_ir.graph import Graph
from snncc_ir.linear import wire
from snncc_ir.nodes import Conv, Dense, Input, Linear, Population, Readout, Scale, SumPool, Wiring
from snncc_ir.tensors import Ints
from snncc_ir.types import Shape

Array = NDArray[Any]


@dataclass(frozen=True)
class Counts:
    """Sums over images: `spikes` by sender, `synops` by linear node."""

    spikes: Mapping[str, int]
    synops: Mapping[str, int]

    def __add__(self, other: Counts) -> Counts:
        return Counts(_add(self.spikes, other.spikes), _add(self.synops, other.synops))


def _add(a: Mapping[str, int], b: Mapping[str, int]) -> dict[str, int]:
    return {name: a.get(name, 0) + b.get(name, 0) for name in {**a, **b}}


NO_COUNTS = Counts({}, {})


@singledispatch
def fan_out(node: Linear, shape: Shape) -> Array:
    """Synapses that leave each element of the source of `shape`; broadcasts to it.

    Every tap inside the image counts, whatever its weight.
    """
    raise TypeError(f"{type(node).__name__} is no linear node")


@fan_out.register
def _(node: Conv, shape: Shape) -> Array:
    kernel = node.weight.shape[2:]
    taps = np.ones((1, 1, 1), dtype=np.int64)
    for axis in (0, 1):
        line = _uses(
            shape[axis + 1], kernel[axis], node.stride[axis], node.padding[axis], node.dilation[axis]
        )
        taps = taps * (line[:, None] if axis == 0 else line)
    return taps * (node.weight.shape[0] // node.groups)


@fan_out.register
def _(node: Dense, shape: Shape) -> Array:
    return np.full((1,) * len(shape), node.weight.shape[0], dtype=np.int64)


@fan_out.register
def _(node: Scale, shape: Shape) -> Array:
    return np.ones((1,) * len(shape), dtype=np.int64)


@fan_out.register
def _(node: SumPool, shape: Shape) -> Array:
    lines = [_uses(*axis, 1) for axis in zip(shape[1:], node.kernel, node.stride, node.padding, strict=True)]
    return (lines[0][:, None] * lines[1])[None]


def _uses(size: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int) -> Array:
    """How many output positions read each of `size` input positions along one axis."""
    outputs = (size + sum(padding) - dilation * (kernel - 1) - 1) // stride + 1
    padded = np.zeros(size + sum(padding), dtype=np.int64)
    for tap in range(kernel):
        padded[tap * dilation : tap * dilation + stride * (outputs - 1) + 1 : stride] += 1
    return padded[padding[0] : padding[0] + size]


def trains_sent(graph: Graph) -> dict[str, int]:
    """Trains that every sender sends per image: one for each distinct delay, in windows, of its readers.

    A skip connection reads later than a direct reader, so its sender fires the same train again.
    """
    delays: dict[str, set[int]] = {node.name: set() for node in (*graph.inputs, *graph.populations)}
    for node in graph.nodes:
        if isinstance(node, Population | Readout):
            latest = max(strand.slot for name in node.drives for strand in graph.strands[name])
            for sender, slot in _senders(graph, node):
                delays[sender].add(latest - slot)
    return {name: max(1, len(found)) for name, found in delays.items()}


def _senders(graph: Graph, node: Population | Readout) -> list[tuple[str, int]]:
    """Every input or population whose spikes reach `node` without passing another neuron, and its slot."""
    found: list[tuple[str, int]] = []
    stack = list(node.drives)
    while stack:
        source = graph.by_name[stack.pop()]
        if isinstance(source, Input | Population):
            found.append((source.name, graph.strands[source.name][0].slot))
        else:
            stack.extend(source.sources)
    return found


@dataclass(frozen=True)
class Probe:
    """A value whose spikes are counted for an owner, with the factor of every element's spikes."""

    value: str
    owner: str
    factor: Array


class Counter:
    """Counts the spikes and synaptic operations of a phased graph from the levels of its values."""

    def __init__(self, graph: Graph) -> None:
        """Prepare `spikes` and `synops`, what is counted; `values` names the nodes that it takes."""
        sent = trains_sent(graph)
        senders = (*graph.inputs, *graph.populations)
        self._strands = graph.strands
        self.spikes = tuple(Probe(node.name, node.name, np.array(sent[node.name])) for node in senders)
        self.synops = tuple(
            Probe(node.source, node.name, fan_out(node, graph.types[node.source].shape))
            for node in graph.linears
        )
        self.values = tuple(dict.fromkeys(probe.value for probe in (*self.spikes, *self.synops)))
        mixed = [name for name in self.values if len(graph.strands[name]) > 1]
        self._carriers = {name: carriers(graph, name) for name in mixed}

    def count(self, levels: Mapping[str, Array]) -> Counts:
        """Counts for levels `[N, *shape]` of every node in `values`."""
        maps = {name: self._spike_map(name, levels[name]) for name in self.values}
        return Counts(
            {probe.owner: int((maps[probe.value] * probe.factor).sum()) for probe in self.spikes},
            {probe.owner: int((maps[probe.value] * probe.factor).sum()) for probe in self.synops},
        )

    def _spike_map(self, name: str, levels: Array) -> Array:
        """Spikes of all images at each position: `[1, H, W]` where the factors do not vary by channel."""
        strands = self._strands[name]
        if len(strands) == 1:
            return _per_position(_spikes(levels, strands[0]))
        carrier = self._carriers[name]
        parts = [_spikes(levels, s).sum(axis=0) * (carrier == i) for i, s in enumerate(strands)]
        return np.asarray(sum(parts))


def spread(graph: Graph, levels: Mapping[str, Array]) -> dict[str, Array]:
    """Levels of every value from those of the inputs and populations: what the wiring makes of them."""
    values = dict(levels)
    for node in graph.nodes:
        if isinstance(node, Wiring):
            values[node.name] = wire(node, *(values[source] for source in node.sources))
    return values


def count_trains(graph: Graph, trains: Mapping[str, Array]) -> Counts:
    """Counts of a streaming code from the trains `[N, T, *shape]` of inputs, populations and max-pools."""
    fired = {name: (x != 0).reshape(-1, *x.shape[2:]).astype(np.int64) for name, x in trains.items()}
    for node in graph.nodes:
        if isinstance(node, Wiring) and node.name not in fired:
            fired[node.name] = wire(node, *(fired[source] for source in node.sources))
    return Counts(
        {node.name: int(fired[node.name].sum()) for node in (*graph.inputs, *graph.populations)},
        {
            node.name: int((fired[node.source] * fan_out(node, graph.types[node.source].shape)).sum())
            for node in graph.linears
        },
    )


def carriers(graph: Graph, name: str) -> Array:
    """Which of the value's strands carries each of its elements, as an index into `graph.strands[name]`."""
    node = graph.by_name[name]
    if not isinstance(node, Wiring):
        return np.zeros(graph.types[name].shape, dtype=np.int64)
    own = graph.strands[name]
    parts = []
    for source in node.sources:
        index = np.array([own.index(strand) for strand in graph.strands[source]])
        parts.append(index[carriers(graph, source)][None])
    return np.asarray(wire(node, *parts)[0])


def _spikes(levels: Array, strand: Strand) -> Array:
    """Spikes of every level; elements that another strand carries give anything."""
    if strand.code in (Code.GRADED, Code.TTFS):
        return np.asarray((levels != 0).view(np.uint8))
    if strand.code is Code.RADIX and hasattr(np, "bitwise_count"):  # numpy 2; on negatives it counts |n|
        return np.asarray(np.bitwise_count(levels))
    table = spikes_per_level(strand.code, strand.lo, strand.hi)
    narrow = table.astype(np.uint8 if table.max() < 256 else np.uint16)
    index = levels if strand.lo == 0 else levels.astype(np.int64) - strand.lo
    return np.take(narrow, index, mode="clip")


def _per_position(spikes: Array) -> Array:
    image = spikes.ndim == 4
    rows = spikes.shape[0] * spikes.shape[1] if image else spikes.shape[0]
    wide = np.uint32 if rows * int(np.iinfo(spikes.dtype).max) < 2**32 else np.int64
    sums = spikes.reshape(rows, -1).sum(axis=0, dtype=wide).astype(np.int64)
    return np.asarray(sums.reshape((1, *spikes.shape[2:]) if image else spikes.shape[1:]))


def spikes_per_level(code: Code, lo: int, hi: int) -> Ints:
    """Spikes that a phased code sends for each level lo..hi; index `level - lo`."""
    levels = np.abs(np.arange(lo, hi + 1, dtype=np.int64))
    match code:
        case Code.RADIX:
            bits = levels[:, None] >> np.arange(window(code, lo, hi))
            return np.asarray((bits & 1).sum(axis=1))
        case Code.COUNT:
            return levels
        case Code.GRADED | Code.TTFS:
            return (levels > 0).astype(np.int64)
        case _:
            raise ValueError(f"{code} has no fixed number of spikes per level")
