"""Networks of stock LIF neurons for the tests: random ones, and one with every kind of synapse."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from snncc_ir.codes import Code, Reset
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Leaky, Staircase
from snncc_ir.nodes import (
    AnyNode,
    Concat,
    Conv,
    Dense,
    Input,
    Population,
    Readout,
    Repeat,
    Reshape,
    Scale,
    Slice,
    SumPool,
)
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate
from snncc_ir.types import Levels

SAME = ((1, 1), (1, 1))


class Maker:
    """Draws weights and neurons from a seed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def weight(self, *shape: int, most: int = 127) -> Tensor:
        return Tensor.integer(self.rng.integers(-most, most + 1, shape), 8)

    def bias(self, channels: int, most: int = 60) -> Bias:
        return Bias(values=Tensor.integer(self.rng.integers(-most, most + 1, channels)))

    def border(self, channels: int, size: int) -> Bias:
        values = Tensor.integer(self.rng.integers(-60, 61, (channels, 3, 3)))
        classes = (0, *(1,) * (size - 2), 2)
        return Bias(values=values, rows=classes, columns=classes)

    def neurons(self, name: str, drives: tuple[str, ...], theta: int, bias: Bias) -> Population:
        thetas = Tensor.integer(np.full(bias.values.shape[0], theta))
        stairs = Staircase(theta=thetas, bias=bias, lo=0, hi=1)
        return Population(name=name, drives=drives, neuron=stairs, code=Code.RATE)

    def pixels(self, shape: tuple[int, ...], hi: int, theta: int) -> tuple[AnyNode, ...]:
        ones = Tensor.integer(np.ones(shape[0]), 8)
        zero = Bias(values=Tensor.integer(np.zeros(shape[0])))
        return (
            Input(name="x", type=Levels(shape, 0, hi)),
            Scale(name="to_bias", source="x", weight=ones),
            self.neurons("pixels", ("to_bias",), theta, zero),
        )


def everything(steps: int = 12) -> Graph:
    """Skips of several lengths, groups, uneven padding, dilation, pools, joins, cuts and upsampling."""
    m = Maker(5)
    nodes: tuple[AnyNode, ...] = (
        *m.pixels((2, 6, 6), 15, 9),
        Conv(name="conv1", source="pixels", weight=m.weight(4, 2, 3, 3), padding=SAME),
        m.neurons("first", ("conv1",), 150, m.border(4, 6)),
        Conv(name="conv2", source="first", weight=m.weight(4, 2, 3, 3), padding=SAME, groups=2),
        Scale(name="skip", source="first", weight=Tensor.integer([100, 40, -30, 120])),
        m.neurons("second", ("conv2", "skip"), 90, m.bias(4)),
        SumPool(
            name="mean",
            source="second",
            weight=Tensor.integer([30, 20, 40, 10]),
            kernel=(2, 2),
            stride=(2, 2),
        ),
        m.neurons("third", ("mean",), 35, m.bias(4, 5)),
        Repeat(name="grown", source="third", factors=(1, 2, 2)),
        Slice(name="cut", source="first", start=(1, 0, 0), stop=(3, 6, 6), step=(1, 1, 1)),
        Concat(name="joined", parts=("grown", "cut")),
        Conv(
            name="conv3",
            source="joined",
            weight=m.weight(3, 6, 2, 2),
            padding=((1, 0), (0, 0)),
            stride=(2, 1),
            dilation=(1, 2),
        ),
        Conv(name="again", source="second", weight=m.weight(3, 4, 1, 3), stride=(2, 1)),
        m.neurons("fourth", ("conv3", "again"), 130, m.bias(3)),
        Reshape(name="flat", source="fourth", shape=(36,)),
        Dense(name="fc", source="flat", weight=m.weight(3, 36)),
        Reshape(name="flat1", source="pixels", shape=(72,)),
        Dense(name="short", source="flat1", weight=m.weight(3, 72)),
        Readout(name="scores", drives=("fc", "short"), bias=m.bias(3, 5000)),
        Dense(name="fc2", source="flat", weight=m.weight(2, 36)),
        m.neurons("verdict", ("fc2",), 60, m.bias(2)),
    )
    timing = Rate(steps, Reset.ZERO)
    return Graph(name="everything", nodes=nodes, outputs=("scores", "verdict"), timing=timing)


@st.composite
def chains(draw: st.DrawFn) -> tuple[Graph, dict[str, NDArray[Any]]]:
    """A few dense layers with random weights, thresholds and biases, and images."""
    m = Maker(draw(st.integers(0, 2**20)))
    sizes = draw(st.lists(st.integers(1, 6), min_size=2, max_size=4))
    hi = draw(st.sampled_from([1, 15, 255, 4095]))
    nodes = list(m.pixels((sizes[0],), hi, draw(st.integers(1, 3 * hi))))
    source = "pixels"
    for number, (inputs, outputs) in enumerate(pairwise(sizes)):
        bias = m.bias(outputs, 4000) if draw(st.booleans()) else m.bias(outputs)
        nodes.append(Dense(name=f"fc{number}", source=source, weight=m.weight(outputs, inputs)))
        source = f"p{number}"
        nodes.append(m.neurons(source, (f"fc{number}",), draw(st.integers(1, 5000)), bias))
    nodes.append(Dense(name="last", source=source, weight=m.weight(2, sizes[-1])))
    nodes.append(Readout(name="y", drives=("last",), bias=m.bias(2)))
    timing = Rate(draw(st.integers(1, 20)), Reset.ZERO)
    graph = Graph(name="chain", nodes=tuple(nodes), outputs=("y",), timing=timing)
    return graph, {"x": m.rng.integers(0, hi + 1, (3, sizes[0]))}


def leaking(graph: Graph, seed: int) -> Graph:
    """The graph with neurons that leak in place of all but the pixels'."""
    rng = np.random.default_rng(seed)

    def leaky(node: Population) -> Population:
        neuron = node.neuron
        if not isinstance(neuron, Staircase) or node.name == "pixels":
            return node
        vth, (du, dv) = int(neuron.theta.data[0]), rng.choice([0, 1, 300, 2048, 3000, 4095], 2).tolist()
        return replace(node, neuron=Leaky(vth=vth, bias=neuron.bias, du=du, dv=dv))

    return graph.with_nodes(leaky(node) for node in graph.populations)


@st.composite
def leaky_chains(draw: st.DrawFn) -> tuple[Graph, dict[str, NDArray[Any]]]:
    """Such chains of neurons that leak."""
    graph, images = draw(chains())
    return leaking(graph, draw(st.integers(0, 2**20))), images
