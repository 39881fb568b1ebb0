"""Convolutions as NIR files can hold them: one padding for both sides of an axis, square kernels, one group.

NIR has one padding per axis. `nir.read` of version 1.0.8 takes the kernel's height for its width too, and the
channels of a group for those of the source, and then refuses the graph; zeros in the kernel make both right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_ir.nodes import Conv, Pair
from snncc_ir.types import Shape


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """What a convolution computes as a square kernel `weight[O, C, K, K]` with symmetric `padding`."""

    weight: NDArray[Any]
    padding: Pair


@dataclass(frozen=True, kw_only=True)
class _Axis:
    """One axis of a convolution: an image of `size`, a kernel of `taps`."""

    size: int
    taps: int
    stride: int
    dilation: int
    padding: Pair

    def positions(self, taps: int, padding: Pair) -> int:
        """Positions of the result."""
        return (self.size + sum(padding) - self.dilation * (taps - 1) - 1) // self.stride + 1

    def before(self, taps: int) -> int | None:
        """Zeros before the kernel so that, with `taps` in all, padding is symmetric; None where none do."""
        wanted = self.positions(self.taps, self.padding)
        for zeros in range(taps - self.taps + 1):
            padding = self.padding[0] + zeros * self.dilation
            if self.positions(taps, (padding, padding)) == wanted:
                return zeros
        return None


def square_kernel(node: Conv, source: Shape) -> Kernel | None:
    """The smallest such kernel for a source of `source` (C, H, W); None where no padding is symmetric."""
    axes = [
        _Axis(size=size, taps=taps, stride=stride, dilation=dilation, padding=padding)
        for size, taps, stride, dilation, padding in zip(
            source[1:], node.weight.shape[2:], node.stride, node.dilation, node.padding, strict=True
        )
    ]
    least = max(axis.taps for axis in axes)
    most = least + max(abs(after - before) for before, after in node.padding) + 1
    for taps in range(least, most + 1):
        rows, columns = (axis.before(taps) for axis in axes)
        if rows is not None and columns is not None:
            return _placed(node, axes, taps, (rows, columns))
    return None


def _placed(node: Conv, axes: list[_Axis], taps: int, zeros: Pair) -> Kernel:
    weight = _ungrouped(node)
    (rows, columns), (height, width) = zeros, weight.shape[2:]
    square = np.zeros((*weight.shape[:2], taps, taps), dtype=weight.dtype)
    square[:, :, rows : rows + height, columns : columns + width] = weight
    top, left = (axis.padding[0] + before * axis.dilation for axis, before in zip(axes, zeros, strict=True))
    return Kernel(weight=square, padding=(top, left))


def _ungrouped(node: Conv) -> NDArray[Any]:
    """The weights `[O, C, KH, KW]` of a single group."""
    weight, groups = node.weight.data, node.groups
    outputs, fan_in = weight.shape[0] // groups, weight.shape[1]
    full = np.zeros((len(weight), fan_in * groups, *weight.shape[2:]), dtype=weight.dtype)
    for group in range(groups):
        rows = slice(group * outputs, (group + 1) * outputs)
        full[rows, group * fan_in : (group + 1) * fan_in] = weight[rows]
    return full
