"""Linear maps and wiring in numpy: the definition that every engine is compared with.

All functions take and give arrays with one leading batch axis, of integers or of reals.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_ir.neurons import per_channel
from snncc_ir.nodes import (
    Concat,
    Conv,
    Dense,
    Linear,
    MaxPool,
    Pad,
    Pair,
    Repeat,
    Reshape,
    Scale,
    Slice,
    SumPool,
    Transpose,
    Wiring,
)
from snncc_ir.types import Shape

Array = NDArray[Any]
Padding = tuple[Pair, Pair]


@singledispatch
def drive(node: Linear, x: Array) -> Array:
    """Drive of a linear node for `x[N, *source shape]`, as an array `[N, *drive shape]`."""
    raise TypeError(f"{type(node).__name__} is no linear node")


@drive.register
def _(node: Conv, x: Array) -> Array:
    weight = node.weight.values
    outputs, fan_in, height, width = weight.shape
    kernel = (height, width)
    x = _pad_image(x, node.padding, 0)
    total: Array | None = None
    for row, column, patch in _taps(x, kernel, node.stride, node.dilation):
        grouped = patch.reshape(len(x), node.groups, fan_in, *patch.shape[2:])
        taps = weight[:, :, row, column].reshape(node.groups, outputs // node.groups, fan_in)
        part = np.einsum("ngihw,goi->ngohw", grouped, taps)
        total = part if total is None else total + part
    if total is None:
        raise ValueError("a kernel without taps")
    return total.reshape(len(x), outputs, *total.shape[3:])


@drive.register
def _(node: Dense, x: Array) -> Array:
    return np.asarray(np.einsum("ni,oi->no", x, node.weight.values))


@drive.register
def _(node: Scale, x: Array) -> Array:
    return x * per_channel(node.weight.values, x.ndim - 1)


@drive.register
def _(node: SumPool, x: Array) -> Array:
    factors = pool_factors(node, (x.shape[1], x.shape[2], x.shape[3]))
    patches = _taps(_pad_image(x, node.padding, 0), node.kernel, node.stride, (1, 1))
    return sum(patch for _, _, patch in patches) * factors * per_channel(node.weight.values, 3)


def pool_counts(node: SumPool, shape: Shape) -> NDArray[np.int64]:
    """Number of taps that each output position averages over, `[H', W']`."""
    rows, columns = _axis_counts(node, shape)
    return np.multiply.outer(rows, columns)


def _axis_counts(node: SumPool, shape: Shape) -> list[NDArray[np.int64]]:
    """Taps of each output position along the height and along the width."""
    counts = []
    for size, kernel, stride, (before, after) in zip(
        shape[1:], node.kernel, node.stride, node.padding, strict=True
    ):
        start = np.arange(0, size + before + after - kernel + 1, stride) - before
        inside = np.minimum(start + kernel, size) - np.maximum(start, 0)
        counts.append(np.full_like(start, kernel) if node.count_padding else inside)
    return counts


def pool_divisor(node: SumPool, shape: Shape) -> int:
    """l, the least common multiple of the tap counts: U is l times the average times the weight."""
    rows, columns = (map(int, np.unique(counts)) for counts in _axis_counts(node, shape))
    return math.lcm(*(row * column for row, column in itertools.product(rows, columns)))


def pool_factors(node: SumPool, shape: Shape) -> NDArray[np.int64]:
    """l / count of each output position, `[H', W']`, for a source of `shape` (C, H, W)."""
    return pool_divisor(node, shape) // pool_counts(node, shape)


@singledispatch
def wire(node: Wiring, *parts: Array) -> Array:
    """Value of a wiring node for its sources' values `[N, *source shape]`."""
    raise TypeError(f"{type(node).__name__} is no wiring")


@wire.register
def _(node: MaxPool, x: Array) -> Array:
    lowest = -np.inf if np.issubdtype(x.dtype, np.floating) else np.iinfo(x.dtype).min
    padded = _pad_image(x, node.padding, lowest)
    taps = [patch for _, _, patch in _taps(padded, node.kernel, node.stride, (1, 1))]
    return np.asarray(np.maximum.reduce(taps))


@wire.register
def _(node: Concat, *parts: Array) -> Array:
    return np.concatenate(parts, axis=node.axis + 1)


@wire.register
def _(node: Reshape, x: Array) -> Array:
    return x.reshape(len(x), *node.shape)


@wire.register
def _(node: Transpose, x: Array) -> Array:
    return x.transpose(0, *(axis + 1 for axis in node.axes))


@wire.register
def _(node: Slice, x: Array) -> Array:
    return x[(slice(None), *map(slice, node.start, node.stop, node.step))]


@wire.register
def _(node: Pad, x: Array) -> Array:
    return np.pad(_spaced(x, node.interior) if any(node.interior) else x, ((0, 0), *node.padding))


def _spaced(x: Array, interior: tuple[int, ...]) -> Array:
    """Zeros between neighbours along every axis behind the batch axis."""
    steps = tuple(between + 1 for between in interior)
    sizes = ((size - 1) * step + 1 for size, step in zip(x.shape[1:], steps, strict=True))
    spaced = np.zeros((len(x), *sizes), dtype=x.dtype)
    spaced[(slice(None), *(slice(None, None, step) for step in steps))] = x
    return spaced


@wire.register
def _(node: Repeat, x: Array) -> Array:
    for axis, factor in enumerate(node.factors, start=1):
        x = np.repeat(x, factor, axis=axis) if factor > 1 else x
    return x


def _pad_image(x: Array, padding: Padding, value: float) -> Array:
    return np.pad(x, ((0, 0), (0, 0), *padding), constant_values=value) if any(map(any, padding)) else x


def _taps(x: Array, kernel: Pair, stride: Pair, dilation: Pair) -> Iterator[tuple[int, int, Array]]:
    """For every kernel position the strided view of `x[N, C, H, W]` that it multiplies."""
    size = [
        (x.shape[axis + 2] - dilation[axis] * (kernel[axis] - 1) - 1) // stride[axis] + 1 for axis in (0, 1)
    ]
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            top, left = row * dilation[0], column * dilation[1]
            bottom, right = top + stride[0] * (size[0] - 1) + 1, left + stride[1] * (size[1] - 1) + 1
            yield row, column, x[:, :, top : bottom : stride[0], left : right : stride[1]]
