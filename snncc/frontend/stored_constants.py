"""Constants that keep the integers they were stored as, through quantisers and changes of layout."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from snncc.frontend.constants import fold
from snncc.frontend.onnx_nodes import QONNX_DOMAINS, OnnxNode, words
from snncc.frontend.ops_quantised import constant_bipolar, constant_quant
from snncc.frontend.quantised import dequantised
from snncc.frontend.values import Array, Const, Stored, Value
from snncc.frontend.verdicts import Reject

_LAYOUT = words("Flatten Identity Reshape Squeeze Transpose Unsqueeze")


def fold_stored(node: OnnxNode, inputs: tuple[Value | None, ...], opset: int) -> Const | None:
    """The constant that a node makes of constants, with its integers; None where it makes none."""
    constants = [value for value in inputs if isinstance(value, Const)]
    if not constants or len(constants) < sum(value is not None for value in inputs):
        return None
    arrays = [value.array for value in constants]
    rule = _rule(node)
    if rule is not None:
        try:
            return rule(node, arrays)
        except (ValueError, TypeError, IndexError, OverflowError) as error:
            raise Reject(f"cannot be computed: {error}") from None
    stored = constants[0].stored
    if stored is None or node.op not in _LAYOUT or not node.is_standard or len(arrays) < len(node.inputs):
        return None
    moved = (_moved(node, [part, *arrays[1:]], opset) for part in (arrays[0], stored.integers, stored.scale))
    array, integers, scale = moved
    return Const(array, Stored(integers, scale))


def _rule(node: OnnxNode) -> Callable[[OnnxNode, list[Array]], Const] | None:
    if node.domain in QONNX_DOMAINS:
        return _qonnx
    rules = {"DequantizeLinear": _dequantise, "QuantizeLinear": _quantise}
    return rules.get(node.op) if node.is_standard else None


def _moved(node: OnnxNode, arrays: list[Array], opset: int) -> Array:
    return fold(node, arrays, opset)[0]


def _qonnx(node: OnnxNode, arrays: list[Array]) -> Const:
    if node.op in ("Quant", "IntQuant") and len(arrays) == 4:
        return constant_quant(node.attributes, arrays)
    if node.op == "BipolarQuant" and len(arrays) == 2:
        return constant_bipolar(arrays)
    raise Reject("this operator on constants is not supported; use Quant or BipolarQuant")


def _dequantise(node: OnnxNode, arrays: list[Array]) -> Const:
    if arrays[0].dtype.kind not in "iu" or node.attributes.integer("block_size", 0):
        raise Reject("only integers of one scale per tensor or channel are supported")
    zero = arrays[2] if len(arrays) > 2 else np.zeros(1, dtype=np.int64)
    return Const(*dequantised(arrays[0], arrays[1], zero, node.attributes.integer("axis", 1)))


def _quantise(node: OnnxNode, arrays: list[Array]) -> Const:
    """clip(round(x / scale) + zero) with halves to even; the quotient of float32 numbers shows every tie."""
    x, scale = (np.asarray(array, dtype=np.float64) for array in arrays[:2])
    zero = arrays[2] if len(arrays) > 2 else np.zeros(1, dtype=np.uint8)
    if zero.dtype.kind not in "iu" or scale.min() <= 0 or node.attributes.integer("block_size", 0):
        raise Reject("only integers of one positive scale per tensor or channel are supported")
    place = [1] * x.ndim
    if scale.size > 1:
        axis = node.attributes.integer("axis", 1)
        if scale.ndim != 1 or not -x.ndim <= axis < x.ndim or x.shape[axis] != scale.size:
            raise Reject("its scales do not fit the axis of its values")
        place[axis] = scale.size
    offset = zero.astype(np.int64).reshape(place if zero.size > 1 else [1] * x.ndim)
    limits = np.iinfo(zero.dtype)
    integers = np.clip(np.rint(x / scale.reshape(place)) + offset, limits.min, limits.max)
    return Const(integers.astype(zero.dtype))
