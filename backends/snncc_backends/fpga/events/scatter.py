"""Scatters: a projection seen from its source, so that a spike finds the potentials that it adds to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from snncc_backends.fpga.planning.kernels import equal_classes, first_members
from snncc_backends.fpga.planning.projections import Projection
from snncc_ir.tensors import Ints, synapse_bits

Taps = tuple[tuple[tuple[int, int], ...], ...]
"""For every row (or column) of the source: (row of the target, number of the kernel row), no target twice."""


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """A level of channel c at (y, x) adds weight[k, l, c, o] to target (o, Y, X) for all its taps.

    `rows[y]` holds the taps (Y, k), `columns[x]` the taps (X, l); the source's channels are those of `map`,
    an image of shape `shape`, from `first` on. No target is reached twice from one position, so that no
    potential is read before it is written.
    """

    map: str
    shape: tuple[int, int, int]
    rows: Taps
    columns: Taps
    first: int
    weight: Ints

    def slot_bits(self, lanes: int) -> int:
        """Bits of a weight; one bit has no 0, which the lanes behind the last channel need."""
        return max(synapse_bits(self.weight), 2 if self.weight.shape[3] % lanes else 1)

    def own_words(self, lanes: int) -> int | None:
        """k where every output channel o reads channel o + k `lanes` of the map alone; None elsewhere."""
        channel, output = np.nonzero((self.weight != 0).any(axis=(0, 1)))
        shifts = np.unique(channel + self.first - output)
        return int(shifts[0]) // lanes if len(shifts) == 1 and shifts[0] % lanes == 0 else None


def scatters_of(projection: Projection, shape: tuple[int, int, int], lanes: int) -> Iterator[Scatter]:
    """Scatters that add up to a projection from a map; several where a target reads a level twice."""
    low = int(projection.channels.min()) // lanes * lanes
    high = min(shape[0], (int(projection.channels.max()) // lanes + 1) * lanes)
    dense = np.zeros((*projection.weight.shape[:2], high - low, projection.weight.shape[3]), dtype=np.int64)
    dense[:, :, projection.channels - low] = projection.weight
    row_class, column_class = equal_classes(dense), equal_classes(dense.swapaxes(0, 1))
    kept = dense[np.ix_(first_members(row_class), first_members(column_class))]
    rows = _inverted(projection.rows, row_class[projection.row_kernel], shape[1])
    columns = _inverted(projection.columns, column_class[projection.column_kernel], shape[2])
    for row_taps in rows:
        for column_taps in columns:
            yield Scatter(
                map=projection.map,
                shape=shape,
                rows=row_taps,
                columns=column_taps,
                first=low,
                weight=kept,
            )


def _inverted(read: Ints, kernel: Ints, size: int) -> list[Taps]:
    """The taps of every source position; those that reach a target again are in further lists."""
    turns: list[list[list[tuple[int, int]]]] = []
    for target, (places, numbers) in enumerate(zip(read.tolist(), kernel.tolist(), strict=True)):
        seen: dict[int, int] = {}
        for place, number in zip(places, numbers, strict=True):
            if place < 0:
                continue
            turn = seen.get(place, 0)
            seen[place] = turn + 1
            if turn == len(turns):
                turns.append([[] for _ in range(size)])
            turns[turn][place].append((target, number))
    return [tuple(tuple(taps) for taps in turn) for turn in turns]
