"""What `check` says of nodes that cannot be lowered, and that it never stops at the first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx_models import Net

from snncc.frontend.check import check
from snncc.frontend.load import load
from snncc.frontend.lower import lower
from snncc_ir.errors import SnnccError


def verdicts(net: Net, folder: Path, *outputs: str) -> dict[str, str]:
    """Name of every node, and its verdict and reason."""
    report = check(net.load(folder, *outputs))
    assert report.supported == (not any(verdict.is_rejected for verdict in report.verdicts))
    return {
        verdict.name: f"{verdict.verdict.value}: {verdict.reason}"
        if verdict.reason
        else verdict.verdict.value
        for verdict in report.verdicts
    }


CURVED = (
    "rejected: rises, but not in a straight line, which the levels of a sum do not follow; "
    "replace it by Relu, LeakyRelu or Clip and fine-tune"
)


@pytest.mark.parametrize(
    ("op", "attributes", "expected"),
    [
        ("HardSwish", {}, "rejected: falls before it rises, which no staircase does; "
         "replace it by Relu or Clip and fine-tune"),
        ("Sigmoid", {}, CURVED),
        ("Tanh", {}, CURVED),
        ("Abs", {}, "rejected: falls before it rises, which no staircase does; use Relu(x) + Relu(-x)"),
        ("Exp", {}, "rejected: a function of calculus is no weighted sum; "
         "compute it from constants, or use Relu"),
        ("ThresholdedRelu", {}, "rejected: jumps at its threshold; replace it by Relu and fine-tune"),
        ("LeakyRelu", {"alpha": -0.5},
         "rejected: slope -0.5 falls where its input rises, which no staircase does; "
         "use slopes of at least 0"),
        ("DepthToSpace", {"blocksize": 3}, "rejected: 4 channels do not fill blocks of 3x3"),
        ("DepthToSpace", {"blocksize": 2, "mode": "RCD"}, "rejected: mode RCD is unknown"),
        ("LRN", {"size": 3}, "rejected: divides by statistics of the image itself, which is no weighted sum; "
         "use BatchNormalization"),
        ("Softmax", {}, "rejected: only supported at the end; in between (attention) it is no staircase "
         "of a sum, use convolutions"),
        ("ReduceMax", {"keepdims": 0},
         "rejected: reduces over the images of a batch; name the other axes alone"),
        ("ReduceMean", {"axes": [1, 2, 3], "keepdims": 0},
         "rejected: leaves no axis but the batch; use keepdims=1"),
        ("ReduceMin", {"axes": [2]},
         "rejected: the least value needs a sign change on both sides; use Neg, ReduceMax and Neg"),
        ("Transpose", {"perm": [1, 0, 2, 3]},
         "rejected: perm [1, 0, 2, 3] moves the batch axis; keep it first"),
        ("Cast", {"to": TensorProto.INT32}, "rejected: rounds to int32; only real numbers are cast freely"),
        ("MaxPool", {"kernel_shape": [2, 2], "dilations": [2, 2]},
         "rejected: dilated pooling is not supported; use dilations=[1, 1]"),
        ("Concat", {"axis": 0}, "rejected: joins along the batch axis; join along another"),
    ],
)  # fmt: skip
def test_refused_operators(tmp_path: Path, op: str, attributes: dict[str, Any], expected: str) -> None:
    net = Net(4, 6, 6)
    odd = net.node(op, net.conv("x", 4, 4), name="odd", **attributes)
    last = net.node("Relu", odd, name="last")
    found = verdicts(net, tmp_path, last)
    assert found["odd"] == expected
    assert found["last"].startswith("lowered")


@pytest.mark.parametrize(
    ("low", "high", "reason"),
    [
        (1.0, 6.0, "bounds 1..6 must hold 0 and more; use bounds around 0"),
        (-3.0, -1.0, "bounds -3..-1 must hold 0 and more; use bounds around 0"),
        (0.0, 0.0, "bounds 0..0 must hold 0 and more; use bounds around 0"),
    ],
)
def test_bounds_beside_zero(tmp_path: Path, low: float, high: float, reason: str) -> None:
    net = Net(4)
    last = net.node("Clip", net.dense("x", 4, 4), np.float32(low), np.float32(high), name="clip")
    assert verdicts(net, tmp_path, last)["clip"] == f"rejected: {reason}"


def test_products_of_computed_values(tmp_path: Path) -> None:
    net = Net(4, 4)
    gate = net.node("Mul", net.node("Relu", "x"), "x", name="gate")
    both = net.node("MatMul", gate, "x", name="attention")
    found = verdicts(net, tmp_path, both, net.node("Div", gate, "x", name="ratio"))
    assert found["gate"] == (
        "rejected: a product of two computed values (a gate) is no weighted sum; "
        "use Add, Relu or Clip and fine-tune"
    )
    assert found["attention"] == (
        "rejected: a product of two computed values (attention) is no weighted sum; use constant weights"
    )
    assert found["ratio"] == (
        "rejected: a quotient of two computed values is no weighted sum; use Add, Relu or Clip and fine-tune"
    )


def test_computed_values_of_different_shapes(tmp_path: Path) -> None:
    net = Net(3, 4, 4)
    pooled = net.node("MaxPool", "x", kernel_shape=[2, 2])
    last = net.node("Add", "x", pooled, name="add")
    assert verdicts(net, tmp_path, last)["add"] == (
        "rejected: adds 3x4x4 and 3x3x3 per image; computed values must have the same shape"
    )


def test_padding_with_another_number(tmp_path: Path) -> None:
    net = Net(3, 4, 4)
    pads = np.array([0, 0, 1, 1, 0, 0, 1, 1])
    one = net.node("Pad", "x", pads, np.float32(1), name="one")
    found = verdicts(net, tmp_path, one)
    assert found["one"] == (
        "rejected: pads with another value than 0; pad with zeros, or with mode reflect or edge"
    )


def test_three_dimensional_windows(tmp_path: Path) -> None:
    net = Net(3, 5, 5, 5)
    last = net.node("Conv", "x", net.weights(4, 3, 3, 3, 3), name="conv")
    pool = net.node("MaxPool", "x", kernel_shape=[2, 2, 2], name="pool")
    found = verdicts(net, tmp_path, last, pool)
    assert found["conv"] == (
        "rejected: convolution over 3 axes is not supported; use images (two axes) or sequences (one axis)"
    )
    assert found["pool"] == (
        "rejected: pooling over 3 axes is not supported; use images (two axes) or sequences (one axis)"
    )


def test_indices_of_max_pooling(tmp_path: Path) -> None:
    net = Net(3, 4, 4)
    first = net.node("MaxPool", "x", kernel_shape=[2, 2], outputs=2, name="pool")
    net.node("Cast", "t0_1", to=TensorProto.FLOAT)
    assert verdicts(net, tmp_path, first, "t1")["pool"] == "rejected: the output Indices is not supported"


def test_constant_output(tmp_path: Path) -> None:
    net = Net(4)
    last = net.node("Add", np.ones((1, 3)), np.ones((1, 3)), name="sum")
    hidden = net.dense("x", 4, 3)
    assert verdicts(net, tmp_path, hidden, last)["sum"] == "rejected: an output is constant; remove it"


def test_foreign_domains_branches_and_functions(tmp_path: Path) -> None:
    net = Net(4)
    last = net.node("Quant", "x", name="quant", domain="onnx.brevitas")
    last = net.node("Wish", last, name="wish", domain="else")
    last = net.node("Twice", last, name="twice", domain="own")
    last = net.node("Unheard", last, name="unheard")
    branch = helper.make_graph([helper.make_node("Identity", ["x"], ["b"])], "b", [], [
        helper.make_tensor_value_info("b", TensorProto.FLOAT, None)])  # fmt: skip
    last = net.node("If", np.array(True), name="if", then_branch=branch, else_branch=branch)
    proto = net.proto(last)
    for domain in ("onnx.brevitas", "else", "own"):
        proto.opset_import.append(helper.make_opsetid(domain, 1))
    body = [helper.make_node("Add", ["a", "a"], ["b"])]
    proto.functions.append(helper.make_function("own", "Twice", ["a"], ["b"], body, proto.opset_import[:1]))
    path = tmp_path / "model.onnx"
    onnx.save(proto, path)
    found = {verdict.name: verdict.reason for verdict in check(load(path)).verdicts}
    assert found["if"] == "control flow is not supported; export the network with it unrolled"
    proto.graph.output[0].name = "t3"
    del proto.graph.node[-1]
    onnx.save(proto, path)
    assert {verdict.name: verdict.reason for verdict in check(load(path)).verdicts} == {
        "quant": "its width is missing",
        "wish": "an operator of the domain 'else'; use ONNX's own operators",
        "twice": "a function that the model defines itself; "
        "inline it with onnx.inliner.inline_local_functions",
        "unheard": "this operator is not supported; use Conv, Gemm, Relu, pooling and Add",
    }


def test_readers_of_rejected_nodes_are_looked_at(tmp_path: Path) -> None:
    net = Net(3, 6, 6)
    odd = net.node("Elu", "x", name="odd")
    wrong = net.conv(odd, 5, 4)
    net.nodes[-1].name = "wrong"
    right = net.conv(odd, 3, 4)
    net.nodes[-1].name = "right"
    found = verdicts(net, tmp_path, wrong, right)
    assert found["odd"] == CURVED
    assert found["wrong"] == "rejected: weights 4x5x3x3 in 1 groups do not fit 3 channels"
    assert found["right"] == "lowered"


@given(position=st.floats(0, 1), values=st.binary(min_size=1, max_size=4), seed=st.integers(0, 3))
def test_damaged_files_give_one_message(
    tmp_path_factory: pytest.TempPathFactory, position: float, values: bytes, seed: int
) -> None:
    net = Net(2, 5, 5, seed=seed)
    signal = net.node("Relu", net.batch_norm(net.conv("x", 2, 3), 3))
    signal = net.node("AveragePool", signal, kernel_shape=[2, 2], strides=[1, 1], pads=[1, 0, 0, 1])
    flat = net.node("Reshape", signal, np.array([0, -1]))
    whole = bytearray(net.proto(net.node("Softmax", net.dense(flat, 27, 3))).SerializeToString())
    start = int(position * (len(whole) - len(values)))
    whole[start : start + len(values)] = values
    path = tmp_path_factory.mktemp("damaged") / "model.onnx"
    path.write_bytes(bytes(whole))
    try:
        model = load(path)
        check(model)
        lower(model)
    except SnnccError as error:
        assert str(error)  # noqa: PT017 (anything but a SnnccError is the failure)
