"""Hypothesis strategies for random integer graphs, with inputs that exercise them.

A case is small enough to run spike by spike in milliseconds. Thresholds are set from the drives that the
case's own images give, so that levels are spread over the range instead of being saturated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from snncc_ir.codes import PHASED_CODES, Code, Reset
from snncc_ir.graph import Graph
from snncc_ir.inference import result_type
from snncc_ir.linear import drive, wire
from snncc_ir.neurons import Bias, Neuron
from snncc_ir.nodes import (
    AnyNode,
    Concat,
    Input,
    Linear,
    MaxPool,
    Population,
    Readout,
    Reshape,
)
from snncc_ir.semantics import fire
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Phased, Rate, Stbif, Strands, Timing, find_strands
from snncc_ir.types import Drive, Levels, Shape, ValueType
from support import layers, neurons

Array = NDArray[Any]


class Weights(Enum):
    """How weights are drawn: at random, or so that sums reach their extremes."""

    RANDOM = "random"
    EXTREME = "extreme"
    EQUAL = "equal"
    ALTERNATING = "alternating"


@dataclass(frozen=True)
class Case:
    """A graph and images `inputs[name][N, I, *shape]` for it."""

    graph: Graph
    inputs: dict[str, Array]

    @property
    def batch(self) -> dict[str, Array]:
        """The images of all streams in one batch."""
        return {name: x.reshape(-1, *x.shape[2:]) for name, x in self.inputs.items()}

    def __repr__(self) -> str:
        arrays = {name: x.tolist() for name, x in self.inputs.items()}
        tensors = {node.name: layers.shown(node) for node in self.graph.nodes}
        return f"Case({self.graph.timing}, {list(self.graph.nodes)}, {tensors}, {arrays})"


class Builder:
    """Grows a graph node by node and knows every node's type and its values for the images."""

    def __init__(self, draw: Callable[..., Any], timing: Timing, batch: int) -> None:
        self.draw, self.timing, self.batch = draw, timing, batch
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.nodes: list[AnyNode] = []
        self.types: dict[str, ValueType] = {}
        self.values: dict[str, Array] = {}
        self.unread: list[str] = []

    def pick(self, options: Any) -> Any:
        return self.draw(st.sampled_from(list(options)))

    def number(self, low: int, high: int) -> int:
        return int(self.draw(st.integers(low, high)))

    def name(self, prefix: str) -> str:
        return f"{prefix}{len(self.nodes)}"

    def add(self, node: AnyNode, value: Array) -> str:
        self.types[node.name] = result_type(node, tuple(self.types[name] for name in node.sources))
        self.nodes.append(node)
        self.values[node.name] = value
        self.unread = [name for name in self.unread if name not in node.sources] + [node.name]
        return node.name

    def wire(self, node: Any) -> str:
        return self.add(node, wire(node, *(self.values[name] for name in node.sources)))

    def project(self, node: Linear) -> str:
        return self.add(node, drive(node, self.values[node.source]))

    def strands(self, name: str) -> Strands:
        return find_strands(self.nodes)[name]

    def shape(self, name: str) -> Shape:
        return self.types[name].shape

    @property
    def signals(self) -> list[str]:
        """The nodes that give levels."""
        return [name for name, value in self.types.items() if not isinstance(value, Drive)]

    def images(self) -> list[str]:
        """The signals with channels, height and width."""
        return [name for name in self.signals if len(self.shape(name)) == 3]

    def vectors(self) -> list[str]:
        """The signals with one axis."""
        return [name for name in self.signals if len(self.shape(name)) == 1]

    def weights(self, shape: Shape, bits: int) -> Tensor:
        """Weights of `bits` bits; 1 bit means -1 and +1."""
        low, high = (-1, 1) if bits == 1 else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        match self.pick(Weights):
            case Weights.RANDOM:
                data = self.rng.integers(low, high + 1, shape)
            case Weights.EXTREME:
                data = self.rng.choice([low, high], shape)
            case Weights.EQUAL:
                data = np.full(shape, self.pick((low, high)))
            case _:
                data = np.where(np.arange(np.prod(shape)).reshape(shape) % 2, low, high)
        return Tensor.integer(np.where(data == 0, low, data) if bits == 1 else data, bits)

    def population(self, drives: tuple[str, ...]) -> str:
        code = self.pick(PHASED_CODES) if isinstance(self.timing, Phased) else STREAM_CODES[type(self.timing)]
        total = np.asarray(sum(self.values[name] for name in drives))
        neuron: Neuron = neurons.draw_neuron(self, code, total)
        node = Population(name=self.name("p"), drives=drives, neuron=neuron, code=code)
        return self.add(node, fire(neuron, total))

    def readout(self, drives: tuple[str, ...]) -> str:
        total = np.asarray(sum(self.values[name] for name in drives))
        bias = Bias(values=Tensor.integer(self.rng.integers(-50, 51, total.shape[1])))
        return self.add(Readout(name=self.name("y"), drives=drives, bias=bias), total)


STREAM_CODES: dict[type, Code] = {Rate: Code.RATE, Stbif: Code.STBIF}


def add_input(b: Builder) -> str:
    """An input of random shape, range and code, with random, extreme or sparse images."""
    shape = (b.number(1, 3), b.number(1, 5), b.number(1, 5)) if b.number(0, 4) else (b.number(1, 6),)
    code = b.pick(PHASED_CODES) if isinstance(b.timing, Phased) else Code.GRADED
    lo, hi = neurons.draw_range(b, code, signed=True)
    size = (b.batch, *shape)
    match b.number(0, 3):
        case 0:
            x = b.rng.choice([lo, 0, hi], size)
        case 1:
            x = np.where(b.rng.random(size) < 0.7, 0, b.rng.integers(lo, hi + 1, size))
        case _:
            x = b.rng.integers(lo, hi + 1, size)
    return b.add(Input(name=b.name("x"), type=Levels(shape, lo, hi), code=code), x)


def add_wiring(b: Builder) -> None:
    """One node of wiring behind a random signal."""
    source = b.pick(b.signals)
    kind = b.number(0, 6)
    if kind <= 2 and len(b.shape(source)) == 3 and len(b.strands(source)) == 1:
        kernel, stride, padding = layers.draw_pool(b, b.shape(source))
        b.wire(MaxPool(name=b.name("m"), source=source, kernel=kernel, stride=stride, padding=padding))
    elif kind <= 4:
        _add_concat(b, source)
    else:
        b.wire(layers.draw_rewiring(b, source))


def _add_concat(b: Builder, source: str) -> None:
    shape = b.shape(source)
    axis = b.number(0, len(shape) - 1) if not b.number(0, 2) else 0
    fitting = [
        name
        for name in b.signals
        if len(b.shape(name)) == len(shape)
        and all(i == axis or a == c for i, (a, c) in enumerate(zip(b.shape(name), shape, strict=True)))
    ]
    others = [b.pick(fitting) for _ in range(b.number(1, 2))]
    b.wire(Concat(name=b.name("c"), parts=(source, *others), axis=axis))


def add_projections(b: Builder) -> tuple[str, ...]:
    """One to three drives of one shape from random signals, the newest of them more often than not."""
    source = b.signals[-1] if b.number(0, 2) else b.pick(b.signals)
    first = layers.draw_linear(b, source)
    shape = b.shape(first)
    drives = [first]
    for _ in range(b.pick((0, 0, 1, 1, 2))):
        drives.append(_project_to(b, shape))
    if b.number(0, 9) == 0:
        drives.append(first)
    return tuple(drives)


def _project_to(b: Builder, shape: Shape) -> str:
    """A linear node from a random signal to a drive of `shape`."""
    rank = len(shape)
    source = b.pick([name for name in b.signals if len(b.shape(name)) in (rank, 3)])
    if len(b.shape(source)) != rank:
        size = int(np.prod(b.shape(source)))
        source = b.wire(Reshape(name=b.name("f"), source=source, shape=(size,)))
    return layers.draw_linear_to(b, source, shape)


def draw_graph(b: Builder, layers_max: int, name: str = "random") -> Graph:
    """Inputs, populations and wiring at random, then readouts; what nobody reads becomes an output."""
    for _ in range(b.pick((1, 1, 1, 2))):
        add_input(b)
    for _ in range(b.pick(range(1, layers_max + 1))):
        for _ in range(b.pick((0, 0, 1, 1, 2))):
            add_wiring(b)
        b.population(add_projections(b))
    for _ in range(b.pick((0, 1, 1, 2))):
        b.readout(add_projections(b))
    outputs = tuple(b.unread)
    return Graph(name=name, nodes=tuple(b.nodes), outputs=outputs, timing=b.timing)


@st.composite
def cases(draw: Callable[..., Any], timing: Timing | None = None, layers_max: int = 4) -> Case:
    """A random graph of the given timing (phased by default) with images on several streams."""
    streams, images = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    builder = Builder(draw, timing or Phased(), streams * images)
    graph = draw_graph(builder, layers_max)
    inputs = {
        node.name: builder.values[node.name].reshape(streams, images, *node.type.shape)
        for node in graph.inputs
    }
    return Case(graph, inputs)


@st.composite
def rate_cases(draw: Callable[..., Any], layers_max: int = 3) -> Case:
    """A random `rate` graph: both resets, up to 12 steps."""
    timing = Rate(draw(st.integers(1, 12)), draw(st.sampled_from(Reset)))
    return draw(cases(timing, layers_max))
