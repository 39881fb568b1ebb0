"""Operators that are refused: why, and the nearest thing that works."""

from __future__ import annotations

from collections.abc import Mapping

from snncc.frontend.onnx_nodes import OnnxNode, words

_QUANTISED = (
    "this form of quantisation is not supported; use QuantizeLinear and DequantizeLinear, or QONNX Quant"
)
_BRANCH = "control flow is not supported; export the network with it unrolled"

SAME_SHAPE: frozenset[str] = words(
    """
    Sigmoid HardSigmoid HardSwish Swish Gelu Mish Tanh Softplus Softsign Elu Celu Selu Erf LeakyRelu
    PRelu ThresholdedRelu Sign Abs Sqrt Exp Log Pow Reciprocal Round Floor Ceil Softmax LogSoftmax
    Shrink Hardmax LayerNormalization InstanceNormalization GroupNormalization RMSNormalization
    LpNormalization LRN MeanVarianceNormalization QuantizeLinear DequantizeLinear Quant BipolarQuant
    IntQuant FloatQuant Trunc CastLike Relu Clip BatchNormalization Cast Sin Cos Not IsNaN
    """
)
"""Operators whose value has the shape of their first input, in whatever domain."""

ELEMENTWISE = words("Add Sub Mul Div Max Min Mean Sum Mod Where")
"""Operators whose value has the shape of their inputs, where those have one shape."""

FAMILIES: Mapping[str, str] = {
    "If Loop Scan SequenceMap": _BRANCH,
    "LSTM GRU RNN": "keeps a state from step to step, which an image network has not; use convolutions",
    "CausalConvWithState LinearAttention TensorScatter": (
        "keeps a state from call to call, which an image network has not; use convolutions"
    ),
    "Attention FlexAttention RotaryEmbedding SwiGLU Einsum": (
        "products of computed values are no weighted sums; use convolutions"
    ),
    "Sigmoid Tanh HardSigmoid Softplus Softsign Elu Celu Selu Erf Atan Asinh": (
        "rises, but not in a straight line, which the levels of a sum do not follow; "
        "replace it by Relu, LeakyRelu or Clip and fine-tune"
    ),
    "HardSwish Swish Gelu Mish Cosh": (
        "falls before it rises, which no staircase does; replace it by Relu or Clip and fine-tune"
    ),
    "Abs": "falls before it rises, which no staircase does; use Relu(x) + Relu(-x)",
    "ThresholdedRelu Shrink": "jumps at its threshold; replace it by Relu and fine-tune",
    "Exp Log Sqrt Pow Reciprocal Sinh Acosh Atanh Asin Acos Sin Cos Tan Det": (
        "a function of calculus is no weighted sum; compute it from constants, or use Relu"
    ),
    "Round Floor Ceil Mod": "rounds by itself; leave rounding to the compiler",
    "LayerNormalization InstanceNormalization GroupNormalization RMSNormalization LRN LpNormalization "
    "MeanVarianceNormalization": (
        "divides by statistics of the image itself, which is no weighted sum; use BatchNormalization"
    ),
    "DynamicQuantizeLinear ConvInteger MatMulInteger": _QUANTISED,
    "ReduceMin": "the least value needs a sign change on both sides; use Neg, ReduceMax and Neg",
    "ReduceProd ReduceLogSum ReduceLogSumExp": (
        "a product of computed values is no weighted sum; use ReduceSum, ReduceMean or ReduceMax"
    ),
    "ReduceL1": "a sum of magnitudes; use ReduceSum of Relu(x) + Relu(-x)",
    "ReduceL2 ReduceSumSquare": "a sum of squares is no weighted sum; use ReduceSum, ReduceMean or ReduceMax",
    "CumSum": "not supported; multiply by a triangular matrix of ones",
    "CumProd": "a product of computed values is no weighted sum; use a matrix product with constants",
    "And Or Xor Equal NonZero NonMaxSuppression TopK Compress Unique IsNaN IsInf OneHot": (
        "a choice between computed values is no weighted sum; use Relu, Clip or MaxPool"
    ),
    "ArgMin": "chooses the least value; negate the scores and use ArgMax at the end",
    "Hardmax": "only supported at the end",
    "BitShift BitCast BitwiseAnd BitwiseNot BitwiseOr BitwiseXor": (
        "works on the bits of a computed value, which is no weighted sum; use Relu, Clip or MaxPool"
    ),
    "GatherElements GatherND ReverseSequence": (
        "not supported; use Slice, or Gather with constant indices along one axis"
    ),
    "ScatterElements ScatterND Scatter CenterCropPad MaxUnpool": "not supported; use Concat, Pad and Slice",
    "Trilu EyeLike": "not supported; multiply by a constant mask",
    "GridSample AffineGrid RoiAlign MaxRoiPool DeformConv": (
        "reads at places that are computed or lie between pixels; use Conv, Resize (nearest) or Slice"
    ),
    "Col2Im": "adds overlapping blocks; use ConvTranspose",
    "GlobalLpPool": "a power of computed values is no weighted sum; use GlobalAveragePool or GlobalMaxPool",
    "LpPool": "a power of computed values is no weighted sum; use AveragePool or MaxPool",
    "DFT STFT MelWeightMatrix HannWindow HammingWindow BlackmanWindow": (
        "signal processing is not supported; multiply by a constant matrix (the transform is linear)"
    ),
    "SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength SplitToSequence "
    "ConcatFromSequence Optional OptionalGetElement OptionalHasElement": (
        "sequences and optional values are not supported; use Split and Concat"
    ),
    "StringConcat StringNormalizer StringSplit RegexFullMatch TfIdfVectorizer ImageDecoder": (
        "text and files are not supported; prepare the data before the network"
    ),
    "NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss": (
        "a training loss; export the network for inference, without it"
    ),
    "RandomNormalLike RandomUniformLike RandomNormal RandomUniform Bernoulli Multinomial": (
        "a random value has no spiking form; export the network for inference"
    ),
}
"""Reasons by family of operators."""

_REASONS: Mapping[str, str] = {op: reason for ops, reason in FAMILIES.items() for op in ops.split()}

_DOMAINS: Mapping[str, str] = {
    "ai.onnx.ml": "no layer of a neural network; train one, for example MLPClassifier",
    "ai.onnx.preview.training": "a training step; export the network for inference, without it",
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
    return refusal_of(node.op)


def refusal_of(op: str) -> str:
    """Why an operator of ONNX itself is refused."""
    return _REASONS.get(op, "this operator is not supported; use Conv, Gemm, Relu, pooling and Add")
