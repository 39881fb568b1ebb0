"""What a box of neurons takes from a core (docs/cores.md has the rules)."""

from __future__ import annotations

from itertools import product
from math import ceil, prod

import numpy as np
from numpy.typing import NDArray

from snncc.cores.axes import Offsets, Span
from snncc.cores.units import Network, Read, Unit
from snncc_ir.machine import Core
from snncc_ir.plan import Box, Usage

Kinds = tuple[Offsets, ...]


def size_of(box: Box) -> int:
    """Neurons of a box."""
    return prod(stop - start for start, stop in box)


def sources_of(read: Read, box: Box) -> tuple[slice, Span, Span]:
    """The channels, rows and columns of the value read that the neurons of a box read."""
    (first, last), rows, columns = box
    groups = first // read.outputs_per_group, (last - 1) // read.outputs_per_group + 1
    channels = slice(groups[0] * read.inputs_per_group, groups[1] * read.inputs_per_group)
    return channels, read.rows.span(*rows), read.columns.span(*columns)


def neurons_read(read: Read, box: Box) -> NDArray[np.int32]:
    """The neurons that send into a box, one for each axon."""
    channels, rows, columns = sources_of(read, box)
    found = read.elements[channels][:, rows.positions][:, :, columns.positions].ravel()
    return np.asarray(found[found >= 0] if read.padded else found)


class Demands:
    """Computes demands, and remembers what recurs."""

    def __init__(self, network: Network) -> None:
        self.core: Core = network.core
        self._words: dict[tuple[object, ...], int] = {}
        self._sums: dict[tuple[object, ...], tuple[int, int]] = {}

    def of(self, unit: Unit, box: Box, output_axons: int) -> Usage:
        """Usage of a box whose neurons take `output_axons` towards other neurons."""
        neurons = size_of(box)
        selves = neurons * unit.selves
        words, axons = selves, selves
        for read in unit.reads:
            more_words, more_axons, _ = self.read(read, box)
            words, axons = words + more_words, axons + more_axons
        return neurons * unit.compartments, words, axons, output_axons + selves, 1, len(unit.reads)

    def longest_list(self, unit: Unit, box: Box) -> int:
        """Words of the longest list of synapses in a box."""
        return max((self.read(read, box)[2] for read in unit.reads), default=0)

    def read(self, read: Read, box: Box) -> tuple[int, int, int]:
        """Words of the lists of a read, its input axons, and the words of its longest list."""
        channels, rows, columns = sources_of(read, box)
        shape = (box[2][1] - box[2][0], box[0][1] - box[0][0])
        if read.padded:
            return self._padded(read, box, shape)
        words = longest = 0
        for outputs, number in _outputs_of(read, box).items():
            one, most = self._all_kinds(read, (rows.kinds, columns.kinds), shape, outputs)
            words += one * (1 if read.same else number)
            longest = max(longest, most)
        axons = (channels.stop - channels.start) * len(rows.positions) * len(columns.positions)
        return words, axons, longest

    def _all_kinds(
        self, read: Read, kinds: tuple[Kinds, Kinds], shape: tuple[int, int], outputs: int
    ) -> tuple[int, int]:
        """Words of one channel's lists of all kinds, and of the longest."""
        key = (*kinds, *shape, outputs, read.bits, read.copies)
        if key not in self._sums:
            words = [self._list(read, a, b, shape, outputs) for a, b in product(*kinds)]
            self._sums[key] = sum(words), max(words, default=0)
        return self._sums[key]

    def _padded(self, read: Read, box: Box, shape: tuple[int, int]) -> tuple[int, int, int]:
        """The same where some elements are padding, which sends nothing and needs no list."""
        channels, rows, columns = sources_of(read, box)
        there = read.elements[channels][:, rows.positions][:, :, columns.positions] >= 0
        kind = rows.kind[:, None] * len(columns.kinds) + columns.kind
        present = np.zeros((len(there), len(rows.kinds) * len(columns.kinds)), dtype=bool)
        channel, row, column = np.nonzero(there)
        present[channel, kind[row, column]] = True
        words = longest = 0
        outputs = _outputs_by_channel(read, box)
        pairs = list(product(rows.kinds, columns.kinds))
        for count in np.unique(outputs).tolist():
            of_count = present[outputs == count]
            for index in np.flatnonzero(of_count.any(axis=0)):
                one = self._list(read, *pairs[index], shape, count)
                words += one * (1 if read.same else int(of_count[:, index].sum()))
                longest = max(longest, one)
        return words, int(there.sum()), longest

    def _list(self, read: Read, rows: Offsets, columns: Offsets, shape: tuple[int, int], outputs: int) -> int:
        """Words of one list: synapses to `outputs` channels at every pair of distances."""
        key = (rows, columns, shape, outputs, read.bits, read.copies)
        if key not in self._words:
            places = sorted({row * shape[0] + column for row in rows for column in columns})
            whole = outputs == shape[1]
            runs = _runs(places, shape[1]) if whole else [outputs] * len(places)
            self._words[key] = list_words(self.core, runs, read.bits, read.copies)
        return self._words[key]


def _outputs_of(read: Read, box: Box) -> dict[int, int]:
    """Source channels by the number of output channels of the box that they reach, in their order."""
    (first, last), size = box[0], read.outputs_per_group
    found: dict[int, int] = {}
    if size == 1:
        return {1: (last - first) * read.inputs_per_group}
    for group in range(first // size, (last - 1) // size + 1):
        outputs = min(last, (group + 1) * size) - max(first, group * size)
        found[outputs] = found.get(outputs, 0) + read.inputs_per_group
    return found


def _outputs_by_channel(read: Read, box: Box) -> NDArray[np.int64]:
    """Output channels of the box that each source channel reaches."""
    (first, last), size = box[0], read.outputs_per_group
    starts = np.arange(first // size, (last - 1) // size + 1) * size
    return np.repeat(np.minimum(last, starts + size) - np.maximum(first, starts), read.inputs_per_group)


def _runs(places: list[int], channels: int) -> list[int]:
    """Lengths of the runs of consecutive compartments, `channels` at every place."""
    runs, start = [], 0
    for i in range(1, len(places) + 1):
        if i == len(places) or places[i] != places[i - 1] + 1:
            runs.append((i - start) * channels)
            start = i
    return runs


def list_words(core: Core, runs: list[int], bits: int, copies: int) -> int:
    """Words of a list whose synapses reach `runs` of consecutive compartments, by the shorter encoding.

    Dense: each run starts with an index, and with another every `entry_synapses`. Sparse: each synapse has
    an index.
    """
    most, head, index = core.entry_synapses.value, core.entry_bits.value, core.index_bits.value
    synapses = sum(runs)
    entries = sum(ceil(run / most) for run in runs)
    dense = entries * (head + index) + synapses * bits
    sparse = ceil(synapses / most) * head + synapses * (index + bits)
    return ceil((copies * min(dense, sparse) + core.tail_bits.value) / core.word_bits.value)
