"""Networks on sequences N,C,W against ONNX Runtime: images of height 1 that fold away."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx_models import Net, assert_agrees

from snncc_ir.nodes import Conv, MaxPool, Reshape


def conv(net: Net, source: str, inputs: int, outputs: int, kernel: int, **attributes: object) -> str:
    """A convolution over a sequence."""
    group = int(str(attributes.get("group", 1)))
    weight = net.weights(outputs, inputs // group, kernel)
    return net.node("Conv", source, weight, net.random.normal(0, 0.2, outputs), **attributes)


def test_a_whole_network(tmp_path: Path) -> None:
    net = Net(2, 40)
    signal = net.node("Relu", net.batch_norm(conv(net, "x", 2, 4, 5, pads=[2, 1], strides=[2]), 4))
    signal = net.node("MaxPool", signal, kernel_shape=[3], strides=[2], pads=[1, 0])
    signal = net.node("Relu", conv(net, signal, 4, 4, 3, dilations=[2], group=2, pads=[2, 2]))
    signal = net.node("AveragePool", signal, kernel_shape=[2], strides=[2])
    signal = net.node("Add", signal, conv(net, signal, 4, 4, 1))
    signal = net.node("GlobalAveragePool", net.node("Relu", signal))
    lowered = assert_agrees(net, tmp_path, net.dense(net.node("Flatten", signal), 4, 3))
    assert all(conv.weight.shape[2] == 1 for conv in lowered.graph.of_type(Conv))
    kinds = [type(node) for node in lowered.graph.nodes]
    # One step into height 1 at the input; then only the flattening, and what the skip needs.
    assert kinds.count(Reshape) <= 4


def test_layers_in_a_row_need_one_reshape(tmp_path: Path) -> None:
    net = Net(2, 12)
    signal = net.node("Relu", conv(net, "x", 2, 3, 3))
    signal = net.node("MaxPool", signal, kernel_shape=[2], strides=[2])
    lowered = assert_agrees(net, tmp_path, net.node("Relu", conv(net, signal, 3, 3, 3)))
    assert [node.shape for node in lowered.graph.of_type(Reshape)] == [(2, 1, 12), (3, 3)]
    assert [node.kernel for node in lowered.graph.of_type(MaxPool)] == [(1, 2)]


@pytest.mark.parametrize("attributes", [
    {"strides": [3], "pads": [1, 0], "output_padding": [1]},
    {"strides": [2], "auto_pad": "SAME_LOWER"},
    {"strides": [2], "dilations": [2], "group": 2},
    {"strides": [2], "output_shape": [12]},
])  # fmt: skip
def test_transposed_convolutions(tmp_path: Path, attributes: dict[str, object]) -> None:
    net = Net(4, 6)
    weight = net.weights(4, 6 // int(str(attributes.get("group", 1))), 3)
    last = net.node("ConvTranspose", "x", weight, net.random.normal(0, 0.2, 6), **attributes)
    assert_agrees(net, tmp_path, net.node("Relu", last))


def test_pixels_and_padding_before_a_sequence(tmp_path: Path) -> None:
    net = Net(2, 9)
    scaled = net.node("Div", net.node("Sub", "x", np.float32(0.4)), np.array([[[0.5], [0.25]]]))
    padded = net.node("Pad", scaled, np.array([0, 0, 1, 0, 0, 2]))
    lowered = assert_agrees(net, tmp_path, net.node("Relu", conv(net, padded, 2, 3, 3)))
    assert len(lowered.graph.linears) == 1


@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool"])
def test_global_pools(tmp_path: Path, op: str) -> None:
    net = Net(3, 7)
    assert_agrees(net, tmp_path, net.node("Relu", net.node(op, conv(net, "x", 3, 2, 3))))


def test_upsampling_a_sequence(tmp_path: Path) -> None:
    net = Net(3, 7)
    scales = np.array([1, 1, 2], dtype=np.float32)
    signal = net.node("Resize", net.node("Relu", conv(net, "x", 3, 2, 3)), "", scales, mode="nearest")
    assert_agrees(net, tmp_path, net.node("Relu", conv(net, signal, 2, 2, 2)))
