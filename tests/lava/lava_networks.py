"""Small networks for the Lava tests, with thresholds that spread their levels over the whole range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_ir.codes import Code
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Neuron, Staircase, Table
from snncc_ir.nodes import (
    AnyNode,
    Concat,
    Conv,
    Dense,
    Input,
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
from snncc_ir.tensors import Tensor
from snncc_ir.types import Levels

SAME = ((1, 1), (1, 1))


class Maker:
    """Draws weights and neurons from a fixed seed."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)

    def weight(self, *shape: int) -> Tensor:
        return Tensor.integer(self.rng.integers(-127, 128, shape), 8)

    def bias(self, channels: int) -> Bias:
        return Bias(values=Tensor.integer(self.rng.integers(-200, 201, channels)))

    def staircase(self, channels: int, lo: int = 0, hi: int = 15, theta: int = 200) -> Staircase:
        thresholds = self.rng.integers(theta // 2, theta * 2, channels)
        return Staircase(theta=Tensor.integer(thresholds), bias=self.bias(channels), lo=lo, hi=hi)

    def border(self, channels: int, size: int) -> Staircase:
        """A staircase whose bias differs at the border of a square image."""
        classes = (0, *(1,) * (size - 2), 2)
        values = Tensor.integer(self.rng.integers(-900, 901, (channels, 3, 3)))
        theta = Tensor.integer(self.rng.integers(100, 400, channels))
        return Staircase(theta=theta, bias=Bias(values=values, rows=classes, columns=classes), lo=0, hi=15)

    def table(self, channels: int, lo: int, hi: int) -> Table:
        steps = np.sort(self.rng.integers(-2000, 2001, (channels, hi - lo)), axis=1)
        return Table(breakpoints=Tensor.integer(steps), lo=lo, hi=hi)


def population(name: str, drives: Sequence[str] | str, neuron: Neuron, code: Code) -> Population:
    return Population(
        name=name, drives=(drives,) if isinstance(drives, str) else tuple(drives), neuron=neuron, code=code
    )


def small(code: Code, input_code: Code = Code.GRADED) -> Graph:
    """Two convolutions with a max-pool between them, and a dense readout."""
    m = Maker(1)
    nodes: tuple[AnyNode, ...] = (
        Input(name="pixels", type=Levels((1, 8, 8), 0, 15), code=input_code),
        Conv(name="conv1", source="pixels", weight=m.weight(4, 1, 3, 3)),
        population("first", "conv1", m.staircase(4), code),
        MaxPool(name="pool", source="first", kernel=(2, 2), stride=(2, 2)),
        Conv(name="conv2", source="pool", weight=m.weight(6, 4, 2, 2)),
        population("second", "conv2", m.staircase(6), code),
        Reshape(name="flat", source="second", shape=(24,)),
        Dense(name="dense", source="flat", weight=m.weight(5, 24)),
        Readout(name="scores", drives=("dense",), bias=m.bias(5)),
    )
    return Graph(name="small", nodes=nodes, outputs=("scores",))


def residual(codes: Sequence[Code]) -> Graph:
    """Everything at once; population i fires by `codes[i % len(codes)]`."""
    m = Maker(2)
    code = [codes[i % len(codes)] for i in range(6)]
    nodes: tuple[AnyNode, ...] = (
        Input(name="pixels", type=Levels((2, 8, 8), 0, 31), code=Code.RADIX),
        Conv(name="conv1", source="pixels", weight=m.weight(4, 2, 3, 3), padding=SAME),
        population("border", "conv1", m.border(4, 8), code[0]),
        Conv(name="conv2", source="border", weight=m.weight(4, 2, 3, 3), padding=SAME, groups=2),
        Scale(name="skip", source="border", weight=Tensor.integer([1500, 700, -900, 300])),
        population("signed", ("conv2", "skip"), m.staircase(4, -7, 7, 900), code[1]),
        MaxPool(name="pool", source="signed", kernel=(3, 3), stride=(2, 2), padding=((1, 1), (1, 0))),
        Conv(name="conv3", source="pool", weight=m.weight(4, 4, 1, 1)),
        population("table", "conv3", m.table(4, 0, 6), code[2]),
        Slice(name="cut", source="border", start=(0, 0, 0), stop=(4, 8, 8), step=(1, 2, 2)),
        Concat(name="joined", parts=("table", "cut", "pool")),
        Transpose(name="turned", source="joined", axes=(0, 2, 1)),
        Pad(name="framed", source="turned", padding=((0, 0), (1, 0), (0, 1))),
        Conv(name="conv4", source="framed", weight=m.weight(6, 12, 3, 3), dilation=(2, 1)),
        population("mixed", "conv4", m.table(6, -3, 5), code[3]),
        SumPool(name="mean", source="joined", weight=m.weight(12), kernel=(2, 3), stride=(1, 1)),
        population("pooled", "mean", m.staircase(12, -3, 12, 2500), code[4]),
        Reshape(name="flat1", source="mixed", shape=(18,)),
        Reshape(name="flat2", source="pooled", shape=(72,)),
        Concat(name="all", parts=("flat1", "flat2")),
        Dense(name="dense1", source="all", weight=m.weight(3, 90)),
        Slice(name="corner", source="pool", start=(0, 1, 1), stop=(4, 3, 3), step=(1, 1, 1)),
        Repeat(name="grown", source="corner", factors=(1, 2, 2)),
        Pad(name="spaced", source="corner", padding=((0, 0), (0, 1), (1, 0)), interior=(0, 1, 1)),
        Concat(name="upsampled", parts=("grown", "spaced")),
        Reshape(name="flat4", source="upsampled", shape=(128,)),
        Dense(name="dense4", source="flat4", weight=m.weight(3, 128)),
        Reshape(name="flat3", source="pixels", shape=(128,)),
        Dense(name="dense2", source="flat3", weight=m.weight(3, 128)),
        Readout(name="scores", drives=("dense1", "dense2", "dense1", "dense4"), bias=m.bias(3)),
        population("verdict", "dense1", m.staircase(3, -1, 1, 3000), code[5]),
    )
    return Graph(name="residual", nodes=nodes, outputs=("scores", "verdict"))


def saturating(code: Code, lo: int, hi: int) -> Graph:
    """A population of levels lo..hi that is driven to both ends, then pooled with padding, then a table."""
    m = Maker(3)
    theta, bias = Tensor.integer([4, 3]), Bias(values=Tensor.integer([3, -2]))
    nodes: tuple[AnyNode, ...] = (
        Input(name="x", type=Levels((2, 6, 6), -9, 9)),
        Scale(name="gain", source="x", weight=Tensor.integer([7, -5])),
        population("first", "gain", Staircase(theta=theta, bias=bias, lo=lo, hi=hi), code),
        MaxPool(name="pool", source="first", kernel=(2, 3), stride=(2, 2), padding=((1, 1), (1, 0))),
        Conv(name="conv", source="pool", weight=m.weight(3, 2, 2, 2)),
        population("second", "conv", m.table(3, lo, hi), code),
        Reshape(name="flat", source="second", shape=(18,)),
        Dense(name="dense", source="flat", weight=m.weight(2, 18)),
        Readout(name="y", drives=("dense",), bias=m.bias(2)),
    )
    return Graph(name="saturating", nodes=nodes, outputs=("y",))


def wide() -> Graph:
    """A layer whose sums pass 2^24, beyond what single-precision numbers hold exactly."""
    m = Maker(4)
    weight = Tensor.integer(m.rng.integers(100, 128, (3, 2000)), 8)
    nodes: tuple[AnyNode, ...] = (
        Input(name="x", type=Levels((2000,), 0, 255)),
        Dense(name="dense", source="x", weight=weight),
        Readout(name="y", drives=("dense",), bias=m.bias(3)),
    )
    return Graph(name="wide", nodes=nodes, outputs=("y",))


def images(graph: Graph, count: int, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Random images for every input."""
    rng = np.random.default_rng(seed)
    return {
        node.name: rng.integers(node.type.lo, node.type.hi + 1, (count, *node.type.shape))
        for node in graph.inputs
        if isinstance(node.type, Levels)
    }
