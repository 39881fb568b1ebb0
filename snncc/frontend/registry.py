"""The lowering function of every supported operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from snncc.frontend import (
    ops_activation,
    ops_arithmetic,
    ops_compare,
    ops_linear,
    ops_pool,
    ops_quantised,
    ops_shape,
)
from snncc.frontend.calls import Call, Result
from snncc.frontend.onnx_nodes import QONNX_DOMAINS, OnnxNode

Lowering = Callable[[Call], Result]

QONNX_LOWERINGS: Mapping[str, Lowering] = {
    "BipolarQuant": ops_quantised.bipolar_quant,
    "IntQuant": ops_quantised.quant,
    "Quant": ops_quantised.quant,
    "Trunc": ops_quantised.trunc,
}

LOWERINGS: Mapping[str, Lowering] = {
    "Add": ops_arithmetic.add,
    "ArgMax": ops_activation.arg_max,
    "AveragePool": ops_pool.average_pool,
    "BatchNormalization": ops_arithmetic.batch_normalization,
    "Cast": ops_shape.cast,
    "Clip": ops_activation.clip,
    "Concat": ops_shape.concat,
    "Conv": ops_linear.conv,
    "DequantizeLinear": ops_quantised.dequantize_linear,
    "Div": ops_arithmetic.div,
    "Dropout": ops_shape.dropout,
    "Flatten": ops_shape.flatten,
    "Gemm": ops_linear.gemm,
    "GlobalAveragePool": ops_pool.global_average_pool,
    "GlobalMaxPool": ops_pool.global_max_pool,
    "Greater": ops_compare.greater,
    "GreaterOrEqual": ops_compare.greater_or_equal,
    "Identity": ops_shape.identity,
    "Less": ops_compare.less,
    "LessOrEqual": ops_compare.less_or_equal,
    "LogSoftmax": ops_activation.softmax,
    "MatMul": ops_linear.matmul,
    "Max": ops_activation.maximum,
    "MaxPool": ops_pool.max_pool,
    "Min": ops_activation.minimum,
    "Mul": ops_arithmetic.mul,
    "Neg": ops_arithmetic.negate,
    "Not": ops_compare.negate,
    "Pad": ops_shape.pad,
    "QLinearConv": ops_quantised.qlinear_conv,
    "QLinearMatMul": ops_quantised.qlinear_matmul,
    "QuantizeLinear": ops_quantised.quantize_linear,
    "ReduceMean": ops_pool.reduce_mean,
    "Relu": ops_activation.relu,
    "Reshape": ops_shape.reshape,
    "Sigmoid": ops_activation.sigmoid,
    "Sign": ops_quantised.sign,
    "Slice": ops_shape.slice_,
    "Softmax": ops_activation.softmax,
    "Squeeze": ops_shape.squeeze,
    "Sub": ops_arithmetic.sub,
    "Sum": ops_arithmetic.add,
    "Transpose": ops_shape.transpose,
    "Unsqueeze": ops_shape.unsqueeze,
    "Where": ops_compare.where,
}


def lowering_of(node: OnnxNode) -> Lowering | None:
    """The function that lowers a node; None where there is none."""
    if node.domain in QONNX_DOMAINS:
        return QONNX_LOWERINGS.get(node.op)
    return LOWERINGS.get(node.op) if node.is_standard else None
