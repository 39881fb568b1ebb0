"""Cycles of the tiles of a pass: the closed form over which levels are not zero (docs/fpga.md, section 1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from snncc_backends.fpga.planning.split import least_tile
from snncc_backends.fpga.tables.memory import Memory
from snncc_backends.fpga.tables.program import PassProgram
from snncc_ir.tensors import Ints

Bytes = NDArray[np.uint8]

STEPS = np.array([max(1, number.bit_count()) for number in range(256)], dtype=np.uint8)
"""Cycles of a word by the levels that are taken from it."""


@dataclass(frozen=True, kw_only=True)
class Fetches:
    """What one projection fetches, every row visit and every word of a segment once.

    The words that the row slots get for visit i and word j lie at `places[s, i, j]` (bank * depth + address,
    or the one behind all words, which is always 0). Row window r makes visit i `visits[r, i]` times, column
    window c fetches word j `words[c, j]` times.
    """

    places: NDArray[np.int32]
    masks: Bytes
    visits: NDArray[np.float32]
    words: NDArray[np.float32]
    own: bool

    def cycles(self, used: Bytes) -> NDArray[np.float32]:
        """`[row windows, column windows, N or 1]`; `used[word, N]` has a bit for each level that is not 0."""
        if self.own:
            return np.asarray(np.multiply.outer(self.visits.sum(axis=1), self.words.sum(axis=1))[..., None])
        return self._summed(STEPS[self._taken(used)].astype(np.float32))

    def zeros(self, used: Bytes) -> NDArray[np.float32]:
        """Cycles of words without a level, in the same shape; none where lanes have levels of their own."""
        if self.own:
            return np.zeros((len(self.visits), len(self.words), 1), dtype=np.float32)
        return self._summed((self._taken(used) == 0).astype(np.float32))

    def _taken(self, used: Bytes) -> Bytes:
        """`[visits, words, N]`: the levels that are taken from each word, of any row slot."""
        joint = used[self.places[0]]
        for places in self.places[1:]:
            joint |= used[places]
        if not (self.masks == 255).all():
            joint &= self.masks[:, None]
        return np.asarray(joint)

    def _summed(self, counts: NDArray[np.float32]) -> NDArray[np.float32]:
        rows = self.visits @ counts.reshape(len(counts), -1)
        return np.asarray(self.words @ rows.reshape(len(rows), *counts.shape[1:]))


class TileCosts:
    """The cycles of one pass's tiles, for any number of images."""

    def __init__(self, program: PassProgram) -> None:
        self.program, self.d = program, program.descriptor

    @cached_property
    def fetches(self) -> tuple[Fetches, ...]:
        """The fetches of every projection."""
        return tuple(self._fetches(p) for p in range(self.d.projections))

    def times(self, used: Bytes) -> Ints:
        """T of every tile `[N, tiles, columns, window rows, window columns]`, the same in all blocks."""
        total = sum(fetch.cycles(used) for fetch in self.fetches)
        least = np.float32(least_tile(self.program.groups))
        times = np.broadcast_to(np.maximum(least, total), (*np.shape(total)[:2], used.shape[1]))
        shaped = times.reshape(self.d.tiles, self.d.window[0], self.d.columns, self.d.window[1], -1)
        return shaped.transpose(4, 0, 2, 1, 3).astype(np.int64)

    def total(self, used: Bytes) -> Ints:
        """`[N]`: the sum of T over all tiles of all blocks."""
        total = sum(fetch.cycles(used) for fetch in self.fetches)
        return self._whole(np.maximum(np.float32(least_tile(self.program.groups)), total), used)

    def stalls(self, used: Bytes) -> tuple[Ints, Ints]:
        """`[N]` each: cycles on words without a level, and cycles until the neurons before have fired."""
        total = sum(fetch.cycles(used) for fetch in self.fetches)
        waits = np.maximum(np.float32(least_tile(self.program.groups)) - total, 0)
        zeros = np.asarray(sum(fetch.zeros(used) for fetch in self.fetches))
        return self._whole(zeros, used), self._whole(waits, used)

    def _whole(self, tiles: NDArray[np.float32], used: Bytes) -> Ints:
        """`[N]`: the sum over all tiles of all blocks."""
        whole = tiles.sum(axis=(0, 1), dtype=np.float64).astype(np.int64) * self.d.blocks
        return np.broadcast_to(whole, used.shape[1:])

    def _fetches(self, p: int) -> Fetches:
        rows, columns = self.program.row_windows, self.program.column_windows
        visit_keys, visits = self._visits(rows["first"][:, p], rows["count"][:, p])
        word_keys, words = self._words(
            columns["first"][:, p], columns["count"][:, p], columns["offset"][:, p]
        )
        return Fetches(
            places=self._places(visit_keys, word_keys),
            masks=word_keys[:, 1].astype(np.uint8),
            visits=visits,
            words=words,
            own=bool(rows["own"][0, p]),
        )

    def _visits(self, firsts: Ints, counts: Ints) -> tuple[Ints, NDArray[np.float32]]:
        memory = self.program.memories["row_visits"]
        owner, at = _listed(firsts, counts, memory)
        fields = [memory.values[name][at, 0] for name in ("address", "wrap", "bank", "banks")]
        return _tally(np.stack(fields, axis=1), owner, len(firsts))

    def _words(self, firsts: Ints, counts: Ints, offsets: Ints) -> tuple[Ints, NDArray[np.float32]]:
        memory = self.program.memories["col_words"]
        owner, at = _listed(firsts, counts, memory)
        offset = memory.values["offset"][at, 0] + offsets[owner]
        return _tally(np.stack([offset, memory.values["mask"][at, 0]], axis=1), owner, len(firsts))

    def _places(self, visits: Ints, words: Ints) -> NDArray[np.int32]:
        widths = self.program.widths
        depth = widths.map_words
        address, wrap, first, banks = visits.T
        bank = (first + np.arange(self.program.slots)[:, None]) % widths.groups
        start = address + np.where(bank < first, wrap, 0)
        whole = (start[..., None] + words[:, 0]) & ((1 << widths.map_address) - 1)
        read = (banks >> bank & 1).astype(bool)[..., None] & (words[:, 1] > 0) & (whole < depth)
        return np.where(read, bank[..., None] * depth + whole, widths.groups * depth).astype(np.int32)


def _listed(firsts: Ints, counts: Ints, memory: Memory) -> tuple[Ints, Ints]:
    """Owner and place of every record of the lists `firsts[i] .. firsts[i] + counts[i] - 1` in a memory."""
    counts = np.clip(memory.words - firsts, 0, counts)
    owner = np.repeat(np.arange(len(firsts)), counts)
    before = np.cumsum(counts) - counts
    return owner, firsts[owner] + np.arange(len(owner)) - before[owner]


def _tally(keys: Ints, owner: Ints, owners: int) -> tuple[Ints, NDArray[np.float32]]:
    """The distinct keys `[U, fields]`, and how often every owner has each `[owners, U]`."""
    distinct, which = np.unique(keys, axis=0, return_inverse=True)
    table = np.zeros((owners, len(distinct)), dtype=np.float32)
    np.add.at(table, (owner, which.reshape(-1)), 1)
    return distinct, table
