"""Synapses: the linear maps from spikes to drive.

Convolutions and dense layers use numpy's floating-point matrix product, which is many times faster than
its integer one, and is exact here: any partial sum is at most the sum of |weight| times the greatest
payload, and the type is chosen so that it holds every integer up to that bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from numerics.strand import Ints

Array = NDArray[Any]
Shape = tuple[int, ...]


class LinearMap(Protocol):
    """Drive, as int32, for one step's spikes."""

    def __call__(self, spikes: Ints) -> Ints:
        """Drive of `spikes`, which have the shape of the map's source."""


def make_map(record: Mapping[str, Any], tensors: Mapping[str, Array], peak: int) -> LinearMap:
    """The map that `network.json` describes, for spikes of magnitude up to `peak`."""
    weight, source = tensors[record["weight"]], tuple(record["source"])
    if record["kind"] == "conv":
        return Conv(weight, source, record, peak)
    if record["kind"] == "dense":
        return Dense(weight, peak)
    if record["kind"] == "scale":
        return Scale(weight, source)
    if record["kind"] == "sum_pool":
        return SumPool(weight, source, record, tensors[record["factors"]])
    raise ValueError(f"network.json names an unknown linear map {record['kind']!r}")


def exact_float(weight: Array, peak: int) -> type[np.float32] | type[np.float64]:
    """The narrowest float type in which all sums of the rows of `weight` times +-`peak` are exact."""
    bound = int(np.abs(weight.astype(np.int64)).reshape(len(weight), -1).sum(axis=1).max()) * peak
    if bound < 2**24:
        return np.float32
    if bound < 2**31:
        return np.float64
    raise OverflowError(f"sums up to {bound} do not fit 32 bits")


class Window:
    """A zero-padded buffer for an image and the view of it that a kernel sees."""

    def __init__(self, source: Shape, record: Mapping[str, Any], kernel: Shape, dtype: type) -> None:
        """Prepare for images of shape `source` (channels, height, width)."""
        (top, bottom), (left, right) = record["padding"]
        channels, height, width = source
        self.padded = np.zeros((channels, height + top + bottom, width + left + right), dtype)
        self._inside = self.padded[:, top : top + height, left : left + width]
        self.taps = taps(self.padded, kernel, record["stride"], record.get("dilation", (1, 1)))

    def load(self, image: Array) -> Array:
        """Put an image in and give its taps `[C, KH, KW, H', W']`."""
        self._inside[...] = image
        return self.taps


def taps(x: Array, kernel: Shape, stride: Shape, dilation: Shape = (1, 1)) -> Array:
    """For every kernel position what it meets in `x[C, H, W]`, as a view `[C, KH, KW, H', W']`."""
    (rows, columns), (down, right), (dy, dx) = kernel, stride, dilation
    height = (x.shape[1] - dy * (rows - 1) - 1) // down + 1
    width = (x.shape[2] - dx * (columns - 1) - 1) // right + 1
    c, y, z = x.strides
    shape, strides = (x.shape[0], rows, columns, height, width), (c, y * dy, z * dx, y * down, z * right)
    return as_strided(x, shape, strides, writeable=False)


class Conv:
    """Cross-correlation with `weight[O, C / groups, KH, KW]`."""

    def __init__(self, weight: Array, source: Shape, record: Mapping[str, Any], peak: int) -> None:
        """Prepare for images of shape `source`."""
        dtype = exact_float(weight, peak)
        outputs, _, *kernel = weight.shape
        groups = record["groups"]
        self._weight = weight.reshape(groups, outputs // groups, -1).astype(dtype)
        self._window = Window(source, record, tuple(kernel), dtype)
        height, width = self._window.taps.shape[3:]
        self._columns = (groups, self._weight.shape[2], height * width)
        self._shape = (outputs, height, width)

    def __call__(self, spikes: Ints) -> Ints:
        columns = self._window.load(spikes).reshape(self._columns)
        return np.matmul(self._weight, columns).reshape(self._shape).astype(np.int32)


class Dense:
    """Matrix product with `weight[O, I]`."""

    def __init__(self, weight: Array, peak: int) -> None:
        """Prepare the matrix."""
        self._weight = weight.astype(exact_float(weight, peak))

    def __call__(self, spikes: Ints) -> Ints:
        return np.matmul(self._weight, spikes.astype(self._weight.dtype)).astype(np.int32)


class Scale:
    """Every value of channel c times `weight[c]`: the synapses of a skip connection."""

    def __init__(self, weight: Array, source: Shape) -> None:
        """Prepare for values of shape `source`."""
        self._weight = weight.astype(np.int32).reshape(-1, *(1,) * (len(source) - 1))

    def __call__(self, spikes: Ints) -> Ints:
        return spikes * self._weight


class SumPool:
    """The sum over every window, times `weight[c]` and a factor per position."""

    def __init__(self, weight: Array, source: Shape, record: Mapping[str, Any], factors: Array) -> None:
        """Prepare for images of shape `source`."""
        self._window = Window(source, record, tuple(record["kernel"]), np.int32)
        self._weight = weight.astype(np.int32)[:, None, None] * factors.astype(np.int32)

    def __call__(self, spikes: Ints) -> Ints:
        sums: Ints = self._window.load(spikes).sum(axis=(1, 2), dtype=np.int32)
        return sums * self._weight
