"""Maps: where the levels of an input, a population or a pool lie in the banks of the core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_ir.tensors import Ints

WORD = 8
"""Levels of one word of a bank, lanes of one group."""

PACKED_WORD = 64
"""One-bit levels of a word of a packed map."""

BYTE_SHIFT = 16
"""In a trace the byte of a packed word stands above the word's address."""


def ceil_div(a: int, b: int) -> int:
    """a / b, rounded up."""
    return -(-a // b)


@dataclass(frozen=True, kw_only=True)
class LevelMap:
    """Levels `[C, H, W]` in rows of words; rows `step` apart lie in consecutive banks (docs/fpga.md, 2).

    `pixel` is the number of levels that one pixel takes in memory: 1, 2, 4 or a multiple of 8; in a `packed`
    map, which holds 64 one-bit levels a word, a multiple of 64. Axis i of the stored value is axis `axes[i]`
    of the value, if there are any.
    """

    name: str
    shape: tuple[int, int, int]
    lo: int
    hi: int
    banks: int
    pixel: int
    step: int = 1
    base: int = 0
    axes: tuple[int, ...] = ()
    packed: bool = False

    def stored(self, levels: NDArray[Any]) -> NDArray[Any]:
        """Levels `[N, *shape of the value]` as they are stored, `[N, C, H, W]`."""
        if self.axes:
            levels = levels.transpose(0, *(1 + axis for axis in self.axes))
        return levels.reshape(len(levels), *self.shape)

    @property
    def word_levels(self) -> int:
        """Levels of a word."""
        return PACKED_WORD if self.packed else WORD

    @property
    def pitch(self) -> int:
        """Words of one row."""
        return ceil_div(self.shape[2] * self.pixel, self.word_levels)

    @property
    def pixel_words(self) -> int:
        """Words of one pixel; 0 where several pixels share a word."""
        return self.pixel // self.word_levels

    @property
    def words(self) -> int:
        """Words that it takes in every bank."""
        per_bank = ceil_div(ceil_div(self.shape[1], self.step), self.banks)
        return per_bank * self.step * self.pitch

    def bank(self, row: int) -> int:
        """The bank of a row."""
        return row // self.step % self.banks

    def address(self, row: int) -> int:
        """Address of a row's first word in its bank."""
        return self.base + (row // self.step // self.banks * self.step + row % self.step) * self.pitch

    def places(self) -> tuple[Ints, Ints, Ints]:
        """Bank, address and lane of every level, as arrays `[C, H, W]`."""
        channel, row, column = np.indices(self.shape)
        place = column * self.pixel + channel
        banks = np.array([self.bank(y) for y in range(self.shape[1])])
        starts = np.array([self.address(y) for y in range(self.shape[1])])
        return banks[row], starts[row] + place // self.word_levels, place % self.word_levels


def pixel_levels(channels: int, *, packed: bool) -> int:
    """Levels per pixel of a map of so many channels; only inputs are `packed` into parts of a word."""
    if packed and channels <= WORD // 2:
        return 1 << (channels - 1).bit_length()
    return ceil_div(channels, WORD) * WORD


def image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Channels, rows and columns: a vector is one pixel, a sequence one column; further axes are joined."""
    match shape:
        case (channels,):
            return channels, 1, 1
        case (channels, length):
            return channels, length, 1
        case (channels, rows, *columns):
            return channels, rows, int(np.prod(columns))
        case _:
            raise ValueError("a value without axes")
