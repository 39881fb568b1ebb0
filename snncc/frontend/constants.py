"""Constant folding and shape arithmetic, by the onnx package's reference evaluator."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from snncc.frontend.onnx_nodes import OnnxNode, words
from snncc.frontend.values import Array
from snncc.frontend.verdicts import Reject
from snncc_ir.types import Shape

MAX_FOLDED = 2**26
"""Most elements that folding may make of one value."""

_NO_LARGER: frozenset[str] = words(
    """
    Abs And ArgMax ArgMin BitwiseNot Cast CastLike Ceil Clip Constant Cos CumSum DequantizeLinear Dropout
    Elu Erf Exp Flatten Floor HardSigmoid Identity IsInf IsNaN LeakyRelu Log LogSoftmax Neg Not Reciprocal
    ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
    ReduceSumSquare Relu Reshape Round ScatterElements ScatterND Shape Sigmoid Sign Sin Size Slice Softmax
    Softplus Split Sqrt Squeeze Tan Tanh Transpose Trilu Unsqueeze
    """
)
"""Operators whose values are no larger than all their inputs together."""

_BROADCAST: frozenset[str] = words(
    """
    Add BitwiseAnd BitwiseOr BitwiseXor Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mod
    Mul Or PRelu Pow Sub Sum Where Xor
    """
)

_ERRORS = (
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
    RuntimeError,
    ArithmeticError,
    MemoryError,
)
"""What the reference evaluator raises on malformed nodes."""

_AT_LEAST = {"DequantizeLinear": 21}
"""Opsets for operators whose older versions the reference evaluator lacks and the newer ones include."""

Inputs = Sequence[Array | None]


def shape_of(node: OnnxNode, full: Shape) -> Array:
    """Value of a Shape or Size node whose input has the shape `full`, batch axis included."""
    if node.op == "Size":
        return np.array(math.prod(full), dtype=np.int64)
    start = node.attributes.integer("start", 0)
    stop = node.attributes.integer("end", len(full))
    return np.array(full[slice(*slice(start, stop).indices(len(full)))], dtype=np.int64)


def is_foldable(node: OnnxNode) -> bool:
    """True where the node gives a constant when all its inputs are constant."""
    return node.is_standard and (node.op in _NO_LARGER or node.op in _BROADCAST or node.op in _SIZES)


def fold(node: OnnxNode, inputs: Inputs, opset: int) -> tuple[Array, ...]:
    """The node's values for constant inputs; raises Reject where it is malformed or absurdly large."""
    try:
        count = _elements(node, inputs)
    except _ERRORS as error:
        raise Reject(f"cannot be computed: {error}") from None
    if count > MAX_FOLDED:
        raise Reject(f"would make a constant of {count} elements; at most {MAX_FOLDED} are allowed")
    return _evaluate(node, inputs, opset)


def _evaluate(node: OnnxNode, inputs: Inputs, opset: int) -> tuple[Array, ...]:
    pairs = zip(node.inputs, inputs, strict=True)
    given = {name: array for name, array in pairs if name and array is not None}
    outputs = [name for name in node.outputs if name]
    graph = helper.make_graph(
        [node.proto],
        "constant",
        [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in given],
        [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in outputs],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", max(opset, _AT_LEAST.get(node.op, opset)))]
    )
    try:
        with np.errstate(all="ignore"):
            values = ReferenceEvaluator(model).run(None, given)
    except _ERRORS as error:
        raise Reject(f"cannot be computed: {error}") from None
    if not isinstance(values, list) or any(value is None for value in values):
        raise Reject("cannot be computed: it gives no value")
    by_name = dict(zip(outputs, map(np.asarray, values), strict=True))
    return tuple(by_name.get(name, np.zeros(0)) for name in node.outputs)


def _elements(node: OnnxNode, inputs: Inputs) -> int:
    """Upper bound of the number of elements of the node's values, from its inputs."""
    arrays = [array for array in inputs if array is not None]
    if node.op in _SIZES:
        return _SIZES[node.op](arrays)
    if node.op in _BROADCAST:
        return math.prod(np.broadcast_shapes(*(array.shape for array in arrays)))
    return sum(array.size for array in arrays)


def _product(array: Array) -> int:
    """Product of a list of sizes, without overflow."""
    return math.prod(abs(int(size)) for size in array.reshape(-1))


def _range_elements(arrays: Sequence[Array]) -> int:
    start, limit, delta = (float(array.reshape(-1)[0]) for array in arrays)
    count = (limit - start) / delta if delta else math.inf
    return MAX_FOLDED + 1 if not math.isfinite(count) or count > MAX_FOLDED else max(math.ceil(count), 0)


def _expand_elements(arrays: Sequence[Array]) -> int:
    return max(arrays[0].size, 1) * max(_product(arrays[1]), 1)


def _pad_elements(arrays: Sequence[Array]) -> int:
    if len(arrays) < 2:
        raise Reject("padding of a constant by an attribute is not supported; export with a newer opset")
    added = sum(abs(int(size)) for size in arrays[1].reshape(-1))
    return math.prod(size + added for size in arrays[0].shape)


def _matmul_elements(arrays: Sequence[Array]) -> int:
    first, second = arrays[0], arrays[1]
    return max(first.size, 1) * (second.shape[-1] if second.ndim else 1) * math.prod(second.shape[:-2])


def _gather_elements(arrays: Sequence[Array]) -> int:
    return arrays[0].size * max(arrays[1].size, 1)


_SIZES: Mapping[str, Callable[[Sequence[Array]], int]] = {
    "Concat": lambda arrays: sum(array.size for array in arrays),
    "ConstantOfShape": lambda arrays: _product(arrays[0]),
    "Expand": _expand_elements,
    "Gather": _gather_elements,
    "Gemm": _matmul_elements,
    "MatMul": _matmul_elements,
    "Pad": _pad_elements,
    "Range": _range_elements,
    "Tile": lambda arrays: arrays[0].size * _product(arrays[1]),
}
"""Upper bounds for the operators that can make much of little."""
