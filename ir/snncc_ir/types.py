"""The kinds of value that flow between nodes: real numbers, levels and drive."""

from __future__ import annotations

import math
from dataclasses import dataclass

from snncc_ir.errors import GraphError

Shape = tuple[int, ...]

MAX_ELEMENTS = 2**28
"""Largest number of elements of one value; more is refused before anything is allocated."""


MAX_LEVEL = 2**15 - 1
"""Greatest magnitude of a level; with it no sum of the reference leaves 64 bits."""


def shape_text(shape: Shape) -> str:
    """`(16, 8, 8)` as `16x8x8`."""
    return "x".join(map(str, shape)) or "scalar"


def _check_shape(shape: Shape) -> None:
    if not shape:
        raise GraphError("a value needs one axis or more")
    if any(size < 1 for size in shape):
        raise GraphError(f"shape {shape_text(shape)} has an empty axis")
    if math.prod(shape) > MAX_ELEMENTS:
        raise GraphError(f"shape {shape_text(shape)} has more than {MAX_ELEMENTS} elements")


@dataclass(frozen=True, slots=True)
class Real:
    """Real activations of a graph that is not quantised yet; the batch axis is left out."""

    shape: Shape

    def __post_init__(self) -> None:
        _check_shape(self.shape)

    def __str__(self) -> str:
        return f"real<{shape_text(self.shape)}>"


@dataclass(frozen=True, slots=True)
class Levels:
    """Integer levels in [lo, hi] with lo <= 0 <= hi; the batch axis is left out."""

    shape: Shape
    lo: int
    hi: int

    def __post_init__(self) -> None:
        _check_shape(self.shape)
        if not self.lo <= 0 <= self.hi or self.lo == self.hi:
            raise GraphError(f"level range {self.lo}..{self.hi} must contain 0 and more than one level")
        if max(self.hi, -self.lo) > MAX_LEVEL:
            raise GraphError(f"level range {self.lo}..{self.hi} goes beyond {MAX_LEVEL}")

    def __str__(self) -> str:
        return f"levels<{shape_text(self.shape)}, {self.lo}..{self.hi}>"


@dataclass(frozen=True, slots=True)
class Drive:
    """The weighted sum that a linear node hands to a population; the batch axis is left out."""

    shape: Shape

    def __post_init__(self) -> None:
        _check_shape(self.shape)

    def __str__(self) -> str:
        return f"drive<{shape_text(self.shape)}>"


ValueType = Real | Levels | Drive
