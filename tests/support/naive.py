"""The rules of ir/SPEC.md again, one neuron and one synapse at a time, on Python integers.

Nothing here calls `snncc_ir.linear`, `semantics`, `senders`, `spiking` or `streaming`: it checks them.
Values are flat lists in row-major order.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from snncc_ir.codes import Code
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase, Table
from snncc_ir.nodes import (
    AnyNode,
    Concat,
    Conv,
    Dense,
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
)
from snncc_ir.types import Shape

Synapses = list[list[tuple[int, int]]]
"""For every target its (source, weight) pairs, by flat index."""

Members = list[list[tuple[int, int]]]
"""For every target its (part, source) pairs: several for a max-pool, none where a level 0 is added."""


def positions(shape: Shape) -> Iterator[tuple[int, ...]]:
    return itertools.product(*map(range, shape))


def flat(index: tuple[int, ...], shape: Shape) -> int:
    result = 0
    for i, size in zip(index, shape, strict=True):
        result = result * size + i
    return result


def synapses(node: AnyNode, shape: Shape, out: Shape) -> Synapses:
    """The connections of a linear node from a source of `shape` to a drive of shape `out`."""
    match node:
        case Conv():
            return [_conv_synapses(node, shape, index) for index in positions(out)]
        case Dense(weight=weight):
            return [[(i, int(w)) for i, w in enumerate(row)] for row in weight.data]
        case Scale(weight=weight):
            return [[(flat(index, shape), int(weight.data[index[0]]))] for index in positions(out)]
        case SumPool():
            return _sum_pool_synapses(node, shape, out)
    raise TypeError(node)


def _conv_synapses(node: Conv, shape: Shape, index: tuple[int, ...]) -> list[tuple[int, int]]:
    o, y, x = index
    outputs, fan_in, rows, columns = node.weight.shape
    group = o // (outputs // node.groups)
    found = []
    for i, r, c in positions((fan_in, rows, columns)):
        row = y * node.stride[0] - node.padding[0][0] + r * node.dilation[0]
        column = x * node.stride[1] - node.padding[1][0] + c * node.dilation[1]
        if 0 <= row < shape[1] and 0 <= column < shape[2]:
            found.append((flat((group * fan_in + i, row, column), shape), int(node.weight.data[o, i, r, c])))
    return found


def window_taps(node: SumPool | MaxPool, shape: Shape, index: tuple[int, ...]) -> list[int]:
    """The taps of one pooling window that lie inside the image."""
    channel, y, x = index
    taps = []
    for r, c in positions(node.kernel):
        row = y * node.stride[0] - node.padding[0][0] + r
        column = x * node.stride[1] - node.padding[1][0] + c
        if 0 <= row < shape[1] and 0 <= column < shape[2]:
            taps.append(flat((channel, row, column), shape))
    return taps


def _sum_pool_synapses(node: SumPool, shape: Shape, out: Shape) -> Synapses:
    windows = {index: window_taps(node, shape, index) for index in positions(out)}
    size = node.kernel[0] * node.kernel[1]
    counts = {index: size if node.count_padding else len(taps) for index, taps in windows.items()}
    common = math.lcm(*counts.values())
    return [
        [(tap, int(node.weight.data[index[0]]) * (common // counts[index])) for tap in taps]
        for index, taps in windows.items()
    ]


def members(node: AnyNode, shapes: list[Shape], out: Shape) -> Members:
    """Where the values of a wiring node come from."""
    return [_members(node, shapes, index, out) for index in positions(out)]


def _members(node: AnyNode, shapes: list[Shape], index: tuple[int, ...], out: Shape) -> list[tuple[int, int]]:
    shape = shapes[0]
    match node:
        case MaxPool():
            return [(0, tap) for tap in window_taps(node, shape, index)]
        case Concat(axis=axis):
            part, rest = 0, index[axis]
            while rest >= shapes[part][axis]:
                rest -= shapes[part][axis]
                part += 1
            return [(part, flat((*index[:axis], rest, *index[axis + 1 :]), shapes[part]))]
        case Reshape():
            return [(0, flat(index, out))]
        case Transpose(axes=axes):
            source = [0] * len(axes)
            for i, axis in zip(index, axes, strict=True):
                source[axis] = i
            return [(0, flat(tuple(source), shape))]
        case Slice(start=start, step=step):
            return [(0, flat(tuple(a + i * s for i, a, s in zip(index, start, step, strict=True)), shape))]
        case Pad(padding=padding, interior=interior):
            moved = tuple(i - before for i, (before, _) in zip(index, padding, strict=True))
            steps = [between + 1 for between in interior] or [1] * len(shape)
            source = tuple(i // step for i, step in zip(moved, steps, strict=True))
            inside = all(0 <= i < size for i, size in zip(source, shape, strict=True))
            inside = inside and not any(i % step for i, step in zip(moved, steps, strict=True))
            return [(0, flat(source, shape))] if inside else []
        case Repeat(factors=factors):
            return [(0, flat(tuple(i // factor for i, factor in zip(index, factors, strict=True)), shape))]
    raise TypeError(node)


def bias_at(bias: Bias, index: tuple[int, ...]) -> int:
    if bias.rows:
        return int(bias.values.data[index[0], bias.rows[index[1]], bias.columns[index[2]]])
    return int(bias.values.data[index[0]])


def level(neuron: Staircase | Table, drive: int, index: tuple[int, ...]) -> int:
    """The level of one neuron for an integer drive."""
    channel = index[0]
    if isinstance(neuron, Table):
        places = (neuron.rows[index[1]], neuron.columns[index[2]]) if neuron.rows else ()
        return neuron.lo + sum(drive >= int(b) for b in neuron.breakpoints.data[(channel, *places)])
    theta = int(neuron.theta.data[channel])
    n = (drive + bias_at(neuron.bias, index) + theta // 2) // theta
    return min(max(n, neuron.lo), neuron.hi)


class Net:
    """A graph unrolled into neurons and synapses."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.shapes = {name: value.shape for name, value in graph.types.items()}
        self.synapses: dict[str, Synapses] = {}
        self.members: dict[str, Members] = {}
        for node in graph.nodes:
            sources = [self.shapes[name] for name in node.sources]
            if isinstance(node, Linear):
                self.synapses[node.name] = synapses(node, sources[0], self.shapes[node.name])
            elif not isinstance(node, Input | Population | Readout):
                self.members[node.name] = members(node, sources, self.shapes[node.name])

    def incoming(self, node: Population | Readout) -> list[list[tuple[str, int, int]]]:
        """For every neuron its (source node, source index, weight) triples."""
        total: list[list[tuple[str, int, int]]] = [[] for _ in positions(self.shapes[node.name])]
        for name in node.drives:
            source = self.graph.by_name[name].sources[0]
            for target, pairs in zip(total, self.synapses[name], strict=True):
                target.extend((source, i, weight) for i, weight in pairs)
        return total

    def wired(self, node: AnyNode, values: Mapping[str, list[int]]) -> list[int]:
        """Values of a wiring node."""
        return [
            max(values[node.sources[part]][i] for part, i in origin) if origin else 0
            for origin in self.members[node.name]
        ]

    def origin(self, name: str, index: int) -> str:
        """The input or population whose spikes neuron `index` of a value carries; "" for a padded zero."""
        node = self.graph.by_name[name]
        if isinstance(node, Input | Population):
            return name
        origins = (self.origin(node.sources[part], tap) for part, tap in self.members[name][index])
        return next(filter(None, origins), "")  # a max-pool's first member may be a padded zero


def evaluate(net: Net, inputs: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, list[int]]:
    """Levels of every node that gives levels and outputs of every readout, for one image."""
    values: dict[str, list[int]] = {}
    for node in net.graph.nodes:
        match node:
            case Input(name=name):
                values[name] = [int(n) for n in inputs[name].ravel()]
            case Population(name=name, neuron=Staircase() | Table() as neuron):
                drives = _drives(net, node, values)
                where = positions(net.shapes[name])
                values[name] = [level(neuron, u, index) for u, index in zip(drives, where, strict=True)]
            case Readout(name=name, bias=bias):
                drives = _drives(net, node, values)
                where = positions(net.shapes[name])
                values[name] = [u + bias_at(bias, index) for u, index in zip(drives, where, strict=True)]
            case _ if node.name in net.members:
                values[node.name] = net.wired(node, values)
            case _:
                pass
    return values


def _drives(net: Net, node: Population | Readout, values: Mapping[str, list[int]]) -> list[int]:
    return [sum(w * values[source][i] for source, i, w in triples) for triples in net.incoming(node)]


def train(code: Code, lo: int, hi: int, n: int) -> list[int]:
    """The spikes that stand for level `n` in its window."""
    top = max(hi, -lo)
    sign, size = (1, n) if n >= 0 else (-1, -n)
    match code:
        case Code.GRADED:
            return [n]
        case Code.RADIX:
            width = top.bit_length()
            return [sign * (size >> i & 1) for i in reversed(range(width))]
        case Code.COUNT:
            return [sign if t < size else 0 for t in range(top)]
        case Code.TTFS:
            return [sign if size and t == top - size else 0 for t in range(top)]
    raise ValueError(code)


def spike_value(code: Code, lo: int, hi: int, step: int) -> int:
    """How many levels a spike of this step stands for."""
    top = max(hi, -lo)
    match code:
        case Code.RADIX:
            return 2 ** (top.bit_length() - 1 - step)
        case Code.TTFS:
            return top - step
        case _:
            return 1
