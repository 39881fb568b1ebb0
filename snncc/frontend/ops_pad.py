"""Lowering of Pad: zeros that a convolution takes over, or the value's own positions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from snncc.frontend.calls import Call, Result, folded, lowered
from snncc.frontend.compose import MAX_WINDOW
from snncc.frontend.gathering import picked
from snncc.frontend.ops_shape import normal_axes
from snncc.frontend.values import Operand, Step
from snncc.frontend.verdicts import Reject
from snncc.frontend.wiring import result_shape
from snncc_ir.nodes import Pad, Pair

_OWN: Mapping[str, Literal["edge", "reflect", "wrap"]] = {
    "edge": "edge",
    "reflect": "reflect",
    "wrap": "wrap",
}
"""Modes of Pad that take the value's own positions, as numpy calls them."""


def pad(call: Call) -> Result:
    """Pad with zeros, which a convolution takes over where it can, or with the value's own positions."""
    value = call.operand()
    mode = call.attributes.text("mode", "constant")
    pairs = _pad_pairs(call, len(value.shape) + 1)
    if not any(map(any, pairs)):
        return folded(value, "pads nothing")
    if mode != "constant":
        return lowered(_pad_with_own(call, value, mode, pairs))
    if _pad_value(call) != 0:
        raise Reject("pads with another value than 0; pad with zeros, or with mode reflect or edge")
    return lowered(call.wired(value, Step(Pad(name="", source="", padding=tuple(pairs)), call.origin)))


def _pad_pairs(call: Call, rank: int) -> list[Pair]:
    """Padding before and after each axis, without the batch."""
    pads = call.integers(1, "its pads are") if call.has(1) else call.attributes.integers("pads", ())
    axes = normal_axes(call.integers(3, "its axes are"), rank) if call.has(3) else tuple(range(rank))
    if len(pads) != 2 * len(axes):
        raise Reject(f"{len(pads)} pads do not fit {len(axes)} axes")
    pairs = [(0, 0)] * rank
    for index, axis in enumerate(axes):
        pairs[axis] = (pads[index], pads[index + len(axes)])
    if pairs[0] != (0, 0):
        raise Reject("pads the batch; pad the other axes alone")
    if min(map(min, pairs)) < 0:
        raise Reject("negative padding is not supported; use Slice")
    return pairs[1:]


def _pad_with_own(call: Call, value: Operand, mode: str, pairs: list[Pair]) -> Operand:
    """Padding that repeats the edge, mirrors the inside or wraps around."""
    if mode not in _OWN:
        raise Reject(f"mode {mode} is unknown")
    result_shape(Pad(name="", source="", padding=tuple(pairs)), value.shape)
    if max(map(max, pairs)) > MAX_WINDOW:
        raise Reject(f"pads by more than {MAX_WINDOW}")
    for axis, (before, after) in enumerate(pairs):
        if mode != "edge" and max(before, after) >= value.shape[axis]:
            raise Reject(
                f"mode {mode} pads an axis of {value.shape[axis]} by {max(before, after)}; pad by less"
            )
        if before or after:
            places = np.pad(np.arange(value.shape[axis]), (before, after), mode=_OWN[mode])
            value = picked(call, value, axis, places.tolist())
    return value


def _pad_value(call: Call) -> float:
    if call.has(2):
        values = np.asarray(call.constant(2, "its padding value is"), dtype=np.float64)
        return float(values.reshape(-1)[0]) if values.size else 0.0
    return call.attributes.real("value", 0.0)
