"""Which tiles a unit can be cut into: the largest boxes that fit a core, the cheapest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from snncc.cores.demand import Demands, size_of
from snncc.cores.units import Unit
from snncc_ir.plan import Box, Interval, Usage

Tile = tuple[int, int, int]
"""Channels, rows and columns."""


@dataclass(frozen=True)
class Choice:
    """A tile with the cores that its boxes would fill, and the axons that end in them."""

    tile: Tile
    cores: float
    axons: int


def intervals(size: int, tile: int) -> list[Interval]:
    """An axis cut into intervals of `tile`, the last one shorter."""
    return [(start, min(start + tile, size)) for start in range(0, size, tile)]


def boxes_of(shape: tuple[int, int, int], tile: Tile) -> list[Box]:
    """The boxes of a unit cut into tiles."""
    axes = (intervals(size, part) for size, part in zip(shape, tile, strict=True))
    return [(channels, rows, columns) for channels, rows, columns in product(*axes)]


class Tiling:
    """Finds tiles, and remembers what recurs."""

    def __init__(self, demands: Demands, limits: Usage) -> None:
        self.demands, self.limits = demands, limits
        self._choices: dict[tuple[object, ...], list[Choice]] = {}

    def choices(self, unit: Unit, most: int) -> list[Choice]:
        """Tiles of at most so many neurons that fit a core by all but the axons that leave them."""
        key = (*unit.signature, most)
        if key not in self._choices:
            tiles = dict.fromkeys(self._tiles(unit, most))
            self._choices[key] = [self._choice(unit, tile, most) for tile in tiles] or [
                Choice((1, 1, 1), unit.size, 0)
            ]
        return self._choices[key]

    def _tiles(self, unit: Unit, most: int) -> Iterator[Tile]:
        channels, rows, columns = (_sizes(size) for size in unit.shape)
        for channel, row in product(channels, rows):
            narrow = [size for size in columns if channel * row * size <= most]
            fitting = self._widest(unit, (channel, row), narrow)
            if fitting:
                yield channel, row, fitting

    def _widest(self, unit: Unit, sides: tuple[int, int], columns: list[int]) -> int:
        """Columns of the widest tile that fits; 0 where none does."""
        low, high = 0, len(columns)  # columns grow
        while low < high:
            middle = (low + high) // 2
            if self._fits(unit, (*sides, columns[middle])):
                low = middle + 1
            else:
                high = middle
        return columns[low - 1] if low else 0

    def _fits(self, unit: Unit, tile: Tile) -> bool:
        if tile[0] * tile[1] * tile[2] * unit.compartments > self.limits[0]:
            return False
        inner: list[Interval] = []
        for size, part in zip(unit.shape, tile, strict=True):
            start = min(size - part, part * ((size // part) // 2))
            inner.append((start, start + part))
        return self.fits((inner[0], inner[1], inner[2]), unit)

    def fits(self, box: Box, unit: Unit, output_axons: int = 0) -> bool:
        """True where a core can hold the box."""
        usage = self.demands.of(unit, box, output_axons)
        longest = self.demands.core.list_words.value
        return within(usage, self.limits) and self.demands.longest_list(unit, box) <= longest

    def _choice(self, unit: Unit, tile: Tile, most: int) -> Choice:
        """Boxes of one shape share cores only with boxes as small: n of them fit a core or do not."""
        cores, axons = 0.0, 0
        for number, box in _kinds_of_box(unit.shape, tile):
            usage = self.demands.of(unit, box, 0)
            fill = max(used / limit for used, limit in zip(usage, self.limits, strict=True))
            fill = max(fill, size_of(box) / most)
            cores += number / max(1, int(1 / fill + 1e-9))
            axons += number * usage[2]
        return Choice(tile, cores, axons)


def within(usage: Usage, limits: Usage) -> bool:
    """True where every resource is enough."""
    return all(used <= limit for used, limit in zip(usage, limits, strict=True))


def total(a: Usage, b: Usage) -> Usage:
    """Usage of two together."""
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3], a[4] + b[4], a[5] + b[5])


def _sizes(size: int) -> list[int]:
    """Tile sizes that cut an axis as evenly as they can, growing."""
    return sorted({-(-size // parts) for parts in range(1, size + 1)})


def _kinds_of_box(shape: tuple[int, int, int], tile: Tile) -> list[tuple[int, Box]]:
    """A box of each kind (first, inner, last along every axis), and how many there are of it."""
    axes = []
    for size, part in zip(shape, tile, strict=True):
        all_of_axis = intervals(size, part)
        kinds = [(1, all_of_axis[0])]
        if len(all_of_axis) > 2:
            kinds.append((len(all_of_axis) - 2, all_of_axis[len(all_of_axis) // 2]))
        if len(all_of_axis) > 1:
            kinds.append((1, all_of_axis[-1]))
        axes.append(kinds)
    return [(a * b * c, (x, y, z)) for (a, x), (b, y), (c, z) in product(*axes)]
