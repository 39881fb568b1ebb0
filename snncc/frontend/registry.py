"""The lowering function of every supported operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from snncc.frontend import (
    ops_activation,
    ops_arithmetic,
    ops_compare,
    ops_labels,
    ops_linear,
    ops_pad,
    ops_parts,
    ops_pool,
    ops_quantised,
    ops_rectifier,
    ops_reduce,
    ops_resize,
    ops_shape,
    ops_transposed,
)
from snncc.frontend.calls import Call, Result
from snncc.frontend.lifting import on_images
from snncc.frontend.onnx_nodes import QONNX_DOMAINS, STANDARD_DOMAINS, OnnxNode
from snncc.frontend.usage import ML_DOMAIN

Lowering = Callable[[Call], Result]

QONNX_LOWERINGS: Mapping[str, Lowering] = {
    "BipolarQuant": ops_quantised.bipolar_quant,
    "IntQuant": ops_quantised.quant,
    "Quant": ops_quantised.quant,
    "Trunc": ops_quantised.trunc,
}
"""Operators of QONNX."""

LOWERINGS: Mapping[str, Lowering] = {
    "Add": ops_arithmetic.add,
    "ArgMax": ops_activation.arg_max,
    "AveragePool": on_images("pooling", ops_pool.average_pool),
    "BatchNormalization": ops_arithmetic.batch_normalization,
    "Cast": ops_shape.cast,
    "CastLike": ops_shape.cast_like,
    "Clip": ops_activation.clip,
    "Concat": ops_shape.concat,
    "Conv": on_images("convolution", ops_linear.conv),
    "ConvTranspose": on_images("convolution", ops_transposed.conv_transpose),
    "DepthToSpace": ops_parts.depth_to_space,
    "DequantizeLinear": ops_quantised.dequantize_linear,
    "Div": ops_arithmetic.div,
    "Dropout": ops_shape.dropout,
    "Expand": ops_parts.expand,
    "Flatten": ops_shape.flatten,
    "Gather": ops_parts.gather,
    "Gemm": ops_linear.gemm,
    "GlobalAveragePool": on_images("pooling", ops_pool.global_average_pool),
    "GlobalMaxPool": on_images("pooling", ops_pool.global_max_pool),
    "Greater": ops_compare.greater,
    "GreaterOrEqual": ops_compare.greater_or_equal,
    "Hardmax": ops_activation.hardmax,
    "Identity": ops_shape.identity,
    "LeakyRelu": ops_rectifier.leaky_relu,
    "Less": ops_compare.less,
    "LessOrEqual": ops_compare.less_or_equal,
    "LogSoftmax": ops_activation.softmax,
    "MatMul": ops_linear.matmul,
    "Max": ops_activation.maximum,
    "MaxPool": on_images("pooling", ops_pool.max_pool),
    "Mean": ops_arithmetic.mean,
    "Min": ops_activation.minimum,
    "Mul": ops_arithmetic.mul,
    "Neg": ops_arithmetic.negate,
    "Not": ops_compare.negate,
    "PRelu": ops_rectifier.prelu,
    "Pad": ops_pad.pad,
    "QLinearConv": ops_quantised.qlinear_conv,
    "QLinearMatMul": ops_quantised.qlinear_matmul,
    "QuantizeLinear": ops_quantised.quantize_linear,
    "ReduceMax": ops_reduce.reduce_max,
    "ReduceMean": ops_reduce.reduce_mean,
    "ReduceSum": ops_reduce.reduce_sum,
    "Relu": ops_activation.relu,
    "Reshape": ops_shape.reshape,
    "Resize": ops_resize.resize,
    "Sigmoid": ops_activation.sigmoid,
    "Sign": ops_quantised.sign,
    "Slice": ops_shape.slice_,
    "Softmax": ops_activation.softmax,
    "SpaceToDepth": ops_parts.space_to_depth,
    "Split": ops_parts.split,
    "Squeeze": ops_shape.squeeze,
    "Sub": ops_arithmetic.sub,
    "Sum": ops_arithmetic.add,
    "Tile": ops_parts.tile,
    "Transpose": ops_shape.transpose,
    "Unsqueeze": ops_shape.unsqueeze,
    "Upsample": ops_resize.resize,
    "Where": ops_compare.where,
}

ML_LOWERINGS: Mapping[str, Lowering] = {
    "ArrayFeatureExtractor": ops_labels.array_feature_extractor,
    "LabelEncoder": ops_labels.label_encoder,
    "Scaler": ops_labels.scaler,
    "ZipMap": ops_labels.zip_map,
}
"""Operators of ONNX-ML that skl2onnx puts around a neural network."""

_BY_DOMAIN: Mapping[str, Mapping[str, Lowering]] = {
    **dict.fromkeys(STANDARD_DOMAINS, LOWERINGS),
    **dict.fromkeys(QONNX_DOMAINS, QONNX_LOWERINGS),
    ML_DOMAIN: ML_LOWERINGS,
}


def lowering_of(node: OnnxNode) -> Lowering | None:
    """The lowering function of a node's operator; None where there is none."""
    return _BY_DOMAIN.get(node.domain, {}).get(node.op)
