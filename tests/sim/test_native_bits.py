"""Values of levels 0 and 1 that the native engine keeps as bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snncc.sim.native.levels import NativeEngine
from snncc_ir.costs import Counter
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import Dense, Input, Population
from snncc_ir.semantics import evaluate
from snncc_ir.tensors import Tensor
from snncc_ir.types import Levels
from support.native import KERNEL_NAMES, needs_native, with_kernels
from support.native_networks import binary_images, binary_network

pytestmark = needs_native


def _check(graph: Graph, x: np.ndarray, kernels: str, levels: tuple[str, ...]) -> None:
    counter = Counter(graph)
    with with_kernels(kernels):
        found, counts = NativeEngine(graph, levels, 1, counter).run_counted({"x": x})
    expected = evaluate(graph, {"x": x})
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)
    assert counts == counter.count(expected)


@pytest.mark.parametrize("kernels", KERNEL_NAMES)
@given(
    channels=st.sampled_from((5, 16, 24, 33, 64, 80, 130)),
    size=st.sampled_from((4, 6, 10)),
    stride=st.sampled_from((1, 2)),
    seed=st.integers(0, 2**20),
    classes=st.booleans(),
    mixed=st.booleans(),
)
def test_binary_layers_equal_the_reference(
    kernels: str, channels: int, size: int, stride: int, seed: int, classes: bool, mixed: bool
) -> None:
    graph = binary_network(channels, size, stride, seed, classes=classes, mixed=mixed)
    images = binary_images(graph, 1 + seed % 7, seed)
    _check(graph, images, kernels, graph.reported if seed // 7 % 2 else ())


@pytest.mark.parametrize("kernels", KERNEL_NAMES)
@pytest.mark.parametrize("inputs", [32_767, 32_768])
def test_as_many_inputs_as_16_bits_count(kernels: str, inputs: int) -> None:
    weights = np.ones((4, inputs), np.int64)
    weights[1:3] = -1
    weights[3, ::2] = -1
    bias = Tensor.integer([-inputs, inputs, inputs - 1, 0])
    ones = Tensor.integer([1] * 4)
    nodes = (
        Input(name="x", type=Levels((inputs,), 0, 1)),
        Dense(name="d", source="x", weight=Tensor.integer(weights, 1)),
        Population(name="p", drives=("d",), neuron=Staircase(theta=ones, bias=Bias(values=bias), lo=0, hi=1)),
        Dense(name="e", source="p", weight=Tensor.integer([[1, -1, 1, 1]] * 4, 1)),
        Population(
            name="q", drives=("e",), neuron=Staircase(theta=ones, bias=Bias(values=ones), lo=0, hi=1),
        ),
    )  # fmt: skip
    x = np.zeros((4, inputs), np.uint8)
    x[1], x[2, 1:], x[3, 0] = 1, 1, 1
    _check(Graph(name="many", nodes=nodes, outputs=("q",)), x, kernels, ("p", "q"))
