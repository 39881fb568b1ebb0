"""Binary lanes: which passes run on them, which maps are packed for them, how their weights are numbered.

A binary lane takes a word of 64 bits in one cycle: 64 one-bit levels of a packed map, or the bit planes, 8
or 9, of eight levels of any other. With the bits w of its weights, 1 for +1 and 0 for -1, the word adds
2 |n & w| - |n|, where |.| counts bits, those of plane b times 2^b. Levels of 0 add nothing, nor does padding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from snncc_backends.fpga.planning.kernels import NOTHING, Words, equal_classes, first_members
from snncc_backends.fpga.planning.maps import WORD, LevelMap, ceil_div
from snncc_backends.fpga.planning.plan import Pass, Plan
from snncc_backends.fpga.planning.projections import Projection
from snncc_ir.tensors import Ints, interval_bits

LANE_LEVEL, WIDE_LEVEL = 8, 9
"""Bits of a level in a core with binary lanes, and where levels are signed or have 9 bits."""

Range = tuple[int, int]
Piece = tuple[int, int, int]
"""Part of a word: class of the kernel column, word of the pixel, lane where the pixel begins."""


@dataclass(frozen=True, kw_only=True)
class Binary:
    """The passes that binary lanes run, and the maps that are packed."""

    passes: frozenset[str]
    packed: frozenset[str]


def find_binary(plan: Plan, ranges: Mapping[str, Range], kept: tuple[str, ...], *, allowed: bool) -> Binary:
    """All passes of weights -1 and +1; none where levels have more than 9 bits.

    A map of levels 0 and 1 is packed if only such passes read it, and no output is made of it.
    """
    if not allowed or level_bits(ranges.values()) > WIDE_LEVEL:
        return Binary(passes=frozenset(), packed=frozenset())
    passes = {task.name for task in plan.passes if all(part.bits == 1 for part in task.projections)}
    packed = {
        task.name
        for task in plan.passes
        if not task.is_readout
        and ranges[task.name] == (0, 1)
        and task.name not in kept
        and _packs(task, ranges)
        and _readable(plan, task, passes)
    }
    return Binary(passes=frozenset(passes), packed=frozenset(_together(plan, passes, packed)))


def level_bits(ranges: Iterable[Range]) -> int:
    """Bits of a level in all maps of these ranges: two's complement where one is signed."""
    found = tuple(ranges)
    unsigned = all(lo >= 0 for lo, _ in found)
    return max(interval_bits(*limits) for limits in found) - unsigned


def lane_level(bits: int, *, signed: bool) -> int:
    """Bits of a level in a core with binary lanes whose levels need `bits`: a plane below 0 is the ninth."""
    return WIDE_LEVEL if signed else max(LANE_LEVEL, bits)


def _packs(task: Pass, ranges: Mapping[str, Range]) -> bool:
    """Whether lanes without a channel are sure to write 0: weights of one bit are -1 there."""
    negative = any(ranges[part.map][0] < 0 for part in task.projections)
    return not negative or task.shape[0] % WORD == 0 or max(part.bits for part in task.projections) > 1


def _readable(plan: Plan, task: Pass, passes: set[str]) -> bool:
    """Whether binary lanes do all reading, and take all channels of a byte or none."""
    readers = [(reader.name, part) for reader in plan.passes for part in reader.projections]
    own = [(name, part) for name, part in readers if part.map == task.name]
    return bool(own) and all(name in passes and _whole_bytes(part, task.shape[0]) for name, part in own)


def _whole_bytes(projection: Projection, channels: int) -> bool:
    read = np.zeros(ceil_div(channels, WORD) * WORD, dtype=bool)
    read[projection.channels] = True
    read[channels:] = read[channels - 1]
    by_byte = read.reshape(-1, WORD)
    return bool((by_byte.all(axis=1) | ~by_byte.any(axis=1)).all())


def _together(plan: Plan, passes: set[str], packed: set[str]) -> set[str]:
    """The maps that stay packed if a pass must read maps of one kind."""
    for task in plan.passes:
        read = {part.map for part in task.projections}
        if task.name in passes and read & packed and not read <= packed:
            return _together(plan, passes, packed - read)
    return packed


@dataclass(frozen=True)
class BitKernel:
    """The weights of a projection as words of 64 bits, `block` per kernel row, and the segments."""

    projection: Projection
    map: LevelMap

    @property
    def whole(self) -> bool:
        """A word is taken in one step."""
        return True

    @cached_property
    def row_classes(self) -> Ints:
        """The class of equal kernel rows that each kernel row is in."""
        return equal_classes(self.projection.weight)

    @cached_property
    def column_classes(self) -> Ints:
        """The class of equal kernel columns that each kernel column is in."""
        return equal_classes(self.projection.weight.swapaxes(0, 1))

    @property
    def block(self) -> int:
        """Words of one kernel row."""
        return len(self.numbers)

    @property
    def size(self) -> int:
        """Words of the whole kernel."""
        return self.block * (int(self.row_classes.max()) + 1)

    @cached_property
    def numbers(self) -> dict[tuple[Piece, ...], int]:
        """The number of every word that some column takes, by what it is made of."""
        found: dict[tuple[Piece, ...], int] = {}
        for position in range(len(self.projection.columns)):
            for _, pieces, _ in self._words(position):
                found.setdefault(pieces, len(found))
        return found or {(): 0}

    def segment(self, position: int) -> Words:
        """The words that the computed column `position` fetches from a row, in order; masks are of bytes."""
        words = self._words(position)
        return tuple((offset, self.numbers[pieces], mask) for offset, pieces, mask in words) or NOTHING

    def weight_bits(self) -> Ints:
        """`[size, 64, O]`: a word's bits for every output, by planes where the map is not packed."""
        rows, columns = first_members(self.row_classes), first_members(self.column_classes)
        one = (self.projection.weight[np.ix_(rows, columns)] > 0).astype(np.int64)
        levels = self.map.word_levels
        table = np.zeros((len(rows), self.block, levels, one.shape[3]), dtype=np.int64)
        for pieces, number in self.numbers.items():
            for column, word, lane in pieces:
                (inside,) = np.nonzero(self.projection.channels // levels == word)
                places = lane + self.projection.channels[inside] % levels
                table[:, number, places] = one[:, column, inside]
        planes = table if self.map.packed else np.tile(table, (1, 1, LANE_LEVEL, 1))
        return planes.reshape(self.size, -1, one.shape[3])

    @cached_property
    def _runs(self) -> tuple[tuple[int, int], ...]:
        """(word of the pixel, mask of its bytes) of what is read."""
        levels = self.map.word_levels
        channels, per_byte = self.projection.channels, levels // WORD
        found: dict[int, int] = {}
        for channel in channels.tolist():
            word, place = divmod(channel, levels)
            found[word] = found.get(word, 0) | 1 << place // per_byte
        return tuple(sorted(found.items()))

    def _words(self, position: int) -> list[tuple[int, tuple[Piece, ...], int]]:
        """(offset, pieces, mask) of the words of a column; pixels that share one are joined."""
        found: list[tuple[int, tuple[Piece, ...], int]] = []
        for offset, piece, mask in self._pieces(position):
            if found and found[-1][0] == offset and not found[-1][2] & mask:
                found[-1] = (offset, (*found[-1][1], piece), found[-1][2] | mask)
            else:
                found.append((offset, (piece,), mask))
        return found

    def _pieces(self, position: int) -> Iterator[tuple[int, Piece, int]]:
        columns, kernel = self.projection.columns[position], self.projection.column_kernel[position]
        for x, tap in zip(columns.tolist(), kernel.tolist(), strict=True):
            if x >= 0:
                first, lane = divmod(x * self.map.pixel, self.map.word_levels)
                for word, mask in self._runs:
                    yield first + word, (int(self.column_classes[tap]), word, lane), mask << lane
