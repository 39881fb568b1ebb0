"""Operators that are refused: why, and the nearest thing that works."""

from __future__ import annotations

from collections.abc import Mapping

from snncc.frontend.onnx_nodes import OnnxNode, words

_GATE = "not a staircase of a sum; replace it by Relu or Clip and fine-tune"
_LATER = "not supported yet; "
_QUANTISED = (
    "this form of quantisation is not supported; use QuantizeLinear and DequantizeLinear, or QONNX Quant"
)
_RECURRENT = "keeps a state from step to step, which an image network has not; use convolutions"
_BRANCH = "control flow is not supported; export the network with it unrolled"
_NORM = "divides by statistics of the image itself, which is no weighted sum; use BatchNormalization"
_REDUCE = "not supported yet; use GlobalAveragePool, MaxPool or a matrix product"
_LOGIC = "a choice between computed values is no weighted sum; use Relu, Clip or MaxPool"
_BOUNDED = "not supported yet; replace it by Relu or Clip and fine-tune"

SAME_SHAPE: frozenset[str] = words(
    """
    Sigmoid HardSigmoid HardSwish Swish Gelu Mish Tanh Softplus Softsign Elu Celu Selu Erf LeakyRelu
    PRelu ThresholdedRelu Sign Abs Sqrt Exp Log Pow Reciprocal Round Floor Ceil Softmax LogSoftmax
    Shrink Hardmax LayerNormalization InstanceNormalization GroupNormalization RMSNormalization
    LpNormalization LRN MeanVarianceNormalization QuantizeLinear DequantizeLinear Quant BipolarQuant
    IntQuant FloatQuant Trunc Relu Clip BatchNormalization Cast Sin Cos Not IsNaN
    """
)
"""Operators whose value has the shape of their first input, in whatever domain."""

ELEMENTWISE = words("Add Sub Mul Div Max Min Mean Sum Mod Where")
"""Operators whose value has the shape of their inputs, where those have one shape."""

_REASONS: Mapping[str, str] = {
    **dict.fromkeys(("If", "Loop", "Scan", "SequenceMap"), _BRANCH),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _RECURRENT),
    **dict.fromkeys(
        ("HardSigmoid", "HardSwish", "Swish", "Gelu", "Mish", "Tanh", "Softplus", "Softsign", "Elu", "Celu"),
        _GATE,
    ),
    **dict.fromkeys(
        ("Selu", "Erf", "Exp", "Log", "Sqrt", "Pow", "Reciprocal", "Sin", "Cos", "Shrink"), _GATE
    ),
    **dict.fromkeys(("LeakyRelu", "PRelu", "ThresholdedRelu", "Abs"), _BOUNDED),
    "Equal": _LOGIC,
    **dict.fromkeys(("Round", "Floor", "Ceil", "Mod"), "rounds by itself; leave rounding to the compiler"),
    **dict.fromkeys(
        ("LayerNormalization", "InstanceNormalization", "GroupNormalization", "RMSNormalization"), _NORM
    ),
    **dict.fromkeys(("LRN", "LpNormalization", "MeanVarianceNormalization"), _NORM),
    **dict.fromkeys(("DynamicQuantizeLinear", "ConvInteger", "MatMulInteger"), _QUANTISED),
    **dict.fromkeys(("ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2"), _REDUCE),
    **dict.fromkeys(("And", "Or", "Xor", "NonZero", "NonMaxSuppression", "TopK"), _LOGIC),
    **dict.fromkeys(
        ("Attention", "Einsum"), "products of computed values are no weighted sums; use convolutions"
    ),
    **dict.fromkeys(("Gather", "GatherElements", "GatherND"), _LATER + "use Slice"),
    **dict.fromkeys(("ScatterElements", "ScatterND", "Scatter"), _LATER + "use Concat or Pad"),
    **dict.fromkeys(("Resize", "Upsample"), _LATER + "use a network without upsampling"),
    "ConvTranspose": _LATER + "use a network without upsampling",
    "DepthToSpace": _LATER + "use Reshape and Transpose",
    "SpaceToDepth": _LATER + "use a strided Conv",
    "GlobalLpPool": _LATER + "use GlobalAveragePool",
    "LpPool": _LATER + "use AveragePool or MaxPool",
    "Split": _LATER + "use one Slice per part",
    "Tile": _LATER + "use Concat",
    "Expand": _LATER + "use Concat",
    "Hardmax": _LATER + "use ArgMax at the end",
    "RandomNormalLike": "a random value has no spiking form; export the network for inference",
    "Bernoulli": "a random value has no spiking form; export the network for inference",
}

_DOMAINS: Mapping[str, str] = {
    "com.microsoft": "an operator of ONNX Runtime's own optimiser; export the network without optimising it",
    "onnx.brevitas": _QUANTISED,
    "qonnx.custom_op.general": _QUANTISED,
    "finn.custom_op.general": _QUANTISED,
}


def refusal(node: OnnxNode, functions: frozenset[tuple[str, str]]) -> str:
    """Why a node without a lowering function is refused."""
    if (node.domain, node.op) in functions:
        return "a function that the model defines itself; inline it with onnx.inliner.inline_local_functions"
    if node.attributes.has_graph:
        return _BRANCH
    if not node.is_standard:
        return _DOMAINS.get(
            node.domain, f"an operator of the domain {node.domain!r}; use ONNX's own operators"
        )
    return _REASONS.get(node.op, "this operator is not supported; use Conv, Gemm, Relu, pooling and Add")
