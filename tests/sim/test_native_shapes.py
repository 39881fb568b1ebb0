"""Layers of the shapes that have kernels of their own, against the reference and the portable engine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snncc.sim.native.levels import NativeEngine
from snncc.sim.native.streams import NativeStreamEngine
from snncc.sim.streams import StreamEngine
from snncc_ir.codes import Code, Reset
from snncc_ir.costs import Counter
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import AnyNode, Conv, Dense, Input, MaxPool, Population, Readout, Reshape, Scale
from snncc_ir.semantics import evaluate
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate
from snncc_ir.types import Levels
from support.native import KERNEL_NAMES, needs_native, with_kernels

pytestmark = needs_native

SAME = ((1, 1), (1, 1))


def _bias(rng: np.random.Generator, channels: int, *, classes: bool) -> Bias:
    """Around 0; with classes another value in the first column."""
    if not classes:
        return Bias(values=Tensor.integer(rng.integers(-200, 200, channels)))
    values = Tensor.integer(rng.integers(-200, 200, (channels, 1, 2)))
    return Bias(values=values, rows=(0,) * 8, columns=(0,) + (1,) * 7)


def _population(
    rng: np.random.Generator, name: str, channels: int, *drives: str, classes: bool
) -> Population:
    theta = Tensor.integer(rng.integers(1, 900, channels))
    neuron = Staircase(theta=theta, bias=_bias(rng, channels, classes=classes), lo=0, hi=15)
    return Population(name=name, drives=drives, neuron=neuron)


def _images(channels: int, stride: int, seed: int, *, classes: bool, depthwise: bool) -> Graph:
    """8 x 8 positions: a layer, then one with a skip, then a dense layer that reads the image."""
    rng = np.random.default_rng(seed)

    def conv(name: str, source: str, step: int) -> Conv:
        fan_in, groups = (1, channels) if depthwise else (channels, 1)
        weight = Tensor.integer(rng.integers(-128, 128, (channels, fan_in, 3, 3)), 8)
        return Conv(name=name, source=source, weight=weight, stride=(step, step), padding=SAME, groups=groups)

    factors = Tensor.integer(rng.integers(-(2**20), 2**20, channels), 24)
    scores = Tensor.integer(rng.integers(-128, 128, (3, 64 * channels)), 8)
    nodes: tuple[AnyNode, ...] = (
        Input(name="x", type=Levels((channels, 8 * stride, 8 * stride), 0, 255)),
        conv("a", "x", stride),
        _population(rng, "pa", channels, "a", classes=classes),
        conv("b", "pa", 1),
        Scale(name="s", source="pa", weight=factors),
        _population(rng, "pb", channels, "b", "s", classes=classes),
        Reshape(name="flat", source="pb", shape=(64 * channels,)),
        Dense(name="d", source="flat", weight=scores),
        Readout(name="y", drives=("d",), bias=Bias(values=Tensor.integer([1, 2, 3]))),
    )
    return Graph(name="shapes", nodes=nodes, outputs=("y",))


@pytest.mark.parametrize("kernels", KERNEL_NAMES)
@pytest.mark.parametrize("depthwise", [False, True])
@given(
    channels=st.sampled_from((5, 16, 24, 32, 40, 64, 80)),
    stride=st.sampled_from((1, 2)),
    classes=st.booleans(),
    seed=st.integers(0, 2**20),
)
def test_channels_in_quarters_and_skips(
    kernels: str, depthwise: bool, channels: int, stride: int, classes: bool, seed: int
) -> None:
    graph = _images(channels, stride, seed, classes=classes, depthwise=depthwise)
    x = np.random.default_rng(seed).integers(0, 256, (3, *graph.types["x"].shape)).astype(np.uint8)
    x[0] = 255
    counter = Counter(graph)
    with with_kernels(kernels):
        found, counts = NativeEngine(graph, graph.reported, 1, counter).run_counted({"x": x})
    expected = evaluate(graph, {"x": x})
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)
    assert counts == counter.count(expected)


def _stream(channels: int, weights: str, theta: int, reset: Reset, rng: np.random.Generator) -> Graph:
    """Convolutions, a pool, a dense layer; `weights`: 16 bits hold all sums, a row's, or none."""
    kernel = (8, 8) if weights == "too large" else (3, 3)
    low = -127 if weights == "random" else 100
    pad = ((kernel[0] // 2,) * 2, (kernel[1] // 2,) * 2)

    def fire(name: str, size: int, theta: int, *drives: str) -> Population:
        neuron = Staircase(
            theta=Tensor.integer([theta] * size), bias=Bias(values=Tensor.integer([0] * size)), lo=0, hi=1
        )
        return Population(name=name, drives=drives, neuron=neuron, code=Code.RATE)

    first = Tensor.integer(rng.integers(-127, 128, (channels, 1, 3, 3)), 8)
    second = Tensor.integer(rng.integers(low, 128, (channels, channels, *kernel)), 8)
    width = 8 + (kernel == (8, 8))
    last = Tensor.integer(rng.integers(-127, 128, (3, channels * (width // 2) ** 2)), 8)
    nodes: tuple[AnyNode, ...] = (
        Input(name="x", type=Levels((1, 8, 8), 0, 255)),
        Conv(name="a", source="x", weight=first, padding=SAME),
        fire("pa", channels, theta, "a"),
        Conv(name="b", source="pa", weight=second, padding=pad),
        fire("pb", channels, theta // 100 + 1, "b"),
        MaxPool(name="m", source="pb", kernel=(2, 2), stride=(2, 2)),
        Reshape(name="flat", source="m", shape=(channels * (width // 2) ** 2,)),
        Dense(name="d", source="flat", weight=last),
        Readout(name="y", drives=("d",), bias=Bias(values=Tensor.integer([1, 2, 3]))),
    )
    return Graph(name="stream", nodes=nodes, outputs=("y",), timing=Rate(steps=37, reset=reset))


@pytest.mark.parametrize("kernels", KERNEL_NAMES)
@pytest.mark.parametrize("weights", ["random", "positive", "too large"])
@pytest.mark.parametrize("theta", [40_000, 400_000, 4_000_000])
@pytest.mark.parametrize(
    ("channels", "reset"), [(12, Reset.SUBTRACT), (40, Reset.ZERO), (70, Reset.SUBTRACT)]
)
def test_followed_spikes(kernels: str, weights: str, theta: int, channels: int, reset: Reset) -> None:
    rng = np.random.default_rng(theta + channels)
    graph = _stream(channels, weights, theta, reset, rng)
    # Each image once with all codes multiplied, once with spikes followed.
    x = {"x": np.repeat(rng.integers(0, 256, (2, 1, 8, 8)), 2, axis=0)}
    with with_kernels(kernels):
        found = NativeStreamEngine(graph, 1).run(x)
    expected = StreamEngine(graph).run(x)
    for field in ("counts", "outputs", "spikes", "synops"):
        for name, values in getattr(expected, field).items():
            np.testing.assert_array_equal(getattr(found, field)[name], values, err_msg=f"{field} {name}")
