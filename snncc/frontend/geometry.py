"""Strides, padding and windows of convolutions and poolings, as their attributes state them."""

from __future__ import annotations

import math

from snncc.frontend.calls import Call
from snncc.frontend.compose import MAX_WINDOW
from snncc.frontend.verdicts import Reject
from snncc_ir.nodes import Pair
from snncc_ir.types import Shape, shape_text

Padding = tuple[Pair, Pair]


def pair_of(call: Call, name: str) -> Pair:
    """An attribute of two sizes, 1 where it is left out."""
    sizes = call.attributes.integers(name, (1, 1))
    if len(sizes) != 2 or min(sizes) < 1:
        raise Reject(f"{name} must be two sizes of at least 1, not {list(sizes)}")
    return sizes[0], sizes[1]


def window_of(call: Call) -> Pair:
    """The pooling window over an image."""
    kernel = call.attributes.integers("kernel_shape", ())
    if len(kernel) != 2 or min(kernel) < 1:
        raise Reject(f"kernel_shape must be two sizes of at least 1, not {list(kernel)}")
    if math.prod(kernel) > MAX_WINDOW:
        raise Reject(f"a window of {shape_text(kernel)} is too large")
    return kernel[0], kernel[1]


def pads_of(call: Call, shape: Shape, kernel: Pair, stride: Pair, dilation: Pair) -> Padding:
    """Padding ((top, bottom), (left, right)) of a window over an image of `shape` (C, H, W)."""
    mode = call.attributes.text("auto_pad", "NOTSET")
    if mode == "VALID":
        return (0, 0), (0, 0)
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        axes = zip(shape[1:], kernel, stride, dilation, strict=True)
        rows, columns = (_same(mode, *axis) for axis in axes)
        return rows, columns
    if mode != "NOTSET":
        raise Reject(f"auto_pad {mode!r} is unknown")
    pads = call.attributes.integers("pads", (0, 0, 0, 0))
    if len(pads) != 4:
        raise Reject(f"pads must be four sizes, not {list(pads)}")
    if min(pads) < 0:
        raise Reject("negative padding is not supported; use Slice")
    return (pads[0], pads[2]), (pads[1], pads[3])


def _same(mode: str, size: int, kernel: int, stride: int, dilation: int) -> Pair:
    span = (kernel - 1) * dilation + 1
    total = max((-(-size // stride) - 1) * stride + span - size, 0)
    small, large = total // 2, total - total // 2
    return (small, large) if mode == "SAME_UPPER" else (large, small)


def ceiled(padding: Padding, shape: Shape, kernel: Pair, stride: Pair) -> Padding:
    """Padding that makes room for the last, partial windows of ceil_mode."""
    axes = zip(padding, shape[1:], kernel, stride, strict=True)
    rows, columns = (_ceiled(*axis) for axis in axes)
    return rows, columns


def _ceiled(pads: Pair, size: int, kernel: int, stride: int) -> Pair:
    before, after = pads
    windows = -(-(size + before + after - kernel) // stride) + 1
    if (windows - 1) * stride >= size + before:
        windows -= 1  # a window must start inside the image or the padding before it
    return before, max(after, (windows - 1) * stride + kernel - size - before)
