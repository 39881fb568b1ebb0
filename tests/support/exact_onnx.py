"""ONNX networks in exact rational arithmetic: arrays of Fraction, node by node."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Array = NDArray[Any]
Attributes = Mapping[str, Any]


def exact(values: Array) -> Array:
    """Every number as the fraction that it is."""
    values = np.asarray(values)
    flat = [Fraction(value.item()) for value in values.reshape(-1)]
    found = np.empty(len(flat), dtype=object)
    found[:] = flat
    return found.reshape(values.shape)


def evaluate(model: onnx.ModelProto, image: Array) -> dict[str, Array]:
    """Value of every tensor for one batch of images (rational numbers)."""
    values = {tensor.name: _constant(numpy_helper.to_array(tensor)) for tensor in model.graph.initializer}
    values[model.graph.input[0].name] = image
    for node in model.graph.node:
        attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
        values[node.output[0]] = OPERATORS[node.op_type](attributes, *(values[name] for name in node.input))
    return values


def _constant(array: Array) -> Array:
    return exact(array) if array.dtype.kind == "f" else array


def _map(function: Callable[..., Any], *arrays: Array) -> Array:
    parts = np.broadcast_arrays(*arrays)
    found = np.empty(parts[0].size, dtype=object)
    found[:] = [function(*items) for items in zip(*(part.reshape(-1) for part in parts), strict=True)]
    return found.reshape(parts[0].shape)


def _along(parameter: Array, rank: int, attributes: Attributes) -> Array:
    if parameter.size == 1:
        return parameter.reshape((1,) * rank)
    axis = int(attributes.get("axis", 1)) % rank
    return parameter.reshape(*(-1 if index == axis else 1 for index in range(rank)))


def _dequantise(attributes: Attributes, q: Array, scale: Array, zero: Array) -> Array:
    scales, zeros = (_along(value, q.ndim, attributes) for value in (scale, zero))
    return _map(lambda n, s, z: s * (int(n) - int(z)), q, scales, zeros)


def _quantise(attributes: Attributes, x: Array, scale: Array, zero: Array) -> Array:
    limits = np.iinfo(zero.dtype)

    def level(value: Fraction, step: Fraction, shift: int) -> int:
        return min(max(round(value / step) + int(shift), int(limits.min)), int(limits.max))

    return _map(level, x, *(_along(value, x.ndim, attributes) for value in (scale, zero)))


def _conv(attributes: Attributes, x: Array, weight: Array, bias: Array | None = None) -> Array:
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    stride = attributes.get("strides", (1, 1))
    groups = int(attributes.get("group", 1))
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=Fraction(0))
    outputs, fan_in, height, width = weight.shape
    rows = (padded.shape[2] - height) // stride[0] + 1
    columns = (padded.shape[3] - width) // stride[1] + 1
    found = np.full((len(x), outputs, rows, columns), Fraction(0), dtype=object)
    for o in range(outputs):
        first = o // (outputs // groups) * fan_in
        for i, r, s in np.ndindex(fan_in, height, width):
            view = padded[
                :, first + i, r : r + stride[0] * rows : stride[0], s : s + stride[1] * columns : stride[1]
            ]
            found[:, o] += weight[o, i, r, s] * view[:, :rows, :columns]
    return found if bias is None else found + bias.reshape(1, -1, 1, 1)


def _windows(attributes: Attributes, x: Array, reduce: Callable[[list[Fraction]], Fraction]) -> Array:
    """A reduction over the taps inside the image."""
    kernel, stride = attributes["kernel_shape"], attributes.get("strides", (1, 1))
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    height, width = x.shape[2:]
    rows = (height + top + bottom - kernel[0]) // stride[0] + 1
    columns = (width + left + right - kernel[1]) // stride[1] + 1
    found = np.empty((*x.shape[:2], rows, columns), dtype=object)
    for n, c, r, s in np.ndindex(*found.shape):
        y, z = r * stride[0] - top, s * stride[1] - left
        taps = x[n, c, max(y, 0) : y + kernel[0], max(z, 0) : z + kernel[1]]
        found[n, c, r, s] = reduce(list(taps.reshape(-1)))
    return found


def _mean(values: list[Fraction]) -> Fraction:
    return sum(values, Fraction(0)) / len(values)


def _gemm(attributes: Attributes, a: Array, b: Array, c: Array | None = None) -> Array:
    product = a @ (b.T if attributes.get("transB") else b)
    return product if c is None else product + c


def _batch_norm(attributes: Attributes, x: Array, *given: Array) -> Array:
    """For variances plus epsilon that are squares."""
    gamma, beta, mean, variance = (value.reshape(1, -1, *(1,) * (x.ndim - 2)) for value in given)
    epsilon = Fraction(attributes.get("epsilon", 1e-5))
    return _map(lambda v, g, b, m, s: (v - m) * g / _root(s + epsilon) + b, x, gamma, beta, mean, variance)


def _root(square: Fraction) -> Fraction:
    root = Fraction(math.isqrt(square.numerator), math.isqrt(square.denominator))
    if root * root != square:
        raise ValueError(f"{square} is no square")
    return root


def _quant(attributes: Attributes, x: Array, scale: Array, zero: Array, bits: Array) -> Array:
    width, signed, narrow = int(bits.flat[0]), attributes.get("signed", 1), attributes.get("narrow", 0)
    if signed:
        low, high = -(2 ** (width - 1)) + narrow, 2 ** (width - 1) - 1
    else:
        low, high = 0, 2**width - 1 - narrow
    rounding = ROUNDINGS[attributes.get("rounding_mode", b"ROUND").decode()]
    return _map(lambda v, s, z: s * (min(max(rounding(v / s + z), low), high) - z), x, scale, zero)


def _away(value: Fraction, offset: Fraction) -> int:
    size = abs(value) + offset
    whole = math.floor(size) if offset >= 0 else math.ceil(size)
    return whole if value > 0 else -whole


ROUNDINGS: Mapping[str, Callable[[Fraction], int]] = {
    "ROUND": round,
    "FLOOR": math.floor,
    "CEIL": math.ceil,
    "DOWN": math.trunc,
    "UP": lambda value: math.ceil(value) if value > 0 else math.floor(value),
    "HALF_UP": lambda value: _away(value, Fraction(1, 2)),
    "HALF_DOWN": lambda value: _away(value, Fraction(-1, 2)),
}


def _trunc(attributes: Attributes, x: Array, scale: Array, zero: Array, before: Array, after: Array) -> Array:
    rounding = ROUNDINGS[attributes.get("rounding_mode", b"FLOOR").decode()]
    divisor = 2 ** int(before.flat[0] - after.flat[0])
    return _map(lambda v, s: s * rounding(v / s / divisor), x, scale)


def _qlinear_conv(attributes: Attributes, *given: Array) -> Array:
    x, xs, xz, w, ws, wz, ys, yz = given[:8]
    bias = None if len(given) < 9 else _map(lambda b, s: b * s, given[8], xs.reshape(-1)[0] * ws.reshape(-1))
    real = _conv(attributes, _dequantise({}, x, xs, xz), _dequantise({"axis": 0}, w, ws, wz), bias)
    return _quantise({}, real, ys, yz)


def _qlinear_matmul(attributes: Attributes, *given: Array) -> Array:
    a, sa, za, b, sb, zb, sy, zy = given
    return _quantise({}, _dequantise({}, a, sa, za) @ _dequantise({"axis": 1}, b, sb, zb), sy, zy)


OPERATORS: Mapping[str, Callable[..., Array]] = {
    "Add": lambda attributes, a, b: a + b,
    "AveragePool": lambda attributes, x: _windows(attributes, x, _mean),
    "BatchNormalization": _batch_norm,
    "BipolarQuant": lambda attributes, x, s: _map(lambda v, step: step if v >= 0 else -step, x, s),
    "Concat": lambda attributes, *parts: np.concatenate(parts, axis=attributes["axis"]),
    "Conv": _conv,
    "DequantizeLinear": _dequantise,
    "Flatten": lambda attributes, x: x.reshape(len(x), -1),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda attributes, x: _map(_mean, _listed(x)),
    "Greater": lambda attributes, a, b: _map(lambda v, w: v > w, a, b),
    "MatMul": lambda attributes, a, b: a @ b,
    "MaxPool": lambda attributes, x: _windows(attributes, x, max),
    "Mul": lambda attributes, a, b: a * b,
    "QLinearConv": _qlinear_conv,
    "QLinearMatMul": _qlinear_matmul,
    "Quant": _quant,
    "QuantizeLinear": _quantise,
    "Relu": lambda attributes, x: _map(lambda v: max(v, Fraction(0)), x),
    "Sign": lambda attributes, x: _map(lambda v: Fraction((v > 0) - (v < 0)), x),
    "Sub": lambda attributes, a, b: a - b,
    "Transpose": lambda attributes, x: x.transpose(attributes["perm"]),
    "Trunc": _trunc,
    "Where": lambda attributes, chosen, a, b: _map(lambda c, v, w: v if c else w, chosen, a, b),
}


def _listed(x: Array) -> Array:
    found = np.empty((*x.shape[:2], 1, 1), dtype=object)
    for n, c in np.ndindex(*x.shape[:2]):
        found[n, c, 0, 0] = list(x[n, c].reshape(-1))
    return found
