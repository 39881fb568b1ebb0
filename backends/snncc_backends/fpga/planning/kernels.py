"""Kernels: how the weights of a projection are numbered, and what each level of a word finds there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from snncc_backends.fpga.planning.maps import WORD, LevelMap
from snncc_backends.fpga.planning.projections import Projection
from snncc_ir.tensors import Ints

Words = tuple[tuple[int, int, int], ...]
"""What a row segment fetches: (offset, weight, mask) per word."""

EVERY_LANE = (1 << WORD) - 1

NOTHING: Words = ((0, 0, 0),)
"""A segment that lies in padding altogether: one word of which nothing is taken."""


@dataclass(frozen=True)
class Kernel:
    """The weights of a projection as `block` numbers per kernel row, and the row segments that use them.

    The lanes compute `blocks` blocks of `group_words` channel words one after the other.
    Kernel rows, and kernel columns, that are equal share their numbers: an average pool folded into a dense
    layer has one for all.
    """

    projection: Projection
    map: LevelMap
    group_words: int
    blocks: int

    @cached_property
    def own(self) -> tuple[int, ...]:
        """Offsets within a pixel of the words that hold every lane's own channel; empty where channels mix.

        Word k belongs to the groups of channel word k of a block. Several blocks step through the pixel
        together, so there all words must exist.
        """
        shift = self.projection.own_shift
        if shift is None or self.packed:
            return ()
        words = [(k, k + shift) for k in range(self.group_words)]
        inside = [word for _, word in words if 0 <= word < self.map.pixel_words]
        last = words[-1][1] + (self.blocks - 1) * self.group_words
        if self.blocks == 1:
            return tuple(inside)
        return tuple(inside) if len(inside) == len(words) and last < self.map.pixel_words else ()

    @property
    def whole(self) -> bool:
        """Whether a word is taken in one step, every lane its own level."""
        return bool(self.own)

    @cached_property
    def row_classes(self) -> Ints:
        """The class of equal kernel rows that each kernel row is in."""
        return equal_classes(self.projection.weight)

    @cached_property
    def column_classes(self) -> Ints:
        """The class of each kernel column; packed words span columns, so there all differ."""
        weight = self.projection.weight.swapaxes(0, 1)
        return np.arange(len(weight)) if self.packed else equal_classes(weight)

    @property
    def packed(self) -> bool:
        """Whether a word of the map holds several pixels."""
        return self.map.pixel < WORD

    @cached_property
    def runs(self) -> tuple[tuple[int, int, int], ...]:
        """(word of the pixel, first lane, mask of lanes) of what is read; a packed pixel is one run."""
        channels = self.projection.channels
        if self.own:
            return tuple((word, 0, EVERY_LANE) for word in self.own)
        if self.packed:
            return ((0, 0, sum(1 << int(c) for c in channels)),)
        found = []
        for word in np.unique(channels // WORD):
            lanes = channels[channels // WORD == word] % WORD
            found.append((int(word), int(lanes.min()), sum(1 << int(lane) for lane in lanes)))
        return tuple(found)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """First number of every run, and behind them the numbers of one kernel column."""
        if self.packed:
            return (0, self.map.pixel)
        if self.own:
            return tuple(range(len(self.own) + 1))
        sizes = [mask.bit_length() - first for _, first, mask in self.runs]
        return (0, *map(int, np.cumsum(sizes)))

    @property
    def block(self) -> int:
        """Numbers of one kernel row."""
        return self.starts[-1] * (int(self.column_classes.max()) + 1)

    @property
    def size(self) -> int:
        """Numbers of the whole kernel."""
        return self.block * (int(self.row_classes.max()) + 1)

    def weights(self) -> Ints:
        """`[size, O]`: the weight of every number; numbers between channels that are not read are 0."""
        weight = self.projection.weight
        rows, columns = first_members(self.row_classes), first_members(self.column_classes)
        table = np.zeros((len(rows), len(columns), self.starts[-1], weight.shape[3]), dtype=np.int64)
        if self.own:
            return self._own_weights(weight[np.ix_(rows, columns)])
        places = [self._place(int(channel)) for channel in self.projection.channels]
        table[:, :, places] = weight[np.ix_(rows, columns)]
        return table.reshape(-1, weight.shape[3])

    def _own_weights(self, weight: Ints) -> Ints:
        """Per word the weights of the channels whose groups it belongs to, 0 for the others."""
        outputs = np.arange(weight.shape[3])
        word = outputs // WORD % self.group_words + (self.projection.own_shift or 0)
        whole = weight.sum(axis=2)[:, :, None] * (word == np.array(self.own)[:, None])
        return whole.reshape(-1, len(outputs))

    def _place(self, channel: int) -> int:
        if self.packed:
            return channel
        for (word, first, _), start in zip(self.runs, self.starts, strict=False):
            if word == channel // WORD:
                return start + channel % WORD - first
        raise ValueError("a channel that is not read")

    def segment(self, position: int) -> Words:
        """The words that the computed column `position` fetches from a row, in order."""
        found: list[tuple[int, int, int]] = []
        columns, kernel = self.projection.columns[position], self.projection.column_kernel[position]
        for x, tap in zip(columns.tolist(), kernel.tolist(), strict=True):
            if x < 0:
                continue
            for offset, weight, mask in self._pixel(x, tap):
                if found and found[-1][:2] == (offset, weight) and not found[-1][2] & mask:
                    found[-1] = (offset, weight, found[-1][2] | mask)
                else:
                    found.append((offset, weight, mask))
        return tuple(found) or NOTHING

    def _pixel(self, x: int, tap: int) -> Words:
        number = int(self.column_classes[tap]) * self.starts[-1]
        place = x * self.map.pixel
        lane = place % WORD
        return tuple(
            (place // WORD + word, number + start - (0 if self.own else first + lane), mask << lane)
            for (word, first, mask), start in zip(self.runs, self.starts, strict=False)
        )


def equal_classes(slices: Ints) -> Ints:
    """Number of the first equal slice along axis 0, counted without gaps in order of appearance."""
    known: dict[bytes, int] = {}
    return np.array([known.setdefault(part.tobytes(), len(known)) for part in slices])


def first_members(classes: Ints) -> Ints:
    """Index of the first member of every class."""
    return np.array([int(np.argmax(classes == number)) for number in range(int(classes.max()) + 1)])
