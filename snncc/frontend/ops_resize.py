"""Lowering of upsampling by the nearest neighbour: positions repeated, then some of them taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from snncc.frontend.calls import Call, Result, folded, lowered
from snncc.frontend.gathering import picked
from snncc.frontend.ops_shape import normal_axes
from snncc.frontend.values import Operand, Step
from snncc.frontend.verdicts import Reject
from snncc_ir.nodes import Repeat, Slice
from snncc_ir.types import MAX_ELEMENTS, Shape, shape_text

Ints = NDArray[np.int64]

_NUDGES = (-1e-6, 0.0, 1e-6)
"""A position that rounds elsewhere with such an error may do so in ONNX Runtime's float32 as well."""

_SMALL = 2**10
"""With a scale of so few digits, which float32 holds, no place rounds to the other side of a tie."""

_LONGEST = 2**20
"""Longest axis of a result, whose positions are computed one by one."""

_ATTRIBUTES_SINCE = 11
"""Before this opset Resize had a mode alone: floor(i / scale)."""


def resize(call: Call) -> Result:
    """Resize and Upsample in nearest mode, where each axis is floor((p * i + s) / q)."""
    value = call.operand()
    mode = call.attributes.text("mode", "nearest")
    if mode != "nearest":
        raise Reject(
            f"mode {mode} interpolates between neighbours, with other weights at the border; "
            "use mode nearest or ConvTranspose"
        )
    full = (call.batch, *value.shape)
    sizes, scales = _sizes(call, full)
    maps = [_index_map(call, *axis) for axis in zip(full, sizes, scales, strict=True)]
    if sizes[0] != full[0] or (maps[0] != np.arange(full[0])).any():
        raise Reject("resizes the batch; resize the other axes alone")
    if all(np.array_equal(found, np.arange(size)) for found, size in zip(maps, full, strict=True)):
        return folded(value, "resizes nothing")
    return lowered(_gathered(call, value, maps[1:]))


def _sizes(call: Call, full: Shape) -> tuple[list[int], list[Fraction]]:
    """Output size and scale of every axis, batch included."""
    axes = normal_axes(call.attributes.integers("axes", tuple(range(len(full)))), len(full))
    sizes, scales = list(full), [Fraction(1)] * len(full)
    given = _scales(call)
    if given is not None:
        if len(given) != len(axes):
            raise Reject(f"{len(given)} scales do not fit {len(axes)} axes")
        for axis, scale in zip(axes, given, strict=True):
            scales[axis] = scale
            sizes[axis] = math.floor(full[axis] * scale)
    else:
        wanted = call.integers(3, "its sizes are")
        if call.attributes.text("keep_aspect_ratio_policy", "stretch") != "stretch":
            raise Reject("keep_aspect_ratio_policy must be stretch; state the final sizes")
        if len(wanted) != len(axes):
            raise Reject(f"{len(wanted)} sizes do not fit {len(axes)} axes")
        for axis, size in zip(axes, wanted, strict=True):
            sizes[axis], scales[axis] = size, Fraction(max(size, 1), full[axis])
    if min(sizes) < 1 or math.prod(sizes) > MAX_ELEMENTS or max(sizes) > _LONGEST:
        raise Reject(f"resizes {shape_text(full)} to {sizes}")
    return sizes, scales


def _scales(call: Call) -> list[Fraction] | None:
    """The stated scales, None where sizes are stated."""
    index = 1 if call.node.op == "Upsample" or call.opset < _ATTRIBUTES_SINCE else 2
    if call.has(index):
        values: Sequence[float] = call.constant(index, "its scales are").reshape(-1).tolist()
    else:
        values = []
    if not values:
        return None
    if not all(math.isfinite(value) and value > 0 for value in values):
        raise Reject("its scales must be positive numbers")
    return [Fraction(value) for value in values]


def _index_map(call: Call, size: int, out: int, scale: Fraction) -> Ints:
    """Source position of every output position of one axis."""
    if out == size and scale == 1:
        return np.arange(size)
    old = call.opset < _ATTRIBUTES_SINCE or call.node.op == "Upsample"
    mode = "asymmetric" if old else call.attributes.text("coordinate_transformation_mode", "half_pixel")
    nearest = "floor" if old else call.attributes.text("nearest_mode", "round_prefer_floor")
    places = _places(mode, size, out, float(scale))
    exact = Fraction(float(np.float32(scale))) == scale and scale.numerator < _SMALL
    maps = [_rounded(nearest, places + nudge) for nudge in ((0.0,) if exact else _NUDGES)]
    if old and scale < 1:
        maps += [_rounded("ceil", places)]
    maps = [np.clip(found, 0, size - 1) for found in maps]
    if any((found != maps[0]).any() for found in maps):
        raise Reject(f"the neighbours at scale {float(scale):g} hang on rounding; use an integer scale")
    if out == size and (maps[0] != np.arange(size)).any():
        raise Reject(
            f"scale {float(scale):g} leaves the size {size}, which ONNX and ONNX Runtime read in two ways; "
            "state sizes, or use an integer scale"
        )
    return maps[0]


def _places(mode: str, size: int, out: int, scale: float) -> NDArray[np.float64]:
    """Real source coordinate of every output position, as ONNX defines it."""
    x = np.arange(out, dtype=np.float64)
    match mode:
        case "half_pixel":
            return (x + 0.5) / scale - 0.5
        case "pytorch_half_pixel":
            return (x + 0.5) / scale - 0.5 if out > 1 else np.zeros(1)
        case "half_pixel_symmetric":
            offset = size / 2 * (1 - out / (scale * size))
            return offset + (x + 0.5) / scale - 0.5
        case "asymmetric":
            return x / scale
        case "align_corners":
            return x * (size - 1) / (out - 1) if out > 1 else np.zeros(1)
        case "tf_half_pixel_for_nn":
            return (x + 0.5) / scale
        case _:
            raise Reject(
                f"coordinate_transformation_mode {mode} is not supported; use asymmetric or half_pixel"
            )


def _rounded(nearest: str, places: NDArray[np.float64]) -> Ints:
    match nearest:
        case "floor":
            found = np.floor(places)
        case "ceil":
            found = np.ceil(places)
        case "round_prefer_floor":
            found = np.ceil(places - 0.5)
        case "round_prefer_ceil":
            found = np.floor(places + 0.5)
        case _:
            raise Reject(f"nearest_mode {nearest} is unknown")
    return found.astype(np.int64)


def _gathered(call: Call, value: Operand, maps: Sequence[Ints]) -> Operand:
    """The value at the mapped positions: repeated q times, then every p-th from s on; else slice by slice."""
    lines = [_line(found, size) for found, size in zip(maps, value.shape, strict=True)]
    if any(line is None for line in lines):
        for axis, found in enumerate(maps):
            value = picked(call, value, axis, found.tolist())
        return value
    steps, starts, factors = (tuple(column) for column in zip(*filter(None, lines), strict=True))
    value = call.wired(value, Step(Repeat(name="", source="", factors=factors), call.origin))
    stops = tuple(s + p * (len(found) - 1) + 1 for p, s, found in zip(steps, starts, maps, strict=True))
    if starts == (0,) * len(maps) and stops == value.shape and max(steps) == 1:
        return value
    taken = Slice(name="", source="", start=starts, stop=stops, step=steps)
    return call.wired(value, Step(taken, call.origin))


def _line(found: Ints, size: int) -> tuple[int, int, int] | None:
    """(p, s, q) with found[i] = floor((p * i + s) / q) and no position beyond the source, if there is one."""
    ratio = Fraction(size, len(found))
    i = np.arange(len(found))
    tried = [
        (ratio.numerator, ratio.denominator),
        *((1, q) for q in range(1, 9)),
        *((p, 1) for p in range(2, 9)),
    ]
    for p, q in tried:
        for s in range(p + q):
            if np.array_equal((p * i + s) // q, found) and p * (len(found) - 1) + s < size * q:
                return p, s, q
    return None
