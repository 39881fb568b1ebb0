"""Random networks that come quantised: QDQ, QLinear, QONNX and binary ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[Any]

SIDE = 4
QONNX = "qonnx.custom_op.general"


class Sketch:
    """An ONNX graph on images `x` of 2 x SIDE x SIDE, its parameters drawn by hypothesis."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []
        self.ties = draw(st.booleans())

    def node(self, op: str, *inputs: str | Array, domain: str = "", **attributes: Any) -> str:
        """Append a node; gives its output."""
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        result = f"t{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(op, names, [result], name=f"{op}_{result}", domain=domain, **attributes)
        )
        return result

    def constant(self, array: Array) -> str:
        """An initialiser."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def scale(self, low: float = 0.01, high: float = 0.3, size: int = 0) -> Array:
        """Random scales; powers of two where the network is to have ties."""
        values = self.random.uniform(low, high, size or None)
        values = 2.0 ** np.round(np.log2(values)) if self.ties else values
        return np.asarray(values, dtype=np.float32)

    def zero(self, dtype: type = np.uint8) -> Array:
        """A random zero point."""
        limits = np.iinfo(dtype)
        return np.array(
            self.random.choice([limits.min, 0, int(self.random.integers(limits.min, limits.max + 1))]), dtype
        )

    def dtype(self) -> type:
        """int8 or uint8."""
        return self.draw(st.sampled_from([np.uint8, np.int8]))

    def proto(self, output: str) -> onnx.ModelProto:
        """The whole model."""
        graph = helper.make_graph(
            self.nodes,
            "sketch",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2, SIDE, SIDE])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            self.constants,
        )
        opsets = [helper.make_opsetid("", 13), helper.make_opsetid(QONNX, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)

    # Blocks of QDQ networks.

    def qdq(self, value: str, low: float = 0.05, high: float = 2.0) -> str:
        """Quantise and dequantise; perhaps twice over, as some exporters do for every reader."""
        scale, zero = self.scale(low, high), self.zero(self.dtype())
        return self.node("DequantizeLinear", self.node("QuantizeLinear", value, scale, zero), scale, zero)

    def stored(self, *shape: int, axis: int = 0) -> str:
        """Integer weights with one scale, or one per output."""
        dtype = self.dtype()
        values = self.random.integers(np.iinfo(dtype).min, np.iinfo(dtype).max + 1, shape).astype(dtype)
        if self.draw(st.booleans()):
            zeros = np.zeros(shape[axis], dtype)
            scales = self.scale(0.002, 0.05, shape[axis])
            return self.node("DequantizeLinear", values, scales, zeros, axis=axis)
        return self.node("DequantizeLinear", values, self.scale(0.002, 0.05), self.zero(dtype))

    def conv(self, value: str, inputs: int, outputs: int, *, relu: bool) -> str:
        """A convolution of stored weights, its bias stored as well, back on a grid."""
        weight = self.stored(outputs, inputs, 3, 3)
        bias = self.random.integers(-300, 300, outputs).astype(np.int32)
        real = self.node("DequantizeLinear", bias, self.scale(0.002, 0.02), np.array(0, np.int32))
        pads = self.draw(st.sampled_from([[1, 1, 1, 1], [0, 2, 2, 0]]))
        found = self.node("Conv", value, weight, real, pads=pads, kernel_shape=[3, 3])
        found = self.node("Relu", found) if relu else found
        return self.qdq(found)


@st.composite
def qdq_networks(draw: st.DrawFn) -> onnx.ModelProto:
    """Convolutions, a residual sum, pooling, concatenation, a dense layer: everything between Q and DQ."""
    sketch = Sketch(draw)
    value = sketch.qdq("x", 2.0, 20.0) if draw(st.booleans()) else "x"
    channels = 2
    for kind in draw(st.lists(st.sampled_from(["conv", "add", "max", "average", "concat"]), max_size=3)):
        match kind:
            case "conv":
                value, channels = sketch.conv(value, channels, 3, relu=draw(st.booleans())), 3
            case "add":
                branch = sketch.conv(value, channels, channels, relu=False)
                total = sketch.node("Add", sketch.qdq(value) if value == "x" else value, branch)
                value = sketch.qdq(sketch.node("Relu", total) if draw(st.booleans()) else total)
            case "max" if value != "x":
                value = sketch.node("MaxPool", value, kernel_shape=[2, 2], pads=[0, 0, 1, 1])
            case "average" if value != "x":
                pooled = sketch.node("AveragePool", value, kernel_shape=[2, 3], pads=[1, 1, 0, 1])
                value = sketch.qdq(pooled)
            case "concat" if value != "x":
                value, channels = (
                    sketch.qdq(sketch.node("Concat", value, sketch.qdq("x"), axis=1)),
                    channels + 2,
                )
                break  # the parts must agree in size, which pooling may change below
            case _:
                pass
    value = sketch.qdq("x") if value == "x" else value
    return sketch.proto(value)


@st.composite
def qlinear_networks(draw: st.DrawFn) -> onnx.ModelProto:
    """QLinearConv with zero points and a bias, MaxPool on integers, QLinearMatMul."""
    sketch = Sketch(draw)
    scale, zero = sketch.scale(2.0, 20.0), sketch.zero()
    value = sketch.node("QuantizeLinear", "x", scale, zero)
    for outputs, inputs in ((3, 2), (2, 3)):
        weight = sketch.random.integers(-128, 128, (outputs, inputs, 3, 3)).astype(np.int8)
        scales = sketch.scale(0.002, 0.05, outputs)
        zeros = np.zeros(outputs, np.int8)
        bias = sketch.random.integers(-2000, 2000, outputs).astype(np.int32)
        target, offset = sketch.scale(0.5, 4.0), sketch.zero()
        operands = (scale, zero, weight, scales, zeros, target, offset, bias)
        value = sketch.node("QLinearConv", value, *operands, pads=[1, 1, 1, 1], kernel_shape=[3, 3])
        scale, zero = target, offset
    value = sketch.node("MaxPool", value, kernel_shape=[2, 2], strides=[2, 2])
    value = sketch.node("Flatten", value)
    matrix = sketch.random.integers(0, 256, (2 * (SIDE // 2) ** 2, 5)).astype(np.uint8)
    target, offset = sketch.scale(0.5, 4.0), sketch.zero(np.uint8)
    operands = (scale, zero, matrix, sketch.scale(0.002, 0.05), sketch.zero(), target, offset)
    value = sketch.node("QLinearMatMul", value, *operands)
    return sketch.proto(sketch.node("DequantizeLinear", value, target, offset))


@st.composite
def qonnx_networks(draw: st.DrawFn) -> onnx.ModelProto:
    """Quant of few bits in every rounding mode, BipolarQuant, Sign, zero padding, pooling, Trunc."""
    sketch = Sketch(draw)
    value = sketch.node("Sub", sketch.node("Mul", "x", np.float32(0.0078125)), np.float32(1.0))
    if draw(st.booleans()):
        value = _activation(sketch, value)
    for outputs, inputs in ((3, 2), (2, 3)):
        weight = sketch.random.normal(0, 1, (outputs, inputs, 3, 3)).astype(np.float32)
        one = np.float32(1)
        if draw(st.booleans()):
            stored = sketch.node("BipolarQuant", weight, sketch.scale(0.1, 0.5), domain=QONNX)
        else:
            bits = np.float32(draw(st.integers(2, 5)))
            scales = sketch.scale(0.1, 0.5, outputs).reshape(-1, 1, 1, 1)
            stored = sketch.node(
                "Quant",
                weight,
                scales,
                0 * one,
                bits,
                domain=QONNX,
                signed=1,
                narrow=1,
                rounding_mode="ROUND",
            )
        bias = sketch.random.integers(-8, 8, outputs).astype(np.float32) / 8
        value = sketch.node("Conv", value, stored, bias, pads=[1, 1, 0, 1], kernel_shape=[3, 3])
        if draw(st.booleans()):
            value = sketch.node("Relu", value)
            value = _quant(sketch, value, signed=draw(st.booleans()))
        else:
            value = _activation(sketch, value)
    if draw(st.booleans()):
        value = sketch.node("MaxPool", value, kernel_shape=[2, 2], strides=[1, 1])
    return sketch.proto(value)


def _activation(sketch: Sketch, value: str) -> str:
    kind = sketch.draw(st.sampled_from(["quant", "bipolar", "sign"]))
    if kind == "sign":
        return sketch.node("Sign", value)
    if kind == "bipolar":
        return sketch.node("BipolarQuant", value, sketch.scale(0.3, 1.0), domain=QONNX)
    return _quant(sketch, value, signed=True)


def _quant(sketch: Sketch, value: str, *, signed: bool) -> str:
    mode = sketch.draw(st.sampled_from(["ROUND", "FLOOR", "CEIL", "UP", "DOWN", "HALF_UP", "HALF_DOWN"]))
    bits, one = np.float32(sketch.draw(st.integers(2, 4))), np.float32(1)
    attributes = {"signed": int(signed), "narrow": int(sketch.draw(st.booleans())), "rounding_mode": mode}
    return sketch.node("Quant", value, sketch.scale(0.2, 1.0), 0 * one, bits, domain=QONNX, **attributes)
