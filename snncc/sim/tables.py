"""Breakpoint tables by a straight line that is one level off at most, and the two breakpoints beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_ir.certificates import Interval
from snncc_ir.neurons import Table, per_channel
from snncc_ir.types import Shape

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Line:
    """floor(U * slope + start), within 0 .. hi - lo, is one off the level's place at most. Both `[C]`."""

    slope: Floats
    start: Floats

    def estimate(self, drive: NDArray[Any], count: int) -> NDArray[Any]:
        """Places for `drive[C, ...]`, in the same float32 operations as the engine."""
        rank = drive.ndim
        product = drive.astype(np.float32) * per_channel(self.slope, rank)
        return np.clip(np.floor(product + per_channel(self.start, rank)), np.float32(0), np.float32(count))


def find_line(neuron: Table, drive: Interval) -> Line | None:
    """A line for the table, checked at both sides of every breakpoint: both staircases are monotone.

    None where no such line serves all border classes, which ordinary rounding never gives.
    """
    channels, count = neuron.breakpoints.shape[0], neuron.breakpoints.shape[-1]
    table = neuron.breakpoints.data.reshape(channels, -1, count)
    line = _through(table[:, 0], drive)
    low, high = (values.reshape(channels, 1, 1) for values in (drive.low, drive.high))
    inside = np.clip(table, low, high)
    for points in (
        inside,
        np.clip(table - 1, low, high),
        np.broadcast_to(low, inside.shape),
        np.broadcast_to(high, inside.shape),
    ):
        if bool((np.abs(line.estimate(points, count) - _places(table, points)) > 1).any()):
            return None
    return line


def _through(table: NDArray[np.int64], drive: Interval) -> Line:
    """The line through the first and the last breakpoint within reach."""
    reached = (table > drive.low[:, None]) & (table <= drive.high[:, None])
    count = table.shape[1]
    some = reached.any(axis=1)
    first = np.where(some, reached.argmax(axis=1), 0)
    last = np.where(some, count - 1 - reached[:, ::-1].argmax(axis=1), 0)
    rows = np.arange(len(table))
    rise = np.maximum(table[rows, last] - table[rows, first], 1)
    slope = np.where(last > first, (last - first) / rise, 0.0)
    start = first + 1 - slope * np.where(some, table[rows, first], 0)
    return Line(slope.astype(np.float32), start.astype(np.float32))


def _places(table: NDArray[np.int64], points: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of breakpoints at or below each point, both `[C, K, ...]`."""
    found = np.empty(points.shape, dtype=np.int64)
    for index in np.ndindex(*table.shape[:2]):
        found[index] = np.searchsorted(table[index], points[index], side="right")
    return found


def table_places(neuron: Table, shape: Shape) -> NDArray[np.int32]:
    """Which row of the flattened table each position of `shape` reads; it broadcasts to the shape."""
    if not neuron.rows:
        return per_channel(np.arange(shape[0], dtype=np.int32), len(shape))
    _, rows, columns, _ = neuron.breakpoints.shape
    channel = np.arange(shape[0], dtype=np.int32)[:, None, None] * (rows * columns)
    row = np.array(neuron.rows, dtype=np.int32)[:, None] * columns
    return channel + row + np.array(neuron.columns, dtype=np.int32)
