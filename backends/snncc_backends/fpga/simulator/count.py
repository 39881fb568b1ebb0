"""Cycles from level maps alone: no sum is computed, and all images are counted at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_backends.fpga.planning.maps import WORD, LevelMap
from snncc_backends.fpga.simulator.costs import Bytes, TileCosts
from snncc_backends.fpga.simulator.timing import START, overhead
from snncc_backends.fpga.tables.program import PassProgram
from snncc_backends.fpga.tables.tables import Tables
from snncc_ir.tensors import Ints


@dataclass(frozen=True, kw_only=True)
class Count:
    """Clock cycles of N images: `cycles[N]`, and `pass_cycles[N, passes]` of every pass."""

    cycles: Ints
    pass_cycles: Ints


@dataclass(frozen=True, kw_only=True)
class Stalls:
    """A pass's `cycles[N]`, and those of them in which no lane multiplies.

    `zeros[N]` pass over words without a level, `waits[N]` are tiles that end before the neurons of the tile
    before have fired, `overhead[N]` is the beginning and the end of the pass.
    """

    cycles: Ints
    zeros: Ints
    waits: Ints
    overhead: Ints


class CycleCounter:
    """Counts the cycles of images whose levels are known, by the closed form."""

    def __init__(self, tables: Tables) -> None:
        """Read the program; nothing is counted yet."""
        self.tables = tables
        programs = [
            PassProgram(tables.memories, tables.widths, number) for number in range(len(tables.passes))
        ]
        self.costs = [TileCosts(program) for program in programs]
        self.stores = {
            name: _Store(level_map, tables) for name, level_map in tables.maps.items() if not level_map.packed
        }

    def count(self, levels: Mapping[str, NDArray[Any]]) -> Count:
        """Cycles for `levels[name][N, *shape]` of every input and of every map (`tables.maps`)."""
        spans = [cost.total(used) + self._overhead(cost) for cost, used in self._passes(levels)]
        pass_cycles = np.stack(spans, axis=1)
        return Count(cycles=START + pass_cycles.sum(axis=1), pass_cycles=pass_cycles)

    def stalls(self, levels: Mapping[str, NDArray[Any]]) -> tuple[Stalls, ...]:
        """Where the cycles of every pass go, for levels as of `count`."""
        found = []
        for cost, used in self._passes(levels):
            zeros, waits = cost.stalls(used)
            late = np.broadcast_to(self._overhead(cost), zeros.shape)
            found.append(Stalls(cycles=cost.total(used) + late, zeros=zeros, waits=waits, overhead=late))
        return tuple(found)

    def _overhead(self, cost: TileCosts) -> int:
        return overhead(self.tables.widths, is_readout=cost.d.is_readout, binary=cost.d.binary)

    def _passes(self, levels: Mapping[str, NDArray[Any]]) -> Iterator[tuple[TileCosts, Bytes]]:
        """Every pass, with the words that have levels when it runs."""
        widths = self.tables.widths
        images = len(next(iter(levels.values())))
        used = np.zeros((widths.groups * widths.map_words + 1, images), dtype=np.uint8)
        computed = {item.split.task.name for item in self.tables.passes}
        for name in self.stores.keys() - computed:
            self.stores[name].write(used, levels[name])
        for cost, item in zip(self.costs, self.tables.passes, strict=True):
            yield cost, used
            if not (cost.d.is_readout or cost.d.packs):
                self.stores[item.split.task.name].write(used, levels[item.split.task.name])


class _Store:
    """Which words of the banks a map's levels fill."""

    def __init__(self, level_map: LevelMap, tables: Tables) -> None:
        bank, address, _ = level_map.places()
        self.map = level_map
        starts = bank[0, :, 0] * tables.widths.map_words + address[0, :, 0]
        self.rows = starts[:, None] + np.arange(level_map.pitch)

    def write(self, used: Bytes, levels: NDArray[Any]) -> None:
        """Set the bits of the levels `[N, *shape]` that are not 0, and clear those of the others."""
        images = self.map.stored(levels != 0).view(np.uint8)
        pixels = _joined(images, 1, min(self.map.pixel, WORD), 1)
        words = (
            pixels if self.map.pixel >= WORD else _joined(pixels, 3, WORD // self.map.pixel, self.map.pixel)
        )
        by_row = words.transpose(2, 3, 1, 0)
        used[self.rows] = by_row.reshape(*self.rows.shape, -1)


def _joined(bits: Bytes, axis: int, count: int, width: int) -> Bytes:
    """Each `count` neighbours of `width` bits along an axis as one number, the first in the low bits."""
    parts = np.moveaxis(bits, axis, 0)
    found = np.zeros((-(-len(parts) // count), *parts.shape[1:]), dtype=np.uint8)
    for turn in range(count):
        part = parts[turn::count]
        found[: len(part)] |= part << np.uint8(turn * width)
    return np.moveaxis(found, 0, axis)
