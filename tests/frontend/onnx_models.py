"""Small ONNX models, written down node by node, and the comparison with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from snncc.frontend.calibrate import float_drives
from snncc.frontend.load import Model, load
from snncc.frontend.lower import Lowered, lower
from snncc_ir.semantics import evaluate

Array = NDArray[Any]


class Net:
    """An ONNX graph with the one input `x`; arrays given to `node` become initialisers."""

    def __init__(self, *shape: int, batch: int | str = "N", opset: int = 13, seed: int = 0) -> None:
        self.shape = shape
        self.batch = batch
        self.opset = opset
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []

    def node(
        self, op: str, *inputs: str | Array | np.float32, outputs: int = 1, name: str = "", **attributes: Any
    ) -> str:
        """Append a node; gives its first output."""
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        index = len(self.nodes)
        results = [f"t{index}"] + [f"t{index}_{extra}" for extra in range(1, outputs)]
        made = helper.make_node(op, names, results, name=name or f"{op.lower()}{index}", **attributes)
        self.nodes.append(made)
        return results[0]

    def constant(self, value: Array | np.float32) -> str:
        """An initialiser; real numbers become float32."""
        array = np.asarray(value)
        array = array.astype(np.float32) if array.dtype == np.float64 else array
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def weights(self, *shape: int) -> Array:
        """Random weights of about unit gain."""
        fan_in = max(int(np.prod(shape[1:])), 1)
        return self.random.normal(0, 1, shape) / np.sqrt(fan_in)

    def conv(self, source: str, inputs: int, outputs: int, kernel: int = 3, **attributes: Any) -> str:
        """A convolution with random weights and bias."""
        weight = self.weights(outputs, inputs // int(attributes.get("group", 1)), kernel, kernel)
        return self.node("Conv", source, weight, self.random.normal(0, 0.2, outputs), **attributes)

    def dense(self, source: str, inputs: int, outputs: int) -> str:
        """A Gemm with random weights and bias."""
        return self.node("Gemm", source, self.weights(outputs, inputs), self.weights(outputs), transB=1)

    def batch_norm(self, source: str, channels: int) -> str:
        """A BatchNormalization with random statistics, some factors negative."""
        gamma, beta, mean = (self.random.normal(0, 1, channels) for _ in range(3))
        return self.node(
            "BatchNormalization", source, gamma, beta, mean, self.random.uniform(0.3, 2, channels)
        )

    def proto(self, *outputs: str) -> onnx.ModelProto:
        """The whole model; ONNX's own inference types the outputs."""
        graph = helper.make_graph(
            self.nodes,
            "small",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [self.batch, *self.shape])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        model.ir_version = 8
        return model

    def save(self, folder: Path, *outputs: str) -> Path:
        """The model as a file."""
        path = folder / "model.onnx"
        onnx.save(self.proto(*outputs), path)
        return path

    def load(self, folder: Path, *outputs: str) -> Model:
        """The model as the front end reads it."""
        return load(self.save(folder, *outputs))

    def images(self, count: int = 3) -> Array:
        """Random images."""
        return np.asarray(self.random.normal(0, 1, (count, *self.shape)), dtype=np.float32)


def run_onnx(path: Path, images: Array, outputs: Sequence[str] | None = None, batch: int = 1) -> list[Array]:
    """What ONNX Runtime computes, `batch` images at a time."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    runs = [
        session.run(outputs, {session.get_inputs()[0].name: images[at : at + batch]})
        for at in range(0, len(images), batch)
    ]
    return [np.concatenate(parts) for parts in zip(*runs, strict=True)]


def assert_agrees(net: Net, folder: Path, *outputs: str) -> Lowered:
    """The lowered graph and ONNX Runtime agree on the outputs and on every activation."""
    path = net.save(folder, *outputs)
    model = load(path)
    lowered = lower(model)
    batch = net.batch if isinstance(net.batch, int) else 1
    images = net.images(max(3, batch) // batch * batch)
    expected = run_onnx(path, images, batch=batch)
    values = evaluate(lowered.graph, {lowered.graph.inputs[0].name: images})
    for name, wanted in zip(outputs, expected, strict=True):
        got = values[lowered.outputs[name]]
        assert_close(got.reshape(wanted.shape), wanted)
    drives = float_drives(model, lowered, [images], lowered.taps)
    for name, tap in lowered.taps.items():
        assert_close(values[name], tap.activation(drives[name]))
    return lowered


def assert_close(got: Array, wanted: Array) -> None:
    """Equal up to float32's rounding."""
    size = max(float(np.abs(wanted).max()), 1e-3)
    np.testing.assert_allclose(got, wanted, atol=1e-4 * size, rtol=0)


def populations(lowered: Lowered) -> list[str]:
    """Names of the populations, in order."""
    return [node.name for node in lowered.graph.populations]


def verdict_of(lowered: Lowered, name: str) -> tuple[str, str]:
    """Verdict and reason of one ONNX node."""
    found = next(verdict for verdict in lowered.verdicts if verdict.name == name)
    return found.verdict.value, found.reason
