"""What an interval of outputs reads along one axis of a linear map."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

Offsets = tuple[int, ...]
Tap = tuple[int, int, int]


@dataclass(frozen=True)
class Span:
    """The source positions that an interval reads, and the kind of fan-out that each has into it.

    Positions of one kind reach outputs at the same distances by the same weights, so they share a list of
    synapses; `kinds[k]` are these distances from the first.
    """

    positions: NDArray[np.int64]
    kind: NDArray[np.int64]
    kinds: tuple[Offsets, ...]


@dataclass(frozen=True)
class Axis:
    """Output o reads the positions o * stride + k * dilation - before, for k < kernel, inside the source.

    `averaged` are the taps inside the image of each output of an average pool, whose weights depend on them
    and not on k; it is empty for kernels. `same` is true where all weights are equal.
    """

    source: int
    size: int
    kernel: int = 1
    stride: int = 1
    before: int = 0
    dilation: int = 1
    averaged: tuple[int, ...] = ()
    same: bool = False

    def span(self, start: int, stop: int) -> Span:
        """What the outputs [start, stop) read."""
        return _span(self, start, stop)

    @cached_property
    def whole(self) -> Span:
        """What all outputs read."""
        return self.span(0, self.size)

    def taps(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Source position, output and tap, wherever the tap lies inside."""
        for output in range(start, stop):
            first = output * self.stride - self.before
            for tap in range(self.kernel):
                position = first + tap * self.dilation
                if 0 <= position < self.source:
                    yield position, output, tap


@lru_cache(maxsize=1 << 16)
def _span(axis: Axis, start: int, stop: int) -> Span:
    reached: dict[int, list[tuple[int, int]]] = {}
    for position, output, tap in axis.taps(start, stop):
        reached.setdefault(position, []).append((output, tap))
    kinds: dict[tuple[Tap, ...], int] = {}
    positions = sorted(reached)
    kind = [kinds.setdefault(_fan_out(axis, sorted(reached[position])), len(kinds)) for position in positions]
    offsets = tuple(tuple(distance for distance, _, _ in key) for key in kinds)
    return Span(np.array(positions, dtype=np.int64), np.array(kind, dtype=np.int64), offsets)


def _fan_out(axis: Axis, reached: list[tuple[int, int]]) -> tuple[Tap, ...]:
    """Distances of the outputs from the first, and what tells their weights apart."""
    first = reached[0][0]
    if axis.averaged:
        return tuple((output - first, 0, axis.averaged[output]) for output, _ in reached)
    return tuple((output - first, 0 if axis.same else tap, 0) for output, tap in reached)
