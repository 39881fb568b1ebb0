"""Small quantised networks, written down, that tests name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[Any]
QONNX = "qonnx.custom_op.general"


class Writer:
    """An ONNX graph on images `x`; arrays given to `node` become initialisers of their own type."""

    def __init__(self, *shape: int, dtype: int = TensorProto.FLOAT) -> None:
        self.value = helper.make_tensor_value_info("x", dtype, ["N", *shape])
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []
        self.random = np.random.default_rng(5)

    def node(
        self,
        op: str,
        *inputs: str | Array | np.generic,
        name: str = "",
        domain: str = "",
        attributes: Mapping[str, Any] | None = None,
    ) -> str:
        """Append a node; gives its output."""
        names = [value if isinstance(value, str) else self.constant(np.asarray(value)) for value in inputs]
        result = f"t{len(self.nodes)}"
        made = helper.make_node(op, names, [result], name=name or result, domain=domain, **(attributes or {}))
        self.nodes.append(made)
        return result

    def constant(self, array: Array) -> str:
        """An initialiser."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def qdq(self, value: str, scale: float, zero: np.generic) -> str:
        """QuantizeLinear and DequantizeLinear."""
        step = np.float32(scale)
        return self.node("DequantizeLinear", self.node("QuantizeLinear", value, step, zero), step, zero)

    def proto(self, output: str) -> onnx.ModelProto:
        """The whole model."""
        outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
        graph = helper.make_graph(self.nodes, "named", [self.value], outputs, self.constants)
        opsets = [helper.make_opsetid("", 13), helper.make_opsetid(QONNX, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def int8_residual(dtype: int = TensorProto.INT8) -> onnx.ModelProto:
    """An int8 network as converters of TFLite write it: convolutions, a skip, an average, five classes."""
    net = Writer(1, 6, 6, dtype=dtype)
    value = net.node("DequantizeLinear", "x", np.float32(1), np.int8(-128))
    value = _conv(net, value, 1)
    skip = net.qdq(net.node("Relu", value), 0.25, np.int8(-128))
    branch = net.qdq(_conv(net, skip, 3), 0.11, np.int8(7))
    value = net.qdq(net.node("Relu", net.node("Add", skip, branch)), 0.19, np.int8(-128))
    value = net.node("AveragePool", value, attributes={"kernel_shape": [6, 6]})
    value = net.node("Flatten", net.qdq(value, 0.19, np.int8(-128)))
    matrix = net.random.integers(-127, 128, (3, 5)).astype(np.int8)
    weight = net.node("DequantizeLinear", matrix, np.float32(0.02), np.int8(0))
    bias = net.random.integers(-90, 90, 5).astype(np.int32)
    value = net.node("MatMul", value, weight)
    value = net.node("Add", value, net.node("DequantizeLinear", bias, np.float32(0.0038), np.int32(0)))
    return net.proto(net.qdq(value, 0.07, np.int8(11)))


def _conv(net: Writer, value: str, inputs: int) -> str:
    weight = net.random.integers(-127, 128, (3, inputs, 3, 3)).astype(np.int8)
    scales = np.array([0.003, 0.0041, 0.0027], np.float32)
    stored = net.node("DequantizeLinear", weight, scales, np.zeros(3, np.int8), attributes={"axis": 0})
    bias = net.random.integers(-900, 900, 3).astype(np.int32)
    real = net.node("DequantizeLinear", bias, scales, np.zeros(3, np.int32), attributes={"axis": 0})
    return net.node("Conv", value, stored, real, attributes={"pads": [1, 1, 1, 1]})


def binary() -> onnx.ModelProto:
    """+-0.5 weights, Sign under zero padding behind a BatchNormalization, a step, real class scores."""
    net = Writer(1, 6, 6)
    first = np.where(net.random.normal(size=(3, 1, 3, 3)) > 0, 0.5, -0.5).astype(np.float32)
    value = net.node("Conv", "x", first, np.array([0.3, -31.1, 0.7], np.float32))
    value = net.node("Sign", value, name="sign")
    second = np.where(net.random.normal(size=(4, 3, 3, 3)) > 0, 1, -1).astype(np.float32)
    value = net.node("Conv", value, second, attributes={"pads": [1, 1, 1, 1]})
    statistics = [
        np.array(v, np.float32) for v in ([1, -2, 1, 3], [0.1, 0.2, -0.3, 0], [2.5, 1, 0, -1], [4, 1, 9, 4])
    ]
    value = net.node("BatchNormalization", value, *statistics, attributes={"epsilon": 0.0})
    value = net.node("Greater", value, np.float32(0.05))
    value = net.node("Where", value, np.float32(1), np.float32(0))
    value = net.node("MaxPool", value, attributes={"kernel_shape": [2, 2], "strides": [2, 2]})
    last = np.where(net.random.normal(size=(5, 16)) > 0, 1, -1).astype(np.float32)
    return net.proto(net.node("Gemm", net.node("Flatten", value), last, attributes={"transB": 1}))
