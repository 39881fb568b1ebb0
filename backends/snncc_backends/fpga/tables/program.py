"""The program that tables hold, read as the core reads it, but as arrays over all tiles of a pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from snncc_backends.fpga.planning.maps import WORD
from snncc_backends.fpga.tables.memory import Memory
from snncc_backends.fpga.tables.packing import unpack_words
from snncc_backends.fpga.tables.tables import DESCRIPTOR_WORDS, Widths, stage_name
from snncc_ir.tensors import Ints

Bytes = NDArray[np.uint8]
LANES = np.arange(WORD)


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """One pass's words (docs/fpga.md, section 5)."""

    is_readout: bool
    group_words: int
    projections: int
    window: tuple[int, int]
    blocks: int
    tiles: int
    columns: int
    map_words: int
    row_windows: int
    column_windows: int
    out: int
    weights: int
    weight_step: int
    neurons: int
    neuron_step: int
    column_step: int
    weight_bits: int
    top: int
    lo: int
    last: bool
    merge: int
    binary: bool
    planes: bool
    packs: bool


def read_descriptor(words: Ints) -> Descriptor:
    """The fields of 16 words."""
    w = [int(word) for word in words]
    return Descriptor(
        is_readout=bool(w[0] & 15),
        group_words=1 << (w[0] >> 4 & 15),
        projections=w[0] >> 8 & 255,
        window=(w[0] >> 16 & 255, w[0] >> 24),
        blocks=w[1] & 0xFFFF,
        tiles=w[1] >> 16,
        columns=w[2] & 0xFFFF,
        map_words=w[2] >> 16,
        row_windows=w[3],
        column_windows=w[4],
        out=w[5],
        weights=w[6],
        weight_step=w[7],
        neurons=w[8],
        neuron_step=w[9],
        column_step=w[10] & 0xFFFF,
        weight_bits=w[10] >> 16 & 255,
        top=w[10] >> 24,
        lo=(w[11] & 0xFFFF) - ((w[11] & 0x8000) << 1),
        last=bool(w[11] >> 16 & 1),
        merge=1 + (w[11] >> 17 & 1),
        binary=bool(w[11] >> 18 & 1),
        planes=bool(w[11] >> 19 & 1),
        packs=bool(w[11] >> 20 & 1),
    )


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one projection of a pass fetches.

    Visits with one weight number are one index i, words with one weight number one index j. Slot s of tile
    row r gets for column c the word `places[s, r, c, i, j]` = bank * depth + address, or the one behind
    all words, which is always 0. Also `masks[c, j]`, `present[r, c, i, j]` and `weights[i, j]`.
    """

    places: NDArray[np.int32]
    masks: Bytes
    present: NDArray[np.bool_]
    weights: Ints
    own: bool
    shift: bool


class PassProgram:
    """One pass over the memories of a network."""

    def __init__(self, memories: Mapping[str, Memory], widths: Widths, number: int) -> None:
        """Read pass `number`."""
        self.memories, self.widths = memories, widths
        words = memories["passes"].values["word"][:, 0]
        self.descriptor = read_descriptor(words[number * DESCRIPTOR_WORDS : (number + 1) * DESCRIPTOR_WORDS])
        self.groups = widths.groups
        self.slots = self.groups // self.descriptor.group_words

    def _records(self, name: str, first: int, count: int) -> dict[str, Ints]:
        return {key: values[first : first + count, 0] for key, values in self.memories[name].values.items()}

    @cached_property
    def row_windows(self) -> dict[str, Ints]:
        """Row windows `[tile * window row, projection]`."""
        d = self.descriptor
        count = d.tiles * d.window[0] * d.projections
        found = self._records("row_windows", d.row_windows, count)
        return {key: values.reshape(-1, d.projections) for key, values in found.items()}

    @cached_property
    def column_windows(self) -> dict[str, Ints]:
        """Column windows `[column * window column, projection]`."""
        d = self.descriptor
        count = d.columns * d.window[1] * d.projections
        found = self._records("col_windows", d.column_windows, count)
        return {key: values.reshape(-1, d.projections) for key, values in found.items()}

    def readings(self, block: int) -> tuple[Reading, ...]:
        """The readings of all projections for one block of output channels."""
        return tuple(self._reading(p, block) for p in range(self.descriptor.projections))

    def _reading(self, p: int, block: int) -> Reading:
        rows, columns = self.row_windows, self.column_windows
        visits, visit_keys = _aligned(rows["first"][:, p], rows["count"][:, p], self.memories["row_visits"])
        words, word_keys = _aligned(
            columns["first"][:, p], columns["count"][:, p], self.memories["col_words"]
        )
        own = bool(rows["own"][0, p])
        turns = own and not self.descriptor.binary
        start = columns["offset"][:, p] + (block * self.descriptor.group_words if turns else 0)
        visit = self._at("row_visits", visits)
        word = self._at("col_words", words)
        offsets = start[:, None] + word["offset"]
        depth, mask = self.widths.map_words, (1 << self.widths.map_address) - 1
        slots = np.arange(self.slots)[:, None, None]
        bank = (visit["bank"] + slots) % self.groups
        used = (visit["banks"] >> bank & 1).astype(bool) & (visits >= 0)
        address = visit["address"] + np.where(bank < visit["bank"], visit["wrap"], 0)
        whole = (address[:, :, None, :, None] + offsets[None, None, :, None, :]) & mask
        places = bank[:, :, None, :, None] * depth + whole
        present = (visits >= 0)[:, None, :, None] & (words >= 0)[None, :, None, :]
        fetched = used[:, :, None, :, None] & present & (word["mask"] > 0)[None, None, :, None, :]
        return Reading(
            places=np.where(fetched & (whole < depth), places, self.groups * depth).astype(np.int32),
            masks=np.where(words >= 0, word["mask"], 0).astype(np.uint8),
            present=present,
            weights=np.add.outer(visit_keys, word_keys),
            own=own,
            shift=bool(rows["shift"][0, p]),
        )

    def _at(self, name: str, places: Ints) -> dict[str, Ints]:
        return {key: values[np.maximum(places, 0), 0] for key, values in self.memories[name].values.items()}

    def lane_weights(self, reading: Reading, block: int) -> Ints:
        """`[groups, i, j, 8 levels, 8 lanes]`: what a level of a word is multiplied with in a lane."""
        d = self.descriptor
        first = d.weights + block * d.weight_step + reading.weights
        numbers = first[..., None] + (0 if reading.own else LANES)
        weights = self._weights(numbers & ((1 << self.widths.weight_address) - 1))
        if reading.own:
            weights = np.broadcast_to(weights, (*first.shape, WORD, *weights.shape[3:]))
            weights = weights * np.eye(WORD, dtype=np.int64)[:, None, :]
        return weights.transpose(3, 0, 1, 2, 4)

    def _weights(self, numbers: Ints) -> Ints:
        """`[..., groups, 8]`: the weights of all lanes under the numbers; those outside the memory are 0."""
        slots = self.memories["weights"].values["slot"]
        value = unpack_words(slots, numbers, self.descriptor.weight_bits, self.widths.weight)
        return value.reshape(*numbers.shape, self.groups, WORD)

    def lane_bits(self, reading: Reading, block: int) -> Ints:
        """`[i, j, bits of a word, P]`: what a bit of a word is multiplied with in a binary lane.

        Bit p of a lane's weights belongs to bit p of a packed word, else to plane p div 8 of level p mod 8; a
        ninth plane shares the weights of the first. The bits of a word are those of level 0, of level 1, ...
        """
        d, memory = self.descriptor, self.memories["bit_weights"]
        numbers = (d.weights + block * d.weight_step + reading.weights) & (
            (1 << self.widths.weight_address) - 1
        )
        found = memory.values["byte"][np.minimum(numbers, memory.words - 1)].astype(np.uint8)
        words = found.reshape(*numbers.shape, self.widths.lanes, 8)
        bits = np.unpackbits(words, axis=-1, bitorder="little").astype(np.int64)
        signs = 2 * bits - 1
        if d.planes:
            worth = 1 << np.arange(self.widths.level)
            worth[8:] *= 1 - 2 * self.widths.signed_levels
            shaped = signs.reshape(*bits.shape[:-1], 8, WORD)[..., np.arange(len(worth)) % 8, :]
            signs = (shaped * worth[:, None]).swapaxes(-1, -2).reshape(*bits.shape[:-1], -1)
        return signs.swapaxes(-1, -2)

    def neurons(self, block: int) -> tuple[Ints, Ints, Ints]:
        """Threshold, bias, place in `breaks` `[groups, tile rows or 1, columns or 1, 8 lanes]` of a block."""
        d = self.descriptor
        rows, columns = self.row_windows["border"][:, 0], self.column_windows["border"][:, 0]
        rows = rows[:1] if (rows == rows[0]).all() else rows
        columns = columns[:1] if (columns == columns[0]).all() else columns
        base = d.neurons + block * d.neuron_step
        at = base + rows[:, None, None] + columns[:, None] + LANES
        values = self.memories["neurons"].values
        theta, bias = (values[key][at].transpose(3, 0, 1, 2) for key in ("theta", "bias"))
        return theta, bias, np.broadcast_to(self._break_places(at), bias.shape)

    def _break_places(self, at: Ints) -> Ints:
        if not self.widths.table_rows:
            return np.zeros((1, *at.shape), dtype=np.int64)
        rows = self.memories["table_rows"].values["row"][:, 0][at] % len(self.breaks[0])
        return (
            np.arange(self.groups)[:, None, None, None] * len(self.breaks[0]) + rows
        ) << self.widths.fire_steps

    @cached_property
    def breaks(self) -> Ints:
        """`[groups, rows, 2**steps]`: the corrections as the stages hold them."""
        steps, groups = self.widths.fire_steps, self.groups
        rows = self.memories[stage_name(0, 0)].words
        found = np.zeros((groups, rows, 1 << steps), dtype=np.int64)
        for stage in range(steps):
            step = 1 << (steps - stage)
            for group in range(groups):
                words = self.memories[stage_name(stage, group)].values["correction"][:, 0]
                found[group, :, step // 2 :: step] = words.reshape(rows, -1)
        return found

    @cached_property
    def targets(self) -> tuple[Ints, Ints, Ints]:
        """Bank and address of word 0 of every written row `[tile, row]`, and whether it is written."""
        d = self.descriptor
        rows = self.slots // d.merge
        found = self._records("out_rows", d.out, d.tiles * rows)
        bank, address, valid = (found[key].reshape(-1, rows) for key in ("bank", "address", "valid"))
        return bank, address, valid


def _aligned(firsts: Ints, counts: Ints, memory: Memory) -> tuple[Ints, Ints]:
    """Records of ragged lists in a rectangle, -1 where a list has none, and the weight number of each column.

    A column is a weight number, or one of several records of a list with the same number.
    """
    weights = memory.values["weight"][:, 0]
    keys: dict[tuple[int, int], int] = {}
    found: list[list[tuple[int, int]]] = []
    for first, count in zip(firsts.tolist(), counts.tolist(), strict=True):
        seen: dict[int, int] = {}
        entries = []
        for at in range(first, min(first + count, len(weights))):
            weight = int(weights[at])
            turn = seen.get(weight, 0)
            seen[weight] = turn + 1
            entries.append((keys.setdefault((weight, turn), len(keys)), at))
        found.append(entries)
    places = np.full((len(firsts), len(keys)), -1, dtype=np.int64)
    for row, entries in enumerate(found):
        for column, at in entries:
            places[row, column] = at
    return places, np.array([weight for weight, _ in keys], dtype=np.int64)
