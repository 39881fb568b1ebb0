"""The lowered graph computes what ONNX Runtime computes, for every supported operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_models import Net, assert_agrees, populations, verdict_of

from snncc.frontend.lower import lower
from snncc.frontend.runtime import newest_opset
from snncc_ir.nodes import Conv, Dense, Input, MaxPool, Pad, Reshape, Scale, SumPool, Transpose

_SHAPE_ARITHMETIC = ("Shape", "Gather", "Unsqueeze", "Concat")


def shaped(*values: int) -> np.ndarray:
    """A constant list of integers."""
    return np.array(values, dtype=np.int64)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"strides": [2, 1], "pads": [1, 0, 2, 1]},
        {"dilations": [2, 1], "pads": [2, 1, 2, 1]},
        {"group": 2},
        {"group": 4, "strides": [2, 2]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 3]},
        {"auto_pad": "SAME_UPPER", "dilations": [1, 1]},
        {"auto_pad": "VALID"},
    ],
)
def test_convolution(tmp_path: Path, attributes: dict[str, Any]) -> None:
    net = Net(4, 9, 8)
    assert_agrees(net, tmp_path, net.node("Relu", net.conv("x", 4, 8, **attributes)))


@pytest.mark.parametrize("opset", [*range(8, newest_opset() + 1)])
def test_every_opset(tmp_path: Path, opset: int) -> None:
    net = Net(3, 8, 8, opset=opset)
    signal = net.node("Relu", net.batch_norm(net.conv("x", 3, 4, pads=[1] * 4), 4))
    bounds: dict[str, Any] = {"min": 0.0, "max": 1.0} if opset < 11 else {}
    limits = () if opset < 11 else (np.float32(0), np.float32(1))
    signal = net.node("Clip", net.conv(signal, 4, 6), *limits, **bounds)
    signal = net.node("MaxPool", signal, kernel_shape=[2, 2], strides=[2, 2])
    shape = net.node("Shape", signal)
    batch = net.node("Gather", shape, np.array(0), axis=0)
    old = opset < 13
    axes: dict[str, Any] = {"axes": [0]} if old else {}
    batch = net.node("Unsqueeze", batch, *([] if old else [shaped(0)]), **axes)
    target = net.node("Concat", batch, shaped(-1), axis=0)
    flat = net.node("Reshape", signal, target)
    lowered = assert_agrees(net, tmp_path, net.dense(flat, 54, 5))
    assert {verdict.verdict.value for verdict in lowered.verdicts if verdict.op in _SHAPE_ARITHMETIC} == {
        "folded"
    }


@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [2, 2], "strides": [2, 2]},
        {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 2, 1]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
        {"kernel_shape": [2, 2], "strides": [3, 3], "ceil_mode": 1},
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1},
        {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
        {"kernel_shape": [2, 2], "strides": [1, 1], "auto_pad": "SAME_LOWER"},
    ],
)
def test_pooling(tmp_path: Path, kind: str, attributes: dict[str, Any]) -> None:
    net = Net(3, 10, 9)
    signal = net.node("Relu", net.conv("x", 3, 4))
    pooled = net.node(kind, signal, **attributes)
    lowered = assert_agrees(net, tmp_path, net.node("Relu", net.conv(pooled, 4, 2, 1)))
    assert any(
        isinstance(node, MaxPool if kind == "MaxPool" else SumPool | Conv) for node in lowered.graph.nodes
    )


def test_average_pool_that_counts_padding(tmp_path: Path) -> None:
    net = Net(3, 8, 8)
    signal = net.node("Relu", net.conv("x", 3, 4))
    pool = net.node("AveragePool", signal, kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1)
    assert_agrees(net, tmp_path, net.node("Relu", pool))


def test_pooling_before_relu_waits_for_the_population(tmp_path: Path) -> None:
    net = Net(3, 8, 8)
    pool = net.node("MaxPool", net.conv("x", 3, 4), kernel_shape=[2, 2], strides=[2, 2], name="pool")
    turned = net.node(
        "Transpose",
        net.node("Mul", pool, net.random.uniform(1, 2, (4, 1, 1))),
        perm=[0, 2, 3, 1],
        name="turned",
    )
    shifted = net.node("Add", turned, net.random.normal(0, 1, 4))
    lowered = assert_agrees(net, tmp_path, net.node("Relu", shifted, name="relu"))
    assert [type(node).__name__ for node in lowered.graph.nodes] == [
        "Input",
        "Conv",
        "Population",
        "MaxPool",
        "Transpose",
    ]
    assert populations(lowered) == ["relu"]


def test_negative_scale_after_pooling_needs_a_signed_population(tmp_path: Path) -> None:
    net = Net(3, 8, 8)
    pool = net.node("MaxPool", net.conv("x", 3, 4), kernel_shape=[2, 2], strides=[2, 2])
    lowered = assert_agrees(
        net, tmp_path, net.node("Relu", net.node("Mul", pool, -net.random.uniform(1, 2, (4, 1, 1))))
    )
    assert len(populations(lowered)) == 2


def test_average_pool_of_a_drive_joins_the_kernel(tmp_path: Path) -> None:
    net = Net(3, 9, 9)
    conv = net.conv("x", 3, 4, pads=[1] * 4, dilations=[2, 1])
    pool = net.node("AveragePool", conv, kernel_shape=[2, 2], strides=[2, 2])
    lowered = assert_agrees(net, tmp_path, net.node("Relu", pool))
    assert len(populations(lowered)) == 1


def test_average_pool_before_a_dense_layer_joins_its_weights(tmp_path: Path) -> None:
    net = Net(3, 8, 8)
    signal = net.node("Relu", net.conv("x", 3, 4, pads=[1] * 4))
    pool = net.node("AveragePool", signal, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 0, 0])
    flat = net.node("Reshape", net.node("Transpose", pool, perm=[0, 2, 3, 1]), shaped(0, -1))
    lowered = assert_agrees(net, tmp_path, net.dense(flat, 64, 5))
    assert not any(isinstance(node, SumPool) for node in lowered.graph.nodes)
    assert len(populations(lowered)) == 1


def test_global_pooling(tmp_path: Path) -> None:
    net = Net(3, 6, 5)
    signal = net.node("Relu", net.conv("x", 3, 4))
    mean = net.node("Flatten", net.node("GlobalAveragePool", signal))
    also = net.node("ReduceMean", signal, axes=[2, 3], keepdims=0)
    top = net.node("Flatten", net.node("GlobalMaxPool", signal))
    assert_agrees(net, tmp_path, net.dense(mean, 4, 3), net.dense(also, 4, 3), net.dense(top, 4, 3))


def test_all_convolutional_head(tmp_path: Path) -> None:
    net = Net(3, 6, 6)
    signal = net.node("Relu", net.conv("x", 3, 4))
    head = net.node("GlobalAveragePool", net.conv(signal, 4, 5, pads=[1] * 4))
    lowered = assert_agrees(net, tmp_path, net.node("Flatten", head))
    assert len(populations(lowered)) == 1


def test_pooling_then_pointwise_head(tmp_path: Path) -> None:
    net = Net(3, 6, 6)
    pool = net.node("GlobalAveragePool", net.node("Relu", net.conv("x", 3, 4)))
    lowered = assert_agrees(net, tmp_path, net.node("Flatten", net.conv(pool, 4, 5, 1)))
    assert len(populations(lowered)) == 1


def test_residual_of_three_kinds(tmp_path: Path) -> None:
    net = Net(3, 8, 8)
    trunk = net.node("Relu", net.conv("x", 3, 4, pads=[1] * 4))
    one = net.node("Add", net.conv(trunk, 4, 4, pads=[1] * 4), trunk)
    one = net.node("Relu", one)
    two = net.node("Relu", net.node("Add", net.conv(one, 4, 4, 1), net.conv(trunk, 4, 4, 1)))
    three = net.node("Relu", net.node("Add", net.node("Sub", two, one), trunk))
    lowered = assert_agrees(net, tmp_path, net.node("Sum", three, two, one))
    assert len(populations(lowered)) == 4


def test_preactivation_residual_gets_signed_populations(tmp_path: Path) -> None:
    net = Net(3, 6, 6)
    trunk = net.conv("x", 3, 4, pads=[1] * 4)
    for _ in range(2):
        inner = net.conv(net.node("Relu", net.batch_norm(trunk, 4)), 4, 4, pads=[1] * 4)
        trunk = net.node("Add", trunk, inner)
    lowered = assert_agrees(net, tmp_path, net.node("Relu", trunk))
    assert len(populations(lowered)) == 5


def test_linear_layers_in_a_row(tmp_path: Path) -> None:
    net = Net(3, 6, 6)
    signal = net.conv(net.batch_norm(net.conv("x", 3, 4), 4), 4, 4)
    assert_agrees(net, tmp_path, net.dense(net.node("Flatten", signal), 16, 3))


@pytest.mark.parametrize("pads", [[0] * 4, [1] * 4])
def test_normalised_input_joins_the_first_layer(tmp_path: Path, pads: list[int]) -> None:
    net = Net(3, 6, 6)
    mean, deviation = net.random.uniform(0, 1, (3, 1, 1)), net.random.uniform(1, 2, (3, 1, 1))
    normal = net.node("Div", net.node("Sub", net.node("Div", "x", np.float32(255)), mean), deviation)
    lowered = assert_agrees(net, tmp_path, net.node("Relu", net.conv(normal, 3, 4, pads=pads)))
    assert len(populations(lowered)) == 1
    assert not any(isinstance(node, Scale) for node in lowered.graph.nodes)


def test_normalised_input_is_flattened(tmp_path: Path) -> None:
    net = Net(2, 3, 3)
    normal = net.node("Mul", net.node("Sub", "x", net.random.normal(0, 1, (2, 1, 1))), np.float32(0.5))
    hidden = net.node("Relu", net.dense(net.node("Flatten", normal), 18, 6))
    lowered = assert_agrees(net, tmp_path, net.dense(hidden, 6, 3))
    assert len(populations(lowered)) == 1


@pytest.mark.parametrize("padded", ["x", "normal", "signal"])
def test_padding_is_taken_over_by_the_convolution(tmp_path: Path, padded: str) -> None:
    net = Net(3, 6, 6)
    source = "x"
    if padded == "normal":
        source = net.node("Sub", "x", net.random.normal(0, 1, (3, 1, 1)))
    if padded == "signal":
        source = net.node("Relu", "x")
    pad = net.node("Pad", source, shaped(0, 0, 1, 2, 0, 0, 0, 1), np.float32(0))
    other = net.node("Relu", net.conv(pad, 3, 4, strides=[2, 2]))
    lowered = assert_agrees(net, tmp_path, other, net.node("Relu", net.conv(pad, 3, 2, pads=[1] * 4)))
    assert not any(isinstance(node, Pad) for node in lowered.graph.nodes)


def test_padding_of_levels_that_others_read(tmp_path: Path) -> None:
    net = Net(3, 6, 6)
    signal = net.node("Relu", net.conv("x", 3, 4))
    pad = net.node("Pad", signal, shaped(0, 1, 1, 0, 0, 2, 0, 1), np.float32(0))
    lowered = assert_agrees(net, tmp_path, net.node("MaxPool", pad, kernel_shape=[2, 2]))
    assert any(isinstance(node, Pad) for node in lowered.graph.nodes)


def test_option_a_shortcut(tmp_path: Path) -> None:
    net = Net(4, 8, 8)
    trunk = net.node("Relu", net.conv("x", 4, 4, pads=[1] * 4))
    half = net.node("Slice", trunk, shaped(0, 0), shaped(2**62, 2**62), shaped(2, 3), shaped(2, 2))
    wide = net.node("Pad", half, shaped(0, 2, 0, 0, 0, 2, 0, 0), np.float32(0))
    inner = net.conv(trunk, 4, 8, strides=[2, 2], pads=[1] * 4)
    zeros = net.node("Concat", half, np.zeros((1, 4, 4, 4)), axis=1)
    assert_agrees(net, tmp_path, net.node("Relu", net.node("Add", inner, wide)), net.node("Add", zeros, wide))


@pytest.mark.parametrize("axis", [1, -1, 2])
def test_concat(tmp_path: Path, axis: int) -> None:
    net = Net(3, 6, 6)
    one = net.node("Relu", net.conv("x", 3, 4))
    two = net.conv("x", 3, 4)
    assert_agrees(net, tmp_path, net.conv(net.node("Concat", one, two, axis=axis), 8 if axis == 1 else 4, 2))


def test_dense_net_block(tmp_path: Path) -> None:
    net = Net(3, 6, 6)
    one = net.node("Relu", net.conv("x", 3, 4, pads=[1] * 4))
    joined = net.node("Concat", one, net.conv(one, 4, 3, 1), axis=1)
    signal = net.node("Relu", net.batch_norm(joined, 7))
    assert_agrees(net, tmp_path, net.conv(signal, 7, 2, 1))


def test_channels_last_wrappers_vanish(tmp_path: Path) -> None:
    net = Net(6, 5, 3)
    image = net.node("Transpose", net.node("Mul", "x", net.random.uniform(0.5, 1, 3)), perm=[0, 3, 1, 2])
    last = net.node("Transpose", net.conv(image, 3, 4, pads=[1] * 4), perm=[0, 2, 3, 1])
    signal = net.node("Relu", net.node("Add", last, net.random.normal(0, 1, 4)))
    first = net.node("Transpose", signal, perm=[0, 3, 1, 2])
    pooled = net.node("MaxPool", first, kernel_shape=[2, 2], strides=[2, 2])
    again = net.node("Transpose", pooled, perm=[0, 2, 3, 1])
    flat = net.node("Reshape", again, shaped(-1, 24))
    lowered = assert_agrees(net, tmp_path, net.node("MatMul", flat, net.weights(24, 5)))
    kinds = [type(node).__name__ for node in lowered.graph.nodes]
    assert kinds.count("Transpose") == 2
    assert lowered.graph.inputs[0].type.shape == (6, 5, 3)


def test_pointwise_matmul_with_channels_last(tmp_path: Path) -> None:
    net = Net(4, 5, 3)
    signal = net.node("Relu", net.node("MatMul", "x", net.weights(3, 6)))
    lowered = assert_agrees(net, tmp_path, net.node("MatMul", signal, net.weights(6, 2)))
    assert any(isinstance(node, Conv) for node in lowered.graph.nodes)


@pytest.mark.parametrize("batch", ["N", 1, 2])
@pytest.mark.parametrize("target", [(0, -1), (-1, 32), (0, 4, -1)])
def test_reshape_targets(tmp_path: Path, batch: int | str, target: tuple[int, ...]) -> None:
    net = Net(3, 6, 6, batch=batch)
    signal = net.node("MaxPool", net.node("Relu", net.conv("x", 3, 8)), kernel_shape=[2, 2], strides=[2, 2])
    flat = net.node("Flatten", net.node("Reshape", signal, shaped(*target)))
    assert_agrees(net, tmp_path, net.dense(flat, 32, 3))


@pytest.mark.parametrize("batch", ["N", 1])
def test_reshape_of_one_image(tmp_path: Path, batch: int | str) -> None:
    net = Net(3, 4, 4, batch=batch)
    flat = net.node("Reshape", net.node("Relu", net.conv("x", 3, 8)), shaped(1, -1))
    assert_agrees(net, tmp_path, net.dense(flat, 32, 3))


def test_squeeze_and_unsqueeze(tmp_path: Path) -> None:
    net = Net(3, 4, 4)
    pool = net.node("GlobalAveragePool", net.node("Relu", net.conv("x", 3, 8)))
    flat = net.node("Squeeze", pool, shaped(2, -1))
    wide = net.node("Unsqueeze", net.node("Relu", net.dense(flat, 8, 4)), shaped(-1, 2))
    assert_agrees(net, tmp_path, net.node("Relu", net.node("Neg", wide)))


def test_bounds_merge_into_the_population(tmp_path: Path) -> None:
    net = Net(3, 4, 4)
    signal = net.node("Clip", net.node("Relu", net.conv("x", 3, 4)), "", np.float32(0.7))
    signal = net.node("Relu", net.node("Max", net.node("Min", signal, np.float32(0.5)), np.float32(-1)))
    lowered = assert_agrees(net, tmp_path, signal)
    assert len(populations(lowered)) == 1


def test_bounds_of_a_value_that_others_read_stay_apart(tmp_path: Path) -> None:
    net = Net(3, 4, 4)
    relu = net.node("Relu", net.conv("x", 3, 4))
    same = net.node("Identity", relu)
    low = net.node("Clip", same, np.float32(0), np.float32(0.2))
    lowered = assert_agrees(net, tmp_path, net.node("Add", low, relu))
    assert len(populations(lowered)) == 2


def test_signed_bounds(tmp_path: Path) -> None:
    net = Net(3, 4, 4)
    assert_agrees(net, tmp_path, net.node("Clip", net.conv("x", 3, 4), np.float32(-0.5), np.float32(0.5)))


def test_gemm_factors(tmp_path: Path) -> None:
    net = Net(6)
    hidden = net.node("Gemm", "x", net.weights(6, 5), net.weights(1, 5), alpha=0.5, beta=2.0)
    assert_agrees(net, tmp_path, net.node("Gemm", net.node("Relu", hidden), net.weights(5, 3)))


def test_bias_that_varies_by_position(tmp_path: Path) -> None:
    net = Net(3, 5, 4)
    shifted = net.node("Add", net.conv("x", 3, 4, pads=[1] * 4), net.random.normal(0, 1, (4, 5, 4)))
    assert_agrees(net, tmp_path, net.node("Relu", shifted))


def test_batch_norm_of_flattened_channels(tmp_path: Path) -> None:
    net = Net(3, 4, 4)
    flat = net.node("Flatten", net.conv("x", 3, 4))
    assert_agrees(net, tmp_path, net.node("Relu", net.batch_norm(flat, 16)))


def test_several_outputs(tmp_path: Path) -> None:
    net = Net(3, 4, 4)
    signal = net.node("Relu", net.conv("x", 3, 4))
    scores = net.dense(net.node("Flatten", signal), 16, 3)
    lowered = assert_agrees(net, tmp_path, signal, scores)
    assert len(lowered.graph.outputs) == 2


def test_scores_and_their_softmax_share_a_readout(tmp_path: Path) -> None:
    net = Net(8)
    scores = net.dense("x", 8, 3)
    chosen = net.node("Softmax", scores, name="softmax")
    lowered = lower(net.load(tmp_path, scores, chosen))
    assert lowered.outputs[scores] == lowered.outputs[chosen] == "t0"
    assert verdict_of(lowered, "softmax") == ("folded", "the class order is that of the drives")


def test_choice_at_the_end(tmp_path: Path) -> None:
    net = Net(8)
    chosen = net.node("ArgMax", net.node("Softmax", net.dense("x", 8, 3)), axis=1, keepdims=1)
    last = net.node("Cast", net.node("Squeeze", chosen, shaped(1)), to=1)
    lowered = lower(net.load(tmp_path, last))
    assert lowered.graph.types[lowered.outputs[last]].shape == (3,)


def test_transposed_output_is_approximated(tmp_path: Path) -> None:
    net = Net(3, 4, 4)
    last = net.node("Transpose", net.conv("x", 3, 2), perm=[0, 2, 3, 1], name="turned")
    lowered = assert_agrees(net, tmp_path, last)
    assert verdict_of(lowered, "turned")[0] == "approximated"


def test_dead_nodes_vanish(tmp_path: Path) -> None:
    net = Net(3, 4, 4)
    net.node("Tanh", "x", name="dead")
    lowered = assert_agrees(net, tmp_path, net.node("Relu", net.conv("x", 3, 4)))
    assert verdict_of(lowered, "dead") == ("folded", "its value is never used")


def test_names_and_origins(tmp_path: Path) -> None:
    net = Net(3, 4, 4)
    conv = net.node("Conv", "x", net.weights(4, 3, 3, 3), name="/block.1/conv (a)")
    norm = net.batch_norm(conv, 4)
    net.nodes[-1].name = "bn"
    relu = net.node("Relu", norm, name="/block.1/relu")
    net.nodes[-1].name = ""
    again = net.node(
        "Relu", net.node("Conv", relu, net.weights(2, 4, 1, 1), name="block_1_conv_a"), name="2nd"
    )
    lowered = assert_agrees(net, tmp_path, again)
    found = [(node.name, node.origin) for node in lowered.graph.nodes if not isinstance(node, Input)]
    assert found == [
        ("block_1_conv_a", ("/block.1/conv (a)", "bn")),
        ("t2", ("Relu#2",)),
        ("block_1_conv_a_2", ("block_1_conv_a",)),
        ("n2nd", ("2nd",)),
    ]


def test_dropout_identity_and_casts_vanish(tmp_path: Path) -> None:
    net = Net(8)
    signal = net.node("Dropout", net.node("Identity", net.node("Cast", net.dense("x", 8, 4), to=1)))
    lowered = assert_agrees(net, tmp_path, net.dense(net.node("Relu", signal), 4, 3))
    assert sum(isinstance(node, Dense) for node in lowered.graph.nodes) == 2
    assert not any(isinstance(node, Reshape | Transpose) for node in lowered.graph.nodes)
