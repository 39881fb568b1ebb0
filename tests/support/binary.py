"""Random networks for binary lanes: weights of -1 and +1 among others, levels of one bit among others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from snncc_backends.fpga.tables.tables import Widths
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import Concat, Conv, Dense, Input, MaxPool, Population, Readout, Reshape, Slice
from snncc_ir.semantics import fire
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Phased
from snncc_ir.types import Levels
from support.fpga import wide
from support.graphs import Builder, Case

CHANNELS = (1, 2, 3, 4, 5, 8, 9, 16, 63, 64, 65, 72, 130)
"""Of a layer: what neither 8 nor 64 divides, and what they do."""

INPUTS = ((0, 1), (0, 1), (0, 3), (0, 15), (0, 100))
HIDDEN = ((0, 1), (0, 1), (0, 1), (0, 1), (0, 3))


def wide_bits(lanes: int, *, signed: bool, mixed: bool) -> Widths:
    """Widths beyond what a small random network on binary lanes needs."""
    found = vars(wide(lanes, mixed=mixed, table_rows=0))
    found |= {"correction": 1, "table_address": 1, "level": 9 if signed else 8, "signed_levels": int(signed)}
    found |= {"weight": 8 if mixed else 1, "binary": 1, "multipliers": int(mixed), "bit_words": 4096}
    return Widths(**found)


class BitBuilder(Builder):
    """Grows a network layer by layer; `signed` ones may have levels below 0, `mixed` ones wider weights."""

    def __init__(self, draw: Callable[..., Any], batch: int, *, signed: bool, mixed: bool) -> None:
        super().__init__(draw, Phased(), batch)
        self.signed, self.mixed = signed, mixed

    def range(self, options: tuple[tuple[int, int], ...]) -> tuple[int, int]:
        return self.pick([*options, (-1, 1), (-3, 1)] if self.signed else options)

    def bits(self) -> int:
        return self.pick((1, 1, 1, 2, 8)) if self.mixed else 1

    def start(self) -> None:
        shape = (self.pick(CHANNELS), self.number(2, 5), self.number(1, 6))
        wide = ((-128, 128), (-256, 255)) if self.signed else ((0, 255), (0, 255))
        lo, hi = self.range((*INPUTS, *wide))
        x = self.rng.integers(lo, hi + 1, (self.batch, *shape))
        self.add(Input(name=self.name("x"), type=Levels(shape, lo, hi)), x)

    def conv(self, source: str, outputs: int, like: Conv | None = None) -> Conv:
        channels, *image = self.shape(source)
        kernel, padding, stride, dilation = [], [], [], []
        for size in image:
            k = self.number(1, 3)
            kernel.append(k)
            dilation.append(self.number(1, 2))
            span = (k - 1) * dilation[-1]
            least = max(0, span + 1 - size)
            before = self.number(0, max(span, least))
            padding.append((before, max(least - before, self.number(0, span))))
            stride.append(self.number(1, 2))
        if like is not None:
            kernel, padding = list(like.weight.shape[2:]), list(like.padding)
            stride, dilation = list(like.stride), list(like.dilation)
        node = Conv(
            name=self.name("k"),
            source=source,
            weight=self.weights((outputs, channels, *kernel), self.bits()),
            stride=(stride[0], stride[1]),
            padding=(padding[0], padding[1]),
            dilation=(dilation[0], dilation[1]),
        )
        self.project(node)
        return node

    def fired(self, drives: tuple[str, ...]) -> str:
        """A population whose levels are spread over its range by what its drives are."""
        total = np.asarray(sum(self.values[name] for name in drives))
        lo, hi = self.range(HIDDEN)
        by_channel = total.swapaxes(0, 1).reshape(total.shape[1], -1)
        least, most = by_channel.min(axis=1), by_channel.max(axis=1)
        theta = np.maximum(1, (most - least) // (hi - lo + 1))
        values = lo * theta - least + self.rng.integers(-1, 2, len(theta))
        neuron = Staircase(
            theta=Tensor.integer(theta), bias=self.borders(values, total.shape[1:]), lo=lo, hi=hi
        )
        return self.add(Population(name=self.name("p"), drives=drives, neuron=neuron), fire(neuron, total))

    def borders(self, values: Any, shape: tuple[int, ...]) -> Bias:
        if len(shape) != 3 or self.number(0, 1):
            return Bias(values=Tensor.integer(values))
        offsets = self.rng.integers(-2, 3, (len(values), 2, 2))
        rows, columns = (tuple(int(i) for i in self.rng.integers(0, 2, size)) for size in shape[1:])
        return Bias(values=Tensor.integer(values[:, None, None] + offsets), rows=rows, columns=columns)

    def layer(self) -> None:
        """A convolution, now and then with a second one beside it, and what may follow."""
        source = self.signals[-1]
        outputs = self.pick(CHANNELS)
        first = self.conv(source, outputs)
        drives = [first.name]
        if self.number(0, 3) == 0:
            drives.append(self.conv(source, outputs, first).name)
        last = self.fired(tuple(drives))
        match self.number(0, 5):
            case 0 | 1 if min(self.shape(last)[1:]) > 1:
                self.pool(last)
            case 2:
                fitting = [name for name in self.images() if self.shape(name)[1:] == self.shape(last)[1:]]
                self.wire(Concat(name=self.name("c"), parts=(last, self.pick(fitting)), axis=0))
            case 3 | 4:
                channels, *image = self.shape(last)
                start = self.pick((channels - 1, channels // 2, channels // 16 * 8, channels // 16 * 8))
                first_place, end = (start, 0, 0), (channels, *image)
                self.wire(
                    Slice(name=self.name("s"), source=last, start=first_place, stop=end, step=(1, 1, 1))
                )

    def pool(self, source: str) -> None:
        """Windows that do not overlap, which are fused, or that do, or that meet padding."""
        stride, margin = self.pick(((2, 0), (2, 0), (2, 1), (1, 0)))
        self.wire(
            MaxPool(
                name=self.name("m"),
                source=source,
                kernel=(2, 2),
                stride=(stride, 2),
                padding=((margin, 0), (0, margin)),
            )
        )

    def end(self) -> None:
        """Dense layers."""
        source = self.signals[-1]
        size = int(np.prod(self.shape(source)))
        flat = self.wire(Reshape(name=self.name("f"), source=source, shape=(size,)))
        if self.number(0, 1):
            flat = self.fired((self.dense(flat, self.pick(CHANNELS)),))
        drive = self.dense(flat, self.number(1, 20))
        bias = Bias(values=Tensor.integer(self.rng.integers(-5, 6, self.shape(drive)[0])))
        self.add(Readout(name=self.name("y"), drives=(drive,), bias=bias), self.values[drive])

    def dense(self, source: str, outputs: int) -> str:
        weight = self.weights((outputs, self.shape(source)[0]), self.bits())
        return self.project(Dense(name=self.name("d"), source=source, weight=weight))


def some_of_all() -> Graph:
    """Bit planes of pixels, a fused pool, a map of 72 channels of which 64 are read, a dense layer.

    All that on binary lanes; the readout has wider weights.
    """
    rng = np.random.default_rng(0)

    def signs(*shape: int) -> Tensor:
        return Tensor.integer(rng.choice([-1, 1], shape), 1)

    def fired(name: str, drive: str, channels: int, spread: int) -> Population:
        bias = Bias(values=Tensor.integer(rng.integers(-spread, spread + 1, channels)))
        ones = Tensor.integer(np.ones(channels, dtype=np.int64))
        return Population(name=name, drives=(drive,), neuron=Staircase(theta=ones, bias=bias, lo=0, hi=1))

    nodes = (
        Input(name="pixels", type=Levels((3, 7, 7), 0, 255)),
        Conv(name="k0", source="pixels", weight=signs(72, 3, 3, 3), padding=((1, 0), (0, 1))),
        fired("p0", "k0", 72, 200),
        MaxPool(name="m", source="p0", kernel=(2, 2), stride=(2, 2)),
        Slice(name="s", source="m", start=(8, 0, 0), stop=(72, 3, 3), step=(1, 1, 1)),
        Conv(name="k1", source="s", weight=signs(10, 64, 2, 2), padding=((0, 1), (1, 0))),
        fired("p1", "k1", 10, 9),
        Reshape(name="f", source="p1", shape=(90,)),
        Dense(name="d0", source="f", weight=signs(17, 90)),
        fired("p2", "d0", 17, 5),
        Dense(name="d1", source="p2", weight=Tensor.integer(rng.integers(-100, 101, (5, 17)), 8)),
        Readout(name="y", drives=("d1",), bias=Bias(values=Tensor.integer([1, 2, 3, 4, 5]))),
    )
    return Graph(name="some", nodes=nodes, outputs=("y",))


@st.composite
def binary_cases(draw: Callable[..., Any], *, signed: bool, mixed: bool) -> Case:
    """A network of one to three convolutions and a dense end, with images."""
    builder = BitBuilder(draw, draw(st.integers(1, 3)), signed=signed, mixed=mixed)
    builder.start()
    for _ in range(draw(st.integers(1, 3))):
        builder.layer()
    builder.end()
    graph = Graph(name="binary", nodes=tuple(builder.nodes), outputs=tuple(builder.unread))
    inputs = {node.name: builder.values[node.name][None] for node in graph.inputs}
    return Case(graph, inputs)


def two_binary() -> Graph:
    """A convolution that reads 3-bit levels by planes, and one that reads packed levels."""
    rng = np.random.default_rng(3)

    def population(name: str, drive: str) -> Population:
        ones, bias = Tensor.integer(np.ones(8, dtype=np.int64)), rng.integers(-3, 4, 8)
        neuron = Staircase(theta=ones, bias=Bias(values=Tensor.integer(bias)), lo=0, hi=1)
        return Population(name=name, drives=(drive,), neuron=neuron)

    nodes = (
        Input(name="pixels", type=Levels((1, 6, 6), 0, 7)),
        Conv(name="k0", source="pixels", weight=Tensor.integer(rng.choice([-1, 1], (8, 1, 3, 3)), 1)),
        population("p0", "k0"),
        Conv(name="k1", source="p0", weight=Tensor.integer(rng.choice([-1, 1], (8, 8, 2, 2)), 1)),
        population("p1", "k1"),
        Reshape(name="flat", source="p1", shape=(72,)),
        Dense(name="dense", source="flat", weight=Tensor.integer(rng.choice([-1, 1], (3, 72)), 1)),
        Readout(name="scores", drives=("dense",), bias=Bias(values=Tensor.integer([1, -2, 0]))),
    )
    return Graph(name="binary", nodes=nodes, outputs=("scores",))
