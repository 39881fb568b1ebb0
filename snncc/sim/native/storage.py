"""How values lie in the native engine: bytes, channels last, with a halo of zeros for their readers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.sim.native.library import Geometry, Wide
from snncc_ir.graph import Graph
from snncc_ir.linear import wire
from snncc_ir.nodes import Conv, Pair, SumPool, Wiring
from snncc_ir.types import Levels, Shape

Array = NDArray[Any]
Padding = tuple[Pair, Pair]

NONE: Padding = ((0, 0), (0, 0))


@dataclass(frozen=True)
class Plane:
    """One byte of a value's codes: level = lo + the sum of `multiplier` * byte."""

    buffer: int
    multiplier: int
    zero: int


@dataclass(frozen=True)
class Stored:
    """A value: one plane, or two where its levels have more than 8 bits; they lie as an image of `shape`."""

    levels: Levels
    halo: Padding
    planes: tuple[Plane, ...]
    shape: tuple[int, int, int]

    @property
    def span(self) -> int:
        """The greatest code."""
        return self.levels.hi - self.levels.lo

    @property
    def buffers(self) -> Wide:
        """The library's name for it."""
        low, *high = (plane.buffer for plane in self.planes)
        return Wide(low, high[0] if high else -1)

    def addresses(self) -> Array:
        """Byte of every element, in the value's own shape."""
        channels, height, width = self.shape
        (top, _), (left, right) = self.halo
        rows = (np.arange(height) + top) * (left + width + right)
        pixels = rows[:, None] + np.arange(width) + left
        places = pixels * channels + np.arange(channels)[:, None, None]
        return np.asarray(places.reshape(self.levels.shape))

    def by_position(self, factor: Array) -> Array:
        """A factor that broadcasts to the value, the same for all channels, for every position."""
        own = np.broadcast_to(factor, (1, *self.levels.shape[1:])).ravel()
        return np.broadcast_to(own, math.prod(self.shape[1:]))


def image_shape(shape: Shape) -> tuple[int, int, int]:
    """Any shape as channels, rows and columns."""
    if len(shape) == 3:
        return shape[0], shape[1], shape[2]
    return shape[0], 1, math.prod(shape[1:])


def geometry(levels: Levels, halo: Padding, zero: int) -> Geometry:
    """The library's description of one plane."""
    return Geometry(*image_shape(levels.shape), *halo[0], *halo[1], zero)


def halos(graph: Graph) -> Mapping[str, Padding]:
    """How far the readers of each value look beyond its border."""
    found: dict[str, Padding] = {}
    for node in graph.linears:
        if isinstance(node, Conv | SumPool):
            known = found.get(node.source, NONE)
            rows, columns = (
                (max(a[0], b[0]), max(a[1], b[1])) for a, b in zip(known, node.padding, strict=True)
            )
            found[node.source] = (rows, columns)
    return found


def map_bytes(graph: Graph) -> int:
    """Bytes of all values of one map, about."""
    known = halos(graph)
    total = 0
    for name, value in graph.types.items():
        if isinstance(value, Levels):
            channels, height, width = image_shape(value.shape)
            rows, columns = known.get(name, NONE)
            planes = 1 if value.hi - value.lo < 256 else 2
            total += planes * channels * (height + sum(rows)) * (width + sum(columns))
    return total


def runs(node: Wiring, sources: list[Stored], result: Stored) -> list[Array]:
    """For each source the bytes that wiring takes of it, as runs `[n, 3]`: to, from, length."""
    to = result.addresses().ravel()
    found = []
    for part, source in enumerate(sources):
        numbered = [np.zeros((1, *other.levels.shape), dtype=np.int64) for other in sources]
        numbered[part] = 1 + np.arange(math.prod(source.levels.shape)).reshape(1, *source.levels.shape)
        taken = wire(node, *numbered)[0].ravel()
        places = np.flatnonzero(taken)
        found.append(_joined(to[places], source.addresses().ravel()[taken[places] - 1]))
    return found


def _joined(to: Array, source: Array) -> Array:
    order = np.argsort(to)
    to, source = to[order], source[order]
    starts = np.flatnonzero(np.r_[True, (np.diff(to) != 1) | (np.diff(source) != 1)]) if len(to) else to
    lengths = np.diff(np.r_[starts, len(to)])
    return np.ascontiguousarray(np.stack([to[starts], source[starts], lengths], axis=1), dtype=np.int32)
