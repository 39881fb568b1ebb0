"""One pass of the cycle simulator: what it reads, adds up, fires and writes, for many images at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_backends.fpga.planning.maps import BYTE_SHIFT, PACKED_WORD, WORD
from snncc_backends.fpga.simulator.costs import TileCosts
from snncc_backends.fpga.simulator.map_memory import MapMemory, level_kind
from snncc_backends.fpga.simulator.timing import tail, to_result, to_write
from snncc_backends.fpga.tables.memory import Memory
from snncc_backends.fpga.tables.program import PassProgram, Reading
from snncc_backends.fpga.tables.tables import Tables
from snncc_ir.tensors import Ints

CACHED = 1 << 18
"""Levels that are multiplied at once: more would leave the cache before they are used."""


@dataclass(frozen=True, kw_only=True)
class Writes:
    """The words that a pass writes, in order.

    Word number `order[i]` of the levels that it fires goes to `addresses[i]` of `banks[i]`, and if that is a
    packed map's to its byte `parts[i]`, `late[i]` cycles after the last step of window `windows[i]`.
    """

    order: Ints
    banks: Ints
    addresses: Ints
    parts: Ints
    windows: Ints
    late: Ints


class PassRunner:
    """One pass: what is read, multiplied and written, prepared once for all images."""

    def __init__(self, program: PassProgram, tables: Tables, number: int) -> None:
        self.program, self.tables, self.number = program, tables, number
        self.d = program.descriptor
        self.shape = tables.passes[number].split.task.shape
        self.name = tables.passes[number].split.task.name
        self.is_readout = self.d.is_readout
        self.costs = TileCosts(program)
        varies = not self.d.binary and any(program.row_windows["own"].reshape(-1))
        self.readings = [program.readings(block) for block in range(self.d.blocks if varies else 1)]

    def with_memories(self, memories: Mapping[str, Memory]) -> PassRunner:
        """The same pass with other weights, neurons or breakpoints; all else is taken as it is."""
        found = copy(self)
        for name in ("matrices", "neurons", "is_tabled"):
            vars(found).pop(name, None)
        found.program = PassProgram(memories, self.program.widths, self.number)
        return found

    def _readings(self, block: int) -> tuple[Reading, ...]:
        return self.readings[block if len(self.readings) > 1 else 0]

    @property
    def kind(self) -> type[np.floating[Any]]:
        """A floating type that holds every sum exactly: digits of wide weights may exceed the final sum."""
        digits = self.program.row_windows["shift"].any()
        return np.float64 if digits or self.tables.widths.potential > 24 else np.float32

    @cached_property
    def matrices(self) -> list[NDArray[Any]]:
        """Per projection the weights `[slots, i * j * 8, blocks * Gc * 8]`; one slot if all have the same."""
        if self.d.binary:
            return [self._bit_matrix(p) for p in range(self.d.projections)]
        found = []
        for p in range(self.d.projections):
            lanes = np.stack(
                [
                    self.program.lane_weights(self._readings(block)[p], block)
                    for block in range(self.d.blocks)
                ],
                axis=4,
            )
            shaped = lanes.reshape(self.program.slots, self.d.group_words, -1, self.d.blocks, WORD)
            columns = shaped.transpose(0, 2, 3, 1, 4).reshape(self.program.slots, shaped.shape[2], -1)
            if (columns == columns[:1]).all():
                columns = columns[:1]
            found.append(np.ascontiguousarray(columns, dtype=self.kind))
        return found

    def _bit_matrix(self, p: int) -> NDArray[Any]:
        reading = self._readings(0)[p]
        blocks = [self.program.lane_bits(reading, block) for block in range(self.d.blocks)]
        whole = np.concatenate(blocks, axis=-1)
        return np.ascontiguousarray(whole.reshape(1, -1, whole.shape[-1]), dtype=self.kind)

    @cached_property
    def neurons(self) -> tuple[Ints, Ints, Ints]:
        """Thresholds, biases, places in `breaks` `[slots, rows or 1, columns or 1, blocks * Gc * 8]`."""
        parts = [self.program.neurons(block) for block in range(self.d.blocks)]
        theta, bias, places = (np.stack([part[kind] for part in parts], axis=3) for kind in (0, 1, 2))
        kind = np.int64 if self.kind is np.float64 else np.int32
        return self._by_slot(theta).astype(kind), self._by_slot(bias).astype(kind), self._by_slot(places)

    def _by_slot(self, values: Ints) -> Ints:
        _, rows, columns, blocks, lanes = values.shape
        shaped = values.reshape(self.program.slots, self.d.group_words, rows, columns, blocks, lanes)
        return shaped.transpose(0, 2, 3, 4, 1, 5).reshape(self.program.slots, rows, columns, -1)

    def times(self, memory: MapMemory) -> Ints:
        """T of every tile `[N, blocks, row tiles, columns, window rows, window columns]`."""
        times = self.costs.times(memory.used)
        return np.broadcast_to(times[:, None], (len(times), self.d.blocks, *times.shape[1:]))

    def sums(
        self, memory: MapMemory, images: slice, matrices: Sequence[NDArray[Any]] | None = None
    ) -> NDArray[Any]:
        """U `[images, slots, tile rows, columns, blocks * Gc * 8]`, integers in a floating type.

        `matrices` stand in for those of the pass.
        """
        matrices = self.matrices if matrices is None else matrices
        total: NDArray[Any] | float = 0.0
        for p in range(self.d.projections):
            if self._readings(0)[p].shift:
                total = total * (1 << self.program.widths.weight - 1)
            total = total + self._products(memory, p, images, matrices[p])
        return np.asarray(total)

    def _products(self, memory: MapMemory, p: int, images: slice, matrices: NDArray[Any]) -> NDArray[Any]:
        width = matrices.shape[2] // len(self.readings)
        parts = []
        for block, readings in enumerate(self.readings):
            levels = self._levels(memory, readings[p], images)
            columns = matrices[:, :, block * width : (block + 1) * width]
            if len(columns) == 1:
                products = levels.reshape(-1, columns.shape[1]) @ columns[0]
            else:
                products = levels.reshape(*levels.shape[:2], -1, columns.shape[1]) @ columns
            parts.append(products.reshape(*levels.shape[:4], width))
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)

    def _levels(self, memory: MapMemory, reading: Reading, images: slice) -> NDArray[Any]:
        """`[images, slots, tile rows, columns, i, j * 8]`: what is multiplied."""
        if self.d.binary:
            planes = self.tables.widths.level if self.d.planes else 8
            bits = memory.bits(reading.places, reading.masks, planes, images)
            return bits.reshape(*bits.shape[:5], -1).astype(self.kind, copy=False)
        levels = memory.words(reading.places, images)
        if not (reading.masks == 255).all():
            taken = np.unpackbits(reading.masks[..., None], axis=-1, bitorder="little")
            levels *= taken[:, None, :, :]
        return levels.reshape(*levels.shape[:5], -1).astype(self.kind, copy=False)

    def fire(self, memory: MapMemory) -> NDArray[Any]:
        """`[N, row tiles, rows, columns, blocks * Gc, 8]`: the levels, of readouts the potentials."""
        images = self._parts(len(memory.levels))
        return self.pooled(np.concatenate([self.levels(self.sums(memory, part)) for part in images]))

    def pooled(self, v: NDArray[Any]) -> NDArray[Any]:
        """The greatest level of every window, of what `levels` gave; the same shape as `fire` gives."""
        d, images = self.d, len(v)
        rows = self.program.slots // d.merge
        shaped = v.reshape(images, rows, d.merge, d.tiles, d.window[0], d.columns, d.window[1], -1)
        alone = d.window == (1, 1) and d.merge == 1
        pooled = shaped[:, :, 0, :, 0, :, 0] if alone else shaped.max(axis=(2, 4, 6))
        return pooled.swapaxes(1, 2).reshape(images, d.tiles, rows, d.columns, -1, WORD)

    def levels(self, sums: NDArray[Any]) -> NDArray[Any]:
        """`[images, slots, tile rows, columns, lanes]` of all window positions; of readouts U + bias."""
        theta, bias, _ = self.neurons
        v = sums.astype(bias.dtype) + bias
        if self.is_readout:
            return np.asarray(v)
        found = self._searched(v) if self.is_tabled else np.maximum(v // np.maximum(theta, 1), 0)
        return (self.d.lo + np.minimum(found, self.d.top)).astype(level_kind(self.tables))

    @cached_property
    def is_tabled(self) -> bool:
        """Whether some neuron has thresholds that are not evenly spaced."""
        if self.is_readout or not self.tables.widths.table_rows:
            return False
        span = 1 << self.tables.widths.fire_steps
        return bool(self.program.breaks.reshape(-1, span)[np.unique(self.neurons[2]) // span].any())

    def _searched(self, v: NDArray[Any]) -> Ints:
        """The greatest q with v >= q theta + correction q, a bit at a time from the highest."""
        theta, _, places = self.neurons
        breaks = self.program.breaks.reshape(-1)
        found = np.zeros(v.shape, dtype=np.int64)
        for step in range(self.tables.widths.fire_steps - 1, -1, -1):
            trial = found + (1 << step)
            found = np.where(v >= trial * theta.astype(np.int64) + breaks[places + trial], trial, found)
        return found

    def _parts(self, images: int) -> list[slice]:
        """As many images at once as a cache holds the levels of."""
        width = PACKED_WORD if self.d.binary else WORD
        most = max(reading.places.size for reading in self.readings[0]) * width
        step = max(1, CACHED // most)
        return [slice(first, first + step) for first in range(0, images, step)]

    @cached_property
    def writes(self) -> Writes:
        """What is written, in order: block, tile, column, row, channel word."""
        d, (bank, address, valid) = self.d, self.program.targets
        rows = self.program.slots // d.merge
        shape = (d.tiles, rows, d.columns, d.blocks, d.group_words)
        word = np.arange(d.blocks * d.group_words).reshape(d.blocks, d.group_words)
        column = np.arange(d.columns)[:, None, None]
        place = address[:, :, None, None, None] + column * d.column_step + (word // 8 if d.packs else word)
        part = np.broadcast_to(word % 8 if d.packs else 0, shape)
        kept = valid[:, :, None, None, None].astype(bool) & (word < d.map_words)
        in_order = (3, 0, 2, 1, 4)
        ordered = np.broadcast_to(kept, shape).transpose(in_order)
        group = np.arange(rows)[:, None] * (d.merge * d.group_words) + np.arange(d.group_words)
        window = np.arange(d.blocks * d.tiles * d.columns)
        timed = (len(window), rows, d.group_words)
        ordered_flat = ordered.reshape(timed)
        order = np.arange(place.size).reshape(shape).transpose(in_order)[ordered]
        return Writes(
            order=order,
            banks=np.broadcast_to(bank[:, :, None, None, None], shape).reshape(-1)[order],
            addresses=place.reshape(-1)[order],
            parts=part.reshape(-1)[order],
            windows=np.broadcast_to(window[:, None, None], timed)[ordered_flat],
            late=to_write(self.tables.widths, binary=d.binary) + np.broadcast_to(group, timed)[ordered_flat],
        )

    def written(self, found: NDArray[Any]) -> NDArray[Any]:
        """What `fire` gave as the words `[N, writes, 8]` that are stored."""
        return found.reshape(len(found), -1, WORD)[:, self.writes.order]

    def write(self, memory: MapMemory, words: NDArray[Any]) -> None:
        """Store words."""
        places = self.writes.banks * self.tables.widths.map_words + self.writes.addresses
        if self.d.packs:
            memory.write_bytes(places, self.writes.parts, words)
        else:
            memory.write(places, words)

    def values(self, found: NDArray[Any]) -> NDArray[Any]:
        """What `fire` gave as `[N, C, H, W]`."""
        channels, height, width = self.shape
        image = found.reshape(len(found), -1, width, found.shape[4] * WORD)
        return image[:, :height, :, :channels].transpose(0, 3, 1, 2)

    @property
    def tail(self) -> int:
        """Cycles from the last step of the pass to the next pass."""
        return tail(self.tables.widths, is_readout=self.is_readout, binary=self.d.binary)

    def ends_of_windows(self, ends: Ints) -> Ints:
        """`[N, blocks * tiles * columns]`: the last steps of the last tiles of windows."""
        return ends.reshape(len(ends), -1, self.d.window[0] * self.d.window[1])[..., -1]

    def trace_words(self, rows: NDArray[np.int32], words: NDArray[Any], ends: Ints) -> None:
        """Fill rows (cycle, bank, address, levels) `[N, writes, 11]`."""
        rows[..., 0] = self.ends_of_windows(ends)[:, self.writes.windows] + self.writes.late
        rows[..., 1] = self.writes.banks
        rows[..., 2] = self.writes.addresses | self.writes.parts << BYTE_SHIFT
        rows[..., 3:] = words

    def trace_results(self, found: NDArray[Any], ends: Ints) -> Ints:
        """Rows (cycle, word, values) `[N, words, 2 + G]` of a readout: block, tile, column, lane."""
        images, groups = len(found), self.program.groups
        split = found.reshape(*found.shape[:4], self.d.blocks, self.d.group_words, WORD)
        values = split.transpose(0, 4, 1, 3, 6, 2, 5).reshape(images, -1, groups)
        rows = np.empty((*values.shape[:2], 2 + groups), dtype=np.int64)
        late = to_result(self.tables.widths, binary=self.d.binary) + np.arange(WORD)
        rows[..., 0] = (self.ends_of_windows(ends)[..., None] + late).reshape(images, -1)
        rows[..., 1] = self.d.out + np.arange(values.shape[1])
        rows[..., 2:] = values
        return rows
