"""The passes of the event core, read from the tables as the core reads them, as arrays over all words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_backends.fpga.events.descriptors import Descriptor, Op, read_descriptor
from snncc_backends.fpga.events.tables import EventTables, EventWidths
from snncc_backends.fpga.tables.memory import Memory
from snncc_backends.fpga.tables.packing import unpack_words
from snncc_backends.fpga.tables.tables import DESCRIPTOR_WORDS
from snncc_ir.tensors import Ints

EXACT = 52
"""Bits of integers that float64 adds exactly."""


@dataclass(frozen=True, kw_only=True)
class TapSet:
    """Taps with one weight number: word `words[i]` of a map's pixels reaches potential `potentials[i]`."""

    pixels: Ints
    potentials: Ints
    number: int
    apart: bool
    """No potential is reached twice."""


class PassProgram:
    """One pass over the memories of a network."""

    def __init__(self, memories: Mapping[str, Memory], widths: EventWidths, number: int) -> None:
        """Read pass `number`."""
        words = memories["passes"].values["word"][:, 0]
        at = number * DESCRIPTOR_WORDS
        self.memories, self.widths = memories, widths
        self.descriptor: Descriptor = read_descriptor(words[at : at + DESCRIPTOR_WORDS])

    def _windows(self, axis: str) -> dict[str, Ints]:
        d = self.descriptor
        first, count = (d.row_windows, d.rows) if axis == "row" else (d.column_windows, d.columns)
        values = self.memories[f"{axis}_windows"].values
        return {key: column[first : first + count, 0] for key, column in values.items()}

    @cached_property
    def pixel_words(self) -> int:
        """Words from one pixel of the map to the next."""
        return self.descriptor.words + self.descriptor.skip

    @cached_property
    def visited(self) -> Ints:
        """Addresses of the visited words `[rows * columns, words]` in the map."""
        d = self.descriptor
        pixels = np.arange(d.rows * d.columns)[:, None] * self.pixel_words
        return d.target + pixels + np.arange(d.words)

    @cached_property
    def taps(self) -> Ints:
        """Taps of every pixel: rows' times columns'."""
        return np.outer(self._windows("row")["count"], self._windows("col")["count"]).reshape(-1)

    @cached_property
    def visit_cycles(self) -> Ints:
        """Cycles of every visited word of a pass other than ADD: one for each tap, one for its own."""
        d = self.descriptor
        taps = self.taps if d.current or d.op is Op.POOL else np.zeros(d.rows * d.columns, dtype=np.int64)
        return np.repeat(taps + 1, d.words)

    @cached_property
    def tap_sets(self) -> tuple[TapSet, ...]:
        """All taps, by weight number."""
        row, column = (self._axis(axis) for axis in ("row", "col"))
        pixels = np.add.outer(row[0] * self.descriptor.columns, column[0]).reshape(-1)
        potentials = np.add.outer(row[1], column[1]).reshape(-1) + self.descriptor.potentials
        numbers = np.add.outer(row[2], column[2]).reshape(-1)
        mask = (1 << self.widths.potential_address) - 1
        found = []
        for number in np.unique(numbers).tolist():
            members = numbers == number
            reached = potentials[members] & mask
            found.append(
                TapSet(
                    pixels=pixels[members],
                    potentials=reached,
                    number=number,
                    apart=len(np.unique(reached)) == len(reached),
                )
            )
        return tuple(found)

    def _axis(self, axis: str) -> tuple[Ints, Ints, Ints]:
        """Position, offset and weight number of every tap of an axis, position after position."""
        windows, taps = self._windows(axis), self.memories[f"{axis}_taps"].values
        counts = windows["count"]
        position = np.repeat(np.arange(len(counts)), counts)
        start = np.repeat(windows["first"] - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
        at = start + np.arange(len(position))
        return position, taps["offset"][at, 0], taps["weight"][at, 0]

    @cached_property
    def kind(self) -> type[np.number[Any]]:
        """A type in which every product and sum is exact; in float64 they are quicker."""
        bits = (
            self.widths.payload
            + self.widths.weight
            + (self.descriptor.words * self.widths.lanes).bit_length()
        )
        return np.float64 if bits <= EXACT else np.int64

    def weights(self, number: int) -> NDArray[Any]:
        """`[words * P, blocks * P]` of a tap's levels; of an `own` pass `[words, P]`."""
        d, lanes = self.descriptor, self.widths.lanes
        inputs = np.arange(d.words * (1 if d.own else lanes))
        numbers = d.table + number + np.arange(d.blocks)[:, None] * d.step + inputs
        slots = self.memories["weights"].values["slot"]
        values = unpack_words(slots, numbers, d.weight_bits, self.widths.weight).astype(self.kind)
        return values[0] if d.own else values.transpose(1, 0, 2).reshape(len(inputs), -1)

    @cached_property
    def neurons(self) -> tuple[Ints, Ints]:
        """Threshold and bias `[words, P]` of every visited word."""
        d = self.descriptor
        rows, columns = (self._windows(axis)["border"] for axis in ("row", "col"))
        at = d.table + np.add.outer(np.add.outer(rows, columns), np.arange(d.words)).reshape(-1)
        values = self.memories["neurons"].values
        return values["theta"][at], values["bias"][at]

    @cached_property
    def gathered(self) -> tuple[tuple[Ints, Ints], ...]:
        """By number of taps: the potentials `[pixels, taps, words]` that are compared, and the pixels."""
        words = np.arange(self.descriptor.words)
        pixels = np.concatenate([taps.pixels for taps in self.tap_sets])
        reached = np.concatenate([taps.potentials for taps in self.tap_sets])
        order = np.argsort(pixels, kind="stable")
        pixels, reached = pixels[order], reached[order]
        counts = self.taps[pixels]
        found = []
        for count in np.unique(counts).tolist():
            of = counts == count
            found.append(
                (reached[of].reshape(-1, count)[..., None] + words, pixels[of].reshape(-1, count)[:, 0])
            )
        return tuple(found)


def read_program(tables: EventTables) -> tuple[PassProgram, ...]:
    """All passes, END the last of them."""
    count = tables.memories["passes"].words // DESCRIPTOR_WORDS
    return tuple(PassProgram(tables.memories, tables.widths, number) for number in range(count))
