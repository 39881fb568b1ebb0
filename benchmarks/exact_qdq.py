"""An ONNX network of quantise and dequantise nodes, executed in exact arithmetic, node by node.

It shares no code with snncc. A real value is a sum of integers times rationals, so nothing is rounded
but where QuantizeLinear rounds: in float64, and again in rationals where that is near a tie.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import onnx
from numpy.lib.stride_tricks import sliding_window_view
from onnx import numpy_helper

NEAR_TIE = 1e-6
"""Float64 is right to 1e-10 of a level here, so what is farther from a tie is rounded right."""


@dataclass(frozen=True)
class Real:
    """sum of integers[N, C, ...] * rationals[C], plus bias[C]; not below 0 where `rectified`."""

    terms: tuple[tuple[np.ndarray, tuple[Fraction, ...]], ...]
    bias: tuple[Fraction, ...]
    rectified: bool = False


@dataclass(frozen=True)
class Constant:
    """A dequantised constant: integers, and one rational per index of an axis (or one alone)."""

    integers: np.ndarray
    scales: tuple[Fraction, ...]


def run(model: onnx.ModelProto, images: np.ndarray, kept: set[str]) -> dict[str, np.ndarray]:
    """The integers of the named tensors, for integer images as the model takes them.

    `tie/NAME` is how far the value behind each of them, in levels, lies from a tie.
    """
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    values: dict[str, object] = {model.graph.input[0].name: images.astype(np.int64)}
    for node in model.graph.node:
        if node.op_type == "Softmax":
            break
        given = [values[name] if name in values else constants[name] for name in node.input]
        attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        found = OPERATORS[node.op_type](attributes, *given)
        if node.op_type == "QuantizeLinear":
            found, values[f"tie/{node.output[0]}"] = found
        values[node.output[0]] = found
    return {name: value for name, value in values.items() if name.removeprefix("tie/") in kept}


def _fractions(array: np.ndarray) -> tuple[Fraction, ...]:
    return tuple(Fraction(float(value)) for value in np.atleast_1d(array))


def _dequantise(attributes: dict, q: np.ndarray, scale: np.ndarray, zero: np.ndarray) -> object:
    if q.dtype != np.int64:
        return Constant(q.astype(np.int64) - zero.astype(np.int64).reshape(-1)[0], _fractions(scale))
    channels = q.shape[1]
    return Real(((q - int(zero), _fractions(scale) * channels),), (Fraction(0),) * channels)


def _per_channel(values: tuple[Fraction, ...], channels: int) -> tuple[Fraction, ...]:
    return values if len(values) == channels else values * channels


def _linear(x: Real, weight: Constant, sums: np.ndarray, bias: Constant | None) -> Real:
    ((_, gains),) = x.terms
    channels = sums.shape[1]
    scales = _per_channel(weight.scales, channels)
    found = Real(((sums, tuple(gains[0] * scale for scale in scales)),), (Fraction(0),) * channels)
    return found if bias is None else _plus(found, bias)


def _plus(x: Real, bias: Constant) -> Real:
    scales = _per_channel(bias.scales, len(x.bias))
    added = zip(x.bias, bias.integers.tolist(), scales, strict=True)
    return replace(x, bias=tuple(old + value * scale for old, value, scale in added))


def _conv(attributes: dict, x: Real, weight: Constant, bias: Constant | None = None) -> Real:
    top, left, bottom, right = attributes["pads"]
    levels = np.pad(x.terms[0][0], ((0, 0), (0, 0), (top, bottom), (left, right))).astype(np.float64)
    kernel = weight.integers.shape[2:]
    windows = sliding_window_view(levels, kernel, (2, 3))
    windows = windows[:, :, :: attributes["strides"][0], :: attributes["strides"][1]]
    flat = windows.transpose(0, 2, 3, 1, 4, 5).reshape(*windows.shape[:1], *windows.shape[2:4], -1)
    sums = flat @ weight.integers.reshape(len(weight.integers), -1).T.astype(np.float64)  # below 2^53
    return _linear(x, weight, sums.transpose(0, 3, 1, 2).astype(np.int64), bias)


def _matmul(attributes: dict, x: Real, weight: Constant) -> Real:
    return _linear(x, weight, x.terms[0][0] @ weight.integers, None)


def _add(attributes: dict, first: Real, second: Real | Constant) -> Real:
    if isinstance(second, Constant):
        return _plus(first, second)
    bias = tuple(a + b for a, b in zip(first.bias, second.bias, strict=True))
    return Real((*first.terms, *second.terms), bias)


def _average(attributes: dict, x: Real) -> Real:
    ((levels, gains),) = x.terms
    size = levels.shape[2] * levels.shape[3]
    if tuple(attributes["kernel_shape"]) != levels.shape[2:]:
        raise NotImplementedError("average pooling of a part of the image")
    return Real(((levels.sum(axis=(2, 3), keepdims=True), tuple(g / size for g in gains)),), x.bias)


def _quantise(
    attributes: dict, x: Real, scale: np.ndarray, zero: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    step, shift, limits = Fraction(float(scale)), int(zero), np.iinfo(zero.dtype)
    shape = (1, -1, *(1,) * (x.terms[0][0].ndim - 2))
    real = np.array([float(b / step) for b in x.bias]).reshape(shape)
    for integers, gains in x.terms:
        real = real + integers * np.array([float(g / step) for g in gains]).reshape(shape)
    levels = np.rint(real).astype(np.int64)
    tie = np.abs(real - np.floor(real) - 0.5)
    for place in zip(*np.nonzero(tie < NEAR_TIE), strict=True):
        channel = int(place[1])
        exact = sum(int(i[place]) * g[channel] for i, g in x.terms) + x.bias[channel]
        levels[place] = round(exact / step)  # Python rounds halves of a Fraction to even
    if x.rectified:
        levels = np.maximum(levels, 0)
    return np.clip(levels + shift, limits.min, limits.max), tie


OPERATORS = {
    "Add": _add,
    "AveragePool": _average,
    "Conv": _conv,
    "DequantizeLinear": _dequantise,
    "MatMul": _matmul,
    "QuantizeLinear": _quantise,
    "Relu": lambda attributes, x: replace(x, rectified=True),
    "Reshape": lambda attributes, x, shape: x.reshape(len(x), *shape[1:]),
    "Transpose": lambda attributes, x: x.transpose(attributes["perm"]),
}
