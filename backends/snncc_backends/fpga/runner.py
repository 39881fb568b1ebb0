"""One pass of the cycle simulator: what it reads, adds up, fires and writes, for many images at once."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_backends.fpga.maps import WORD
from snncc_backends.fpga.program import PassProgram, Reading
from snncc_backends.fpga.split import least_tile
from snncc_backends.fpga.tables import Tables
from snncc_ir.tensors import Ints

TO_WRITE = 21
"""Cycles from a tile's last step to its first written word, less the steps of the fire unit."""

TO_RESULT = 8
"""Cycles from a readout's last step to its first result."""

POPCOUNT = np.array([max(1, number.bit_count()) for number in range(256)], dtype=np.uint8)
"""Cycles of a word by the levels that are taken from it."""


class MapMemory:
    """The map memory of N images: words `[N, G * depth + 1, 8]`, the last 0, and which levels are not 0."""

    def __init__(self, tables: Tables, images: int) -> None:
        widths = tables.widths
        small = np.int8 if widths.signed_levels else np.uint8
        kind = small if widths.level <= 8 else np.int16
        size = widths.groups * widths.map_words + 1
        self.levels = np.zeros((images, size, WORD), dtype=kind)
        self.used = np.zeros((images, size), dtype=np.uint8)

    def write(self, places: Ints, levels: Ints) -> None:
        """Store `levels[N, ..., 8]` in the words `places[...]`."""
        self.levels[:, places] = levels
        self.used[:, places] = np.packbits(levels != 0, axis=-1, bitorder="little")[..., 0]

    def words(self, places: NDArray[np.int32]) -> NDArray[np.float32]:
        """`[N, ..., 8]` levels of words, as real numbers."""
        whole = np.uint64 if self.levels.itemsize == 1 else np.complex128
        found = np.take(self.levels.view(whole)[..., 0], places, axis=1)
        return found.view(self.levels.dtype).reshape(*found.shape, WORD).astype(np.float32)


class PassRunner:
    """One pass: what is read, multiplied and written, prepared once for all images."""

    def __init__(self, program: PassProgram, tables: Tables, number: int) -> None:
        self.program, self.tables = program, tables
        self.d = program.descriptor
        self.shape = tables.passes[number].split.task.shape
        self.name = tables.passes[number].split.task.name
        self.is_readout = self.d.is_readout
        varies = any(program.row_windows["own"].reshape(-1))
        self.readings = [program.readings(block) for block in range(self.d.blocks if varies else 1)]

    def _readings(self, block: int) -> tuple[Reading, ...]:
        return self.readings[block if len(self.readings) > 1 else 0]

    @property
    def kind(self) -> type[np.floating[Any]]:
        """A floating type that holds every sum exactly: digits of wide weights may exceed the final sum."""
        digits = self.program.row_windows["shift"].any()
        return np.float64 if digits or self.tables.widths.potential > 24 else np.float32

    @cached_property
    def matrices(self) -> list[list[NDArray[Any]]]:
        """Per projection and slot the weights `[i * j * 8, blocks * Gc * 8]`; with `own` per block."""
        count = self.d.projections
        blocks = range(self.d.blocks)
        found = []
        for p in range(count):
            lanes = np.stack(
                [self.program.lane_weights(self._readings(block)[p], block) for block in blocks], axis=4
            )
            shaped = lanes.reshape(self.program.slots, self.d.group_words, -1, self.d.blocks, WORD)
            columns = shaped.transpose(0, 2, 3, 1, 4).reshape(self.program.slots, shaped.shape[2], -1)
            found.append(list(np.ascontiguousarray(columns, dtype=self.kind)))
        return found

    @cached_property
    def neurons(self) -> tuple[Ints, Ints]:
        """Thresholds and biases `[slots, rows or 1, columns or 1, blocks * Gc * 8]`."""
        parts = [self.program.neurons(block) for block in range(self.d.blocks)]
        theta, bias = (np.stack([part[kind] for part in parts], axis=3) for kind in (0, 1))
        return self._by_slot(theta), self._by_slot(bias)

    def _by_slot(self, values: Ints) -> Ints:
        _, rows, columns, blocks, lanes = values.shape
        shaped = values.reshape(self.program.slots, self.d.group_words, rows, columns, blocks, lanes)
        return shaped.transpose(0, 2, 3, 4, 1, 5).reshape(self.program.slots, rows, columns, -1)

    def times(self, memory: MapMemory) -> Ints:
        """T of every tile `[N, blocks, row tiles, columns, window rows, window columns]`."""
        total = [self._block_times(memory, block) for block in range(len(self.readings))]
        times = np.maximum(least_tile(self.program.groups), np.stack(total, axis=1))
        times = np.broadcast_to(times, (len(times), self.d.blocks, *times.shape[2:]))
        d = self.d
        shaped = times.reshape(len(times), d.blocks, d.tiles, d.window[0], d.columns, d.window[1])
        return shaped.transpose(0, 1, 2, 4, 3, 5)

    def _block_times(self, memory: MapMemory, block: int) -> Ints:
        total: Ints | int = 0
        for reading in self._readings(block):
            if reading.own:
                total = total + np.broadcast_to(
                    reading.present.sum(axis=(2, 3)), (len(memory.used), *reading.present.shape[:2])
                )
                continue
            joint = memory.used[:, reading.places[0]]
            for places in reading.places[1:]:
                joint |= memory.used[:, places]
            joint &= reading.masks[:, None, :]
            total = total + (POPCOUNT[joint] * reading.present).sum(axis=(3, 4), dtype=np.int64)
        return np.asarray(total)

    def sums(self, memory: MapMemory) -> Ints:
        """U `[N, slots, tile rows, columns, blocks * Gc * 8]`."""
        slots = [self._slot_sums(memory, slot) for slot in range(self.program.slots)]
        return np.stack(slots, axis=1)

    def _slot_sums(self, memory: MapMemory, slot: int) -> Ints:
        total: Ints | int = 0
        for p in range(self.d.projections):
            if self._readings(0)[p].shift:
                total = total << (self.program.widths.weight - 1)
            total = total + self._products(memory, p, slot)
        return np.asarray(total)

    def _products(self, memory: MapMemory, p: int, slot: int) -> Ints:
        matrix = self.matrices[p][slot]
        width = matrix.shape[1] // len(self.readings)
        parts = []
        for block, readings in enumerate(self.readings):
            reading = readings[p]
            levels = memory.words(reading.places[slot]).astype(matrix.dtype)
            if not (reading.masks == 255).all():
                bits = np.unpackbits(reading.masks[..., None], axis=-1, bitorder="little")
                levels *= bits[:, None, :, :]
            rows = levels.reshape(-1, matrix.shape[0]) @ matrix[:, block * width : (block + 1) * width]
            parts.append(rows.reshape(*levels.shape[:3], width))
        return np.concatenate(parts, axis=-1).astype(np.int64)

    def fire(self, memory: MapMemory) -> Ints:
        """`[N, row tiles, slots, columns, blocks * Gc, 8]`: the levels, of readouts the potentials."""
        theta, bias = self.neurons
        v, d = self.sums(memory) + bias, self.d
        if not self.is_readout:
            v = d.lo + np.clip(v // theta, 0, d.top)
        shaped = v.reshape(len(v), self.program.slots, d.tiles, d.window[0], d.columns, d.window[1], -1)
        pooled = shaped.max(axis=(3, 5)).swapaxes(1, 2)
        return pooled.reshape(len(v), d.tiles, self.program.slots, d.columns, -1, WORD)

    @cached_property
    def written(self) -> NDArray[np.bool_]:
        """Which `[row tile, slot, column, channel word]` are written."""
        _, _, valid = self.program.targets
        words = np.arange(self.d.blocks * self.d.group_words) < self.d.map_words
        inside = valid[:, :, None, None].astype(bool) & words
        return np.broadcast_to(inside, (*valid.shape, self.d.columns, len(words)))

    @cached_property
    def targets(self) -> tuple[Ints, Ints]:
        """Bank and address of every `[row tile, slot, column, channel word]`."""
        bank, address, _ = self.program.targets
        column = np.arange(self.d.columns) * self.d.column_step
        words = np.arange(self.d.blocks * self.d.group_words)
        places = address[:, :, None, None] + column[:, None] + words
        return np.broadcast_to(bank[:, :, None, None], places.shape), places

    def write(self, memory: MapMemory, found: Ints) -> None:
        """Store the levels that `fire` gave."""
        bank, address = self.targets
        places = bank * self.tables.widths.map_words + address
        memory.write(places[self.written], found[:, self.written])

    def values(self, found: Ints) -> Ints:
        """What `fire` gave as `[N, C, H, W]`."""
        channels, height, width = self.shape
        image = found.reshape(len(found), -1, width, found.shape[4] * WORD)
        return image[:, :height, :, :channels].transpose(0, 3, 1, 2)

    def result_words(self, found: Ints) -> Ints:
        """A readout's potentials `[N, words, G]` as they are stored: block, tile, column, lane."""
        split = found.reshape(*found.shape[:4], self.d.blocks, self.d.group_words, WORD)
        return split.transpose(0, 4, 1, 3, 6, 2, 5).reshape(len(found), -1, self.program.groups)

    @property
    def to_write(self) -> int:
        """Cycles from the last step of a window to its first written word."""
        widths = self.tables.widths
        return TO_WRITE + widths.fire_steps + widths.mixed_weights

    @property
    def to_result(self) -> int:
        """Cycles from a readout's last step of a tile to its first result."""
        return TO_RESULT + self.tables.widths.mixed_weights

    @property
    def tail(self) -> int:
        """Cycles from the last step of the pass to the next pass."""
        return self.to_result + WORD if self.is_readout else self.to_write + self.program.groups

    def trace(self, found: Ints, ends: Ints) -> tuple[Ints, Ints]:
        """Rows (cycle, bank, address, levels)[N, writes, 11] and (cycle, word, values)[N, words, 2 + G]."""
        d, images = self.d, len(found)
        last = ends.reshape(images, d.blocks, d.tiles, d.columns, -1)[..., -1]
        if self.is_readout:
            values = self.result_words(found)
            cycle = (last[..., None] + self.to_result + np.arange(WORD)).reshape(images, -1, 1)
            number = np.broadcast_to(d.out + np.arange(values.shape[1])[:, None], cycle.shape)
            return np.zeros((images, 0, 11), np.int64), np.concatenate([cycle, number, values], axis=2)
        return self._writes(found, last), np.zeros((images, 0, 2 + self.program.groups), np.int64)

    def _writes(self, found: Ints, last: Ints) -> Ints:
        """In the order in which they happen: block, tile, column, group."""
        group = np.arange(self.program.groups).reshape(self.program.slots, self.d.group_words)
        cycle = last[..., None, None] + self.to_write + group
        bank, address = self.targets
        parts = [bank[..., None], address[..., None], found]
        ordered = [self._ordered(np.broadcast_to(part, (*found.shape[:5], part.shape[-1]))) for part in parts]
        rows = np.concatenate([cycle[..., None], *ordered], axis=-1)
        kept = self._ordered(self.written[None, ..., None])[0, ..., 0]
        return rows[:, kept]

    def _ordered(self, values: NDArray[Any]) -> NDArray[Any]:
        """`[N, tile, slot, column, block * Gc, k]` as `[N, block, tile, column, slot, Gc, k]`."""
        split = values.reshape(*values.shape[:4], self.d.blocks, self.d.group_words, values.shape[-1])
        return split.transpose(0, 4, 1, 3, 2, 5, 6)
