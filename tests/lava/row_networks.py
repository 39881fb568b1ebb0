"""Networks of stock LIF neurons whose layers stand in one row: random ones, and two small ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from stock_networks import Maker

from snncc_ir.codes import Reset
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias
from snncc_ir.nodes import AnyNode, Conv, Dense, Readout, Reshape
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate

Case = tuple[Graph, dict[str, NDArray[Any]]]


@dataclass
class Row:
    """The nodes so far; `source` is the last value, of `shape`."""

    m: Maker
    nodes: list[AnyNode]
    source: str
    shape: tuple[int, ...]

    def fire(self, drive: str, theta: int, bias: Bias) -> None:
        self.source = f"p_{drive}"
        self.nodes.append(self.m.neurons(self.source, (drive,), theta, bias))

    def flatten(self) -> None:
        self.shape = (int(np.prod(self.shape)),)
        self.nodes.append(Reshape(name=f"flat_{self.source}", source=self.source, shape=self.shape))
        self.source = f"flat_{self.source}"

    def dense(self, name: str, outputs: int) -> None:
        weight = self.m.weight(outputs, *self.shape)
        self.nodes.append(Dense(name=name, source=self.source, weight=weight))
        self.shape = (outputs,)

    def conv(self, name: str, draw: st.DrawFn) -> None:
        """A kernel of any form that Lava's convolution takes, at every place of which there is an image."""
        channels, *size = self.shape
        groups = draw(st.sampled_from([g for g in (1, 2) if channels % g == 0]))
        outputs = groups * draw(st.integers(1, 3))
        pads = [draw(st.integers(0, 1)) for _ in size]
        kernel = [draw(st.integers(1, min(3, n + 2 * p))) for n, p in zip(size, pads, strict=True)]
        strides = [draw(st.integers(1, 2)) for _ in size]
        dilations = [
            draw(st.integers(1, 2)) if 2 * (k - 1) < n + 2 * p else 1
            for n, p, k in zip(size, pads, kernel, strict=True)
        ]
        self.nodes.append(
            Conv(
                name=name,
                source=self.source,
                weight=self.m.weight(outputs, channels // groups, *kernel),
                stride=(strides[0], strides[1]),
                padding=((pads[0], pads[0]), (pads[1], pads[1])),
                dilation=(dilations[0], dilations[1]),
                groups=groups,
            )
        )
        spans = zip(size, pads, kernel, strides, dilations, strict=True)
        self.shape = (outputs, *(1 + (n + 2 * p - 1 - d * (k - 1)) // s for n, p, k, s, d in spans))


@st.composite
def rows(draw: st.DrawFn) -> Case:
    """Convolutions, dense layers behind them, and spikes or a readout at the end; and two images."""
    m = Maker(draw(st.integers(0, 2**20)))
    hi = draw(st.sampled_from([1, 15, 255, 4095]))
    convs, denses = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    shape: tuple[int, ...] = (draw(st.integers(1, 3)), draw(st.integers(2, 6)), draw(st.integers(2, 6)))
    shape = shape if convs or draw(st.booleans()) else (draw(st.integers(1, 8)),)
    row = Row(m, list(m.pixels(shape, hi, draw(st.integers(1, 2 * hi)))), "pixels", shape)
    for number in range(convs):
        row.conv(f"conv{number}", draw)
        bordered = min(row.shape[1:]) > 2 and row.shape[1] == row.shape[2] and draw(st.booleans())
        bias = m.border(row.shape[0], row.shape[1]) if bordered else m.bias(row.shape[0])
        row.fire(f"conv{number}", draw(st.integers(1, 400)), bias)
    if len(row.shape) > 1 and denses:
        row.flatten()
    for number in range(denses):
        row.dense(f"fc{number}", draw(st.integers(1, 6)))
        row.fire(f"fc{number}", draw(st.integers(1, 400)), m.bias(row.shape[0], 4000))
    if draw(st.booleans()):
        if len(row.shape) > 1:
            row.flatten()
        row.dense("last", 2)
        row.nodes.append(Readout(name="y", drives=("last",), bias=m.bias(2, 4000)))
    timing = Rate(draw(st.integers(1, 12)), Reset.ZERO)
    graph = Graph(name="row", nodes=tuple(row.nodes), outputs=(row.nodes[-1].name,), timing=timing)
    return graph, {"x": m.rng.integers(0, hi + 1, (2, *shape))}


def row(steps: int = 12) -> Graph:
    """Every kind of layer, where some neurons fire and others do not."""
    m = Maker(3)
    nodes: tuple[AnyNode, ...] = (
        *m.pixels((2, 6, 6), 15, 9),
        Conv(
            name="conv1",
            source="pixels",
            weight=m.weight(4, 2, 3, 2),
            padding=((1, 1), (0, 0)),
            stride=(2, 1),
        ),
        m.neurons("first", ("conv1",), 150, m.bias(4)),
        Conv(name="conv2", source="first", weight=m.weight(4, 2, 2, 2), groups=2, dilation=(1, 3)),
        m.neurons("second", ("conv2",), 90, m.bias(4)),
        Reshape(name="flat", source="second", shape=(16,)),
        Dense(name="fc", source="flat", weight=m.weight(7, 16)),
        m.neurons("third", ("fc",), 200, m.bias(7)),
        Dense(name="last", source="third", weight=m.weight(3, 7)),
        Readout(name="scores", drives=("last",), bias=m.bias(3, 3000)),
    )
    return Graph(name="row", nodes=nodes, outputs=("scores",), timing=Rate(steps, Reset.ZERO))


def one(weight: Tensor, bias: int = 0) -> Graph:
    """A dense layer of one neuron."""
    m = Maker(1)
    nodes = (
        *m.pixels((weight.shape[1],), 15, 20),
        Dense(name="fc", source="pixels", weight=weight),
        m.neurons("p", ("fc",), 100, Bias(values=Tensor.integer([bias]))),
    )
    return Graph(name="one", nodes=nodes, outputs=("p",), timing=Rate(10, Reset.ZERO))
