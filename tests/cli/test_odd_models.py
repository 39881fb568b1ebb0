"""Models that are no plain image classifiers, as a new user would try them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from support.command import Snncc

Shape = list[Any]


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    weights: dict[str, NDArray[Any]],
    inputs: dict[str, Shape],
    outputs: dict[str, Shape],
    kind: int = TensorProto.FLOAT,
) -> None:
    """Write a model."""
    tensors = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    graph = helper.make_graph(
        nodes,
        "odd",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        tensors,
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("my.ops", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def node(op: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    """A node that is called as its operator."""
    return helper.make_node(op, inputs, [output], op.lower(), **attributes)


MATRIX = np.array([[1.0, -1.0], [0.5, 0.25], [0.0, 2.0]])

REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "two_inputs": (
        ([node("Add", ["x", "z"], "y")], {}, {"x": ["N", 3], "z": ["N", 3]}, {"y": ["N", 3]}),
        "has 2 inputs (x, z); just one image input is supported; export a network with one input",
    ),
    "no_nodes": (
        ([], {}, {"x": ["N", 3]}, {"x": ["N", 3]}),
        "has no nodes; export the network itself",
    ),
    "passed_on": (
        ([node("Identity", ["x"], "y")], {}, {"x": ["N", 3]}, {"y": ["N", 3]}),
        "1 of 1 nodes cannot be compiled:\n  identity (Identity): an output passes the input on; remove it",
    ),
    "own_operator": (
        (
            [helper.make_node("Foo", ["x"], ["y"], "foo", domain="my.ops")],
            {}, {"x": ["N", 3]}, {"y": ["N", 3]},
        ),
        "1 of 1 nodes cannot be compiled:\n"
        "  foo (Foo): an operator of the domain 'my.ops'; use ONNX's own operators",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_network_for_us(snncc: Snncc, tmp_path: Path, name: str) -> None:
    arguments, message = REFUSED[name]
    save(tmp_path / "odd.onnx", *arguments)
    result = snncc("compile", "odd.onnx", "--target", "sim")
    assert (result.code, result.out, result.err) == (1, "", f"snncc: error: odd.onnx: {message}\n")


@pytest.mark.parametrize(
    ("shape", "kind", "message"),
    [
        (
            ["N", 3],
            TensorProto.INT64,
            "the input is not of real numbers or bytes; export a network of images",
        ),
        ([3], TensorProto.FLOAT, "the input has no axis beside the batch; export a network of images"),
        (
            ["N", "C"],
            TensorProto.FLOAT,
            "the input has a dynamic shape, ? per image; export with fixed channels, height and width, or "
            "fix them with `python -m onnxruntime.tools.make_dynamic_shape_fixed`",
        ),
    ],
)
def test_inputs_that_are_no_images(
    snncc: Snncc, tmp_path: Path, shape: Shape, kind: int, message: str
) -> None:
    nodes = [node("MatMul", ["x", "w"], "y")]
    if kind != TensorProto.FLOAT:
        nodes = [node("Cast", ["x"], "c", to=TensorProto.FLOAT), node("MatMul", ["c", "w"], "y")]
    save(tmp_path / "odd.onnx", nodes, {"w": MATRIX}, {"x": shape}, {"y": [*shape[:-1], 2]}, kind)
    result = snncc("check", "odd.onnx")
    assert (result.code, result.out, result.err) == (1, "", f"snncc: error: x: {message}\n")


def test_a_sequence_with_two_outputs(snncc: Snncc, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    nodes = [
        node("Conv", ["x", "w"], "c", pads=[1, 1]),
        node("Relu", ["c"], "r"),
        node("GlobalAveragePool", ["r"], "p"),
        node("Flatten", ["p"], "f"),
        node("Gemm", ["f", "a"], "y"),
        helper.make_node("Gemm", ["f", "b"], ["z"], "second"),
    ]
    weights = {"w": rng.normal(size=(4, 2, 3)), "a": rng.normal(size=(4, 3)), "b": rng.normal(size=(4, 2))}
    save(tmp_path / "odd.onnx", nodes, weights, {"x": ["N", 2, 20]}, {"y": ["N", 3], "z": ["N", 2]})
    np.savez(tmp_path / "d.npz", images=rng.normal(size=(12, 2, 20)).astype(np.float32))
    result = snncc("compile", "odd.onnx", "--target", "sim", "--calibrate", "d.npz")
    assert (result.code, result.err) == (
        0,
        "snncc: warning: approximated: inputs are rounded to 255 levels\n",
    )
    assert result.out.startswith("odd.snncc: 2 populations, 89 neurons, 48 weights for sim (any) in ")
    assert snncc("simulate", "odd.snncc", "--data", "d.npz", "--outputs", "y.npy").err == (
        "snncc: error: --outputs y.npy: cannot hold the 2 outputs y, z; give a file that ends in .npz\n"
    )
    assert snncc("simulate", "odd.snncc", "--data", "d.npz", "--outputs", "y.npz").code == 0
    with np.load(tmp_path / "y.npz") as found:
        assert {name: found[name].shape for name in found.files} == {"y": (12, 3), "z": (12, 2)}


def test_an_mlp_of_one_population(snncc: Snncc, tmp_path: Path) -> None:
    nodes = [node("MatMul", ["x", "w"], "m"), node("Relu", ["m"], "y")]
    save(tmp_path / "odd.onnx", nodes, {"w": MATRIX}, {"x": ["N", 3]}, {"y": ["N", 2]})
    np.savez(tmp_path / "d.npz", images=np.eye(3, dtype=np.float32))
    result = snncc("compile", "odd.onnx", "--target", "sim", "--calibrate", "d.npz")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("odd.snncc: 1 population, 2 neurons, 6 weights for sim (any) in ")
