"""The records of the passes: windows, visits, words, rows that are written, and descriptors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from snncc_backends.fpga.planning.bits import BitKernel
from snncc_backends.fpga.planning.kernels import Kernel, Words
from snncc_backends.fpga.planning.maps import WORD, LevelMap, ceil_div
from snncc_backends.fpga.planning.split import Split
from snncc_backends.fpga.planning.tiles import Visit
from snncc_backends.fpga.tables.packing import (
    Borders,
    find_borders,
    pack_bits,
    pack_corrections,
    pack_neurons,
    pack_weights,
    slot_shift,
)
from snncc_backends.fpga.tables.tables import PassTable
from snncc_ir.certificates import Interval
from snncc_ir.tensors import Ints


@dataclass
class Builder:
    """The records found so far, and where equal ones begin."""

    groups: int
    maps: Mapping[str, LevelMap]
    descriptors: list[list[int]] = field(default_factory=list)
    row_windows: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    row_visits: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    col_windows: list[tuple[int, int, int, int]] = field(default_factory=list)
    col_words: list[tuple[int, int, int]] = field(default_factory=list)
    out_rows: list[tuple[int, int, int]] = field(default_factory=list)
    weights: list[Ints] = field(default_factory=list)
    weight_words: int = 0
    bits: list[Ints] = field(default_factory=list)
    bit_words: int = 0
    neurons: list[Ints] = field(default_factory=list)
    neuron_words: int = 0
    corrections: list[Ints] = field(default_factory=list)
    results: int = 0
    segments: dict[Words, int] = field(default_factory=dict)

    def append_weights(self, words: Ints) -> tuple[int, int]:
        """Add words; where they begin, and how many there are."""
        self.weights.append(words)
        self.weight_words += len(words)
        return self.weight_words - len(words), len(words)

    def append_bits(self, words: Ints) -> tuple[int, int]:
        """Add words of the binary lanes; where they begin, and how many there are."""
        self.bits.append(words)
        self.bit_words += len(words)
        return self.bit_words - len(words), len(words)

    def append_neurons(self, words: Ints) -> tuple[int, int]:
        """Add words; where they begin, and how many there are."""
        self.neurons.append(words)
        self.neuron_words += len(words)
        return self.neuron_words - len(words), len(words)


def add_pass(builder: Builder, split: Split, drive: Interval, slot: int, last: bool) -> PassTable:
    """Add all records of a pass."""
    task, groups = split.task, builder.groups
    wbits = max([1, *(kernel.projection.bits for kernel in split.kernels)])
    pack = 0 if split.binary else slot_shift(slot, wbits)
    numbers = [kernel.size for kernel in split.kernels]
    firsts = [0, *np.cumsum(numbers).tolist()]
    rows_at, columns_at = len(builder.row_windows), len(builder.col_windows)
    borders = find_borders(split)
    _add_rows(builder, split, firsts, borders)
    _add_columns(builder, split, borders)
    if split.binary:
        base, words = builder.append_bits(pack_bits(split, groups))
    else:
        base, words = builder.append_weights(pack_weights(split, groups, wbits, slot))
    neuron_base, step = builder.append_neurons(pack_neurons(split, groups, borders))
    builder.corrections.append(pack_corrections(split, groups, borders))
    out = builder.results if task.is_readout else len(builder.out_rows)
    _add_results(builder, split)
    target = None if task.is_readout else builder.maps[task.name]
    packs = target is not None and target.packed
    builder.descriptors.append(
        [
            int(task.is_readout)
            | (split.group_words(groups).bit_length() - 1) << 4
            | len(task.projections) << 8
            | task.window_rows.shape[1] // split.merge << 16
            | task.window_columns.shape[1] << 24,
            split.blocks(groups) | split.tiles << 16,
            len(task.window_columns) | _written_words(target) << 16,
            rows_at,
            columns_at,
            out,
            base << pack,
            words // split.blocks(groups) << pack,
            neuron_base,
            step // split.blocks(groups),
            (target.pixel_words if target else 0) | wbits << 16 | task.neurons.top << 24,
            (task.neurons.lo & 0xFFFF)
            | int(last) << 16
            | (split.merge - 1) << 17
            | int(split.binary) << 18
            | int(split.planes) << 19
            | int(packs) << 20,
            0,
            0,
            0,
            0,
        ]
    )
    spread = task.neurons.bias.reshape(len(task.neurons.theta), -1)
    return PassTable(
        split=split,
        group_words=split.group_words(groups),
        results=builder.results - out if task.is_readout else 0,
        weight_bits=wbits,
        weight_numbers=firsts[-1],
        drive=drive,
        potential=drive + Interval(spread.min(axis=1), spread.max(axis=1)),
    )


def _written_words(target: LevelMap | None) -> int:
    """CW: words of eight levels that are written per pixel; of a packed map those that hold channels."""
    if target is None:
        return 0
    return ceil_div(target.shape[0], WORD) if target.packed else target.pixel_words


def _add_rows(builder: Builder, split: Split, firsts: list[int], borders: Borders) -> None:
    per_class = len(borders.singles) * WORD
    for tile, border in enumerate(borders.rows):
        for kernel, visits, first in zip(split.kernels, split.visits, firsts, strict=False):
            at = len(builder.row_visits)
            builder.row_visits += [_visit_record(visit, kernel, first) for visit in visits[tile]]
            own, shift = int(kernel.whole), int(kernel.projection.shift)
            builder.row_windows.append((at, len(visits[tile]), border * per_class, own, shift))


def _visit_record(visit: Visit, kernel: Kernel | BitKernel, first: int) -> tuple[int, int, int, int, int]:
    weight = first + int(kernel.row_classes[visit.kernel]) * kernel.block
    return visit.address, visit.wrap, visit.bank, visit.banks, weight


def _add_columns(builder: Builder, split: Split, borders: Borders) -> None:
    segments = [
        [kernel.segment(int(x)) for x in split.task.window_columns.reshape(-1)] for kernel in split.kernels
    ]
    for part in segments:
        for words in sorted(set(part), key=len, reverse=True):
            _segment_at(builder, words)
    for position, border in enumerate(borders.columns):
        for part in segments:
            words = part[position]
            first, offset = _segment_at(builder, words)
            builder.col_windows.append((first, len(words), offset, border * WORD))


def _segment_at(builder: Builder, words: Words) -> tuple[int, int]:
    """Where the words lie and what is added to their offsets; a part of a longer segment is found there."""
    relative = _relative(words)
    if relative not in builder.segments:
        builder.segments[relative] = _find_part(builder.segments, relative)
    if builder.segments[relative] < 0:
        builder.segments[relative] = len(builder.col_words)
        builder.col_words += relative
    first = builder.segments[relative]
    return first, words[0][0] - builder.col_words[first][0]


def _relative(words: Words) -> Words:
    return tuple((offset - words[0][0], weight, mask) for offset, weight, mask in words)


def _find_part(known: Mapping[Words, int], words: Words) -> int:
    """Where a known segment contains the words, -1 where none does."""
    for segment, at in known.items():
        for first in range(len(segment) - len(words) + 1):
            same = segment[first][1:] == words[0][1:]
            if same and _relative(segment[first : first + len(words)]) == words:
                return at + first
    return -1


def _add_results(builder: Builder, split: Split) -> None:
    """The rows that a pass writes, or the place of a readout's results."""
    task = split.task
    if task.is_readout:
        builder.results += split.blocks(builder.groups) * split.tiles * len(task.window_columns) * WORD
        return
    target = builder.maps[task.name]
    for row in range(split.tiles * split.slots // split.merge):
        inside = row < target.shape[1]
        builder.out_rows.append((1, target.bank(row), target.address(row)) if inside else (0, 0, 0))
