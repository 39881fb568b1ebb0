"""How far a sum is from showing a flipped bit: by how much it would have to differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_backends.fpga.faults.fire_unit import fired
from snncc_backends.fpga.faults.reach import MOST_SUMS, Change, Reach
from snncc_ir.tensors import Ints

FAR = 1e9
"""The distance of a sum that the bit does not move."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Equal neurons at `places` of the sums of an image.

    A flipped weight moves a sum, and shows where one of `points`, the least sums of levels, lies between; a
    flipped neuron shows where the sum is one of `points`. Without points any sum that moves shows.
    """

    places: Ints
    points: Ints
    moves: bool

    def distances(self, sums: NDArray[Any], moved: NDArray[Any]) -> NDArray[np.float64]:
        """`[N]`: the least distance of the places; 0 where the bit shows."""
        before, after = (part.reshape(len(part), -1)[:, self.places] for part in (sums, moved))
        low, high = np.minimum(before, after), np.maximum(before, after)
        if not len(self.points):
            return np.where(low < high, 0.0, FAR).min(axis=1)
        ends = np.concatenate([[-FAR], self.points, [FAR]])
        if not self.moves:
            at = np.searchsorted(ends, before)
            return np.asarray(np.minimum(ends[at] - before, before - ends[at - 1]).min(axis=1))
        at = np.searchsorted(ends, low, side="right")
        apart = np.minimum(np.maximum(ends[at] - high, 0), low - ends[at - 1] + 1)
        return np.asarray(np.where(low < high, apart, FAR).min(axis=1))


def targets_of(change: Change, reach: Reach) -> list[Target]:
    """The neurons that a changed bit may show at; those that no sum in bounds shows are left out."""
    found, moves = [], bool(change.weighed.any())
    for (before, after, low, high), places in reach.cases(change).items():
        if change.before.is_readout:
            found.append(Target(places=np.array(places), points=np.zeros(0, dtype=np.int64), moves=True))
            continue
        sums = np.arange(low - 1, min(high + 1, low + MOST_SUMS) + 1)
        levels = [fired(n, sums, reach.tables.widths, change.before.d.top) for n in (before, after)]
        points = sums[1:][levels[0][1:] != levels[0][:-1]] if moves else sums[levels[0] != levels[1]]
        if len(points):
            found.append(Target(places=np.array(places), points=points, moves=moves))
    return found
