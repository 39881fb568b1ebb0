"""Which core holds which neurons: the fewest cores first, then the least spike traffic.

Units are taken from the outputs to the inputs, so that the axons that leave a box are known when it is
placed. A unit is cut into the tiles that fill the fewest cores, counting those that its sources would need
more for the axons of their neurons; a box that has no room is cut again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

import numpy as np
from numpy.typing import NDArray

from snncc.cores.demand import Demands, neurons_read, size_of
from snncc.cores.infeasible import infeasible
from snncc.cores.packing import Bin, Bins, Packing, check_number
from snncc.cores.tiles import Choice, Tiling, boxes_of, total, within
from snncc.cores.units import Network, Unit
from snncc_ir.errors import TargetError
from snncc_ir.plan import RESOURCES, Box, CoreUse, Resource, Slice, Usage
from snncc_ir.progress import Progress, silent

SMALLEST_CUT = 0.05
"""Share of a box that is worth cutting off to fill a core."""


FAR = 1.5
"""Cores over the lower bound beyond which no other packing is tried: what they lack is not filling."""

CLOSE = 0.05
"""The same within which none is: one core, or this share."""

MANY = 500
"""Cores beyond which boxes are not cut to fill others: it takes as long again, and gains a few percent."""


@dataclass(frozen=True)
class Partition:
    """Cores with their slices, spikes that end in them per image, and what bound the tiles of each unit.

    `fan_out` are the axons of each neuron that end in slices.
    """

    cores: tuple[CoreUse, ...]
    traffic: float
    bounds: Usage
    limits: dict[str, Resource]
    fan_out: NDArray[np.int64]


def limits_of(network: Network) -> Usage:
    """What a core has of each resource."""
    core = network.core
    return (
        core.compartments.value,
        core.synapse_words.value,
        core.input_axons.value,
        core.output_axons.value,
        core.populations.value,
        core.projections.value,
    )


def partition(
    network: Network,
    rates: NDArray[np.float32],
    charges: Mapping[str, float],
    bounds: Usage,
    progress: Progress = silent,
) -> Partition:
    """Cut and pack the network; `rates` are the spikes of every neuron per image.

    `progress` hears of the units that are placed, and never of the last: the cores have no place yet.

    `bounds` are the cores that each resource needs at least. `charges` are what an output axon of a unit
    counts, 1 where none is given: more where many of them leave their chip.
    Raises TargetError where no core can hold a single neuron, or too many are needed.
    """
    check_number(max(bounds))
    least = max(bounds)

    def attempt(packing: Packing) -> Partition:
        return _Partitioner(network, rates, charges, packing).run(bounds, progress)

    found = attempt(Packing.PLAIN)
    if len(found.cores) <= least or least > MANY or len(found.cores) > 1 + FAR * least:
        return found
    for packing in (Packing.CUTTING, Packing.SPREADING):
        found = min(found, attempt(packing), key=lambda one: (len(one.cores), one.traffic))
        if len(found.cores) <= least + max(1, CLOSE * least):
            break
    return found


@dataclass
class _Partitioner:
    network: Network
    rates: NDArray[np.float32]
    charges: Mapping[str, float]
    packing: Packing
    limit_of: dict[str, Resource] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.limits = limits_of(self.network)
        self.demands = Demands(self.network)
        self.tiling = Tiling(self.demands, self.limits)
        self.bins = Bins(self.limits)
        self.fan_out = np.zeros(self.network.neurons, dtype=np.int64)
        self.expected = self._least_axons()

    def run(self, bounds: Usage, progress: Progress) -> Partition:
        """Place all units."""
        if self.packing is Packing.SPREADING:
            self.bins = Bins(self.limits, max(bounds))
        traffic = 0.0
        units = tuple(reversed(self.network.units))
        for done, unit in enumerate(units, start=1):
            placed = self._place_unit(unit) if unit.compartments else []
            traffic += self._connect(unit, placed)
            progress(done, len(units) + 1)
        return Partition(self.bins.cores, traffic, bounds, self.limit_of, self.fan_out)

    def _least_axons(self) -> dict[str, int]:
        """Axons that leave each unit at least; what its readers take beyond is added as they are placed."""
        found = dict.fromkeys(self.network.by_name, 0)
        for unit in self.network.units:
            for read in unit.reads:
                for name, number in self.sources(read.elements).items():
                    found[name] += min(number, read.least)
        return found

    def sources(self, elements: NDArray[np.int32]) -> dict[str, int]:
        """The units behind a value, and how many of its elements are theirs."""
        firsts = np.array([unit.first for unit in self.network.units])
        there = elements[elements >= 0]
        owners = np.bincount(np.searchsorted(firsts, there, side="right") - 1, minlength=len(firsts))
        return {self.network.units[i].name: int(owners[i]) for i in np.flatnonzero(owners)}

    def _place_unit(self, unit: Unit) -> list[Box]:
        choice = self._choose(unit)
        placed: list[Box] = []
        fan_out = self._fan_out(unit)
        boxes = boxes_of(unit.shape, choice.tile)
        if len({size_of(box) for box in boxes}) > 1:
            boxes.sort(key=size_of, reverse=True)
        for box in boxes:
            self._place(unit, box, fan_out, placed)
        return placed

    def _fan_out(self, unit: Unit) -> NDArray[np.int64]:
        return self.fan_out[unit.first : unit.first + unit.size].reshape(unit.shape)

    def _choose(self, unit: Unit) -> Choice:
        """The tile that costs the fewest cores here and at the sources, and then the fewest axons."""
        choices = self.tiling.choices(unit, self._most(unit))

        def cost(choice: Choice) -> tuple[float, int, int]:
            more = self._pressure(unit, choice) if len(choices) > 1 else 0.0
            return round(choice.cores + more, 3), choice.axons, choice.boxes

        return min(choices, key=cost)

    def _most(self, unit: Unit) -> int:
        """Neurons of a core if all have as many output axons as they have in the mean."""
        axons = int(self._fan_out(unit).sum()) * self.charges.get(unit.name, 1.0) / unit.size + unit.selves
        by_axons = int(self.limits[3] / axons) if axons else unit.size
        return max(1, min(self.limits[0] // unit.compartments, by_axons))

    def _pressure(self, unit: Unit, choice: Choice) -> float:
        """Cores that the sources would need more, as their neurons would take so many axons."""
        least = sum(read.least for read in unit.reads) or 1
        more = choice.axons / least - 1
        found = 0.0
        for read in unit.reads:
            for name, number in self.sources_of_read(read.name, read.elements).items():
                source = self.network.by_name[name]
                if source.compartments:
                    axons = (self.expected[name] + more * number) * self.charges.get(
                        name, 1.0
                    ) + source.size * source.selves
                    needed = source.size * source.compartments / self.limits[0]
                    found += max(0.0, axons / self.limits[3] - needed)
        return found

    def sources_of_read(self, name: str, elements: NDArray[np.int32]) -> dict[str, int]:
        """The same, remembered by the read's name."""
        if name not in self._known:
            self._known[name] = self.sources(elements)
        return self._known[name]

    _known: dict[str, dict[str, int]] = field(default_factory=dict)

    def _place(self, unit: Unit, box: Box, fan_out: NDArray[np.int64], placed: list[Box]) -> None:
        usage = self._usage(unit, box, fan_out)
        if not self._holds(unit, box, usage):
            for part in self._halves(unit, box, usage):
                self._place(unit, part, fan_out, placed)
            return
        bin_ = self.bins.best(usage)
        if bin_ is None and self.packing is not Packing.PLAIN:
            parts = self._fill(unit, box, fan_out)
            if parts:
                for part in parts:
                    self._place(unit, part, fan_out, placed)
                return
        self.bins.add(Slice(unit.name, box), usage, bin_)
        self._note(unit, usage)
        placed.append(box)

    def _note(self, unit: Unit, usage: Usage) -> None:
        """Remember which resource a unit's fullest box came nearest to."""
        fill = [used / limit for used, limit in zip(usage[:4], self.limits[:4], strict=True)]
        self.limit_of.setdefault(unit.name, RESOURCES[fill.index(max(fill))])

    def _usage(self, unit: Unit, box: Box, fan_out: NDArray[np.int64]) -> Usage:
        axons = int(fan_out[tuple(slice(*axis) for axis in box)].sum())
        return self.demands.of(unit, box, ceil(axons * self.charges.get(unit.name, 1.0)))

    def _holds(self, unit: Unit, box: Box, usage: Usage) -> bool:
        longest = self.network.core.list_words.value
        return within(usage, self.limits) and self.demands.longest_list(unit, box) <= longest

    def _halves(self, unit: Unit, box: Box, usage: Usage) -> list[Box]:
        """A box that no core holds, cut along the axis that gives its sources the fewest axons more."""
        lengths = [stop - start for start, stop in box]
        if max(lengths) == 1:
            raise self._infeasible(unit, box, usage)
        halves = [_cut(box, axis, (lengths[axis] + 1) // 2) for axis in range(3) if lengths[axis] > 1]
        return min(halves, key=lambda parts: sum(self.demands.of(unit, part, 0)[2] for part in parts))

    def _fill(self, unit: Unit, box: Box, fan_out: NDArray[np.int64]) -> list[Box]:
        """A box cut so that its first part fits an open core; empty where that is not worth it."""
        for bin_ in self.bins.roomiest()[:4]:
            best: tuple[int, list[Box]] = (0, [])
            for axis in (1, 2, 0):
                length = self._longest(unit, box, axis, bin_, fan_out)
                size = length * size_of(box) // (box[axis][1] - box[axis][0])
                if size > best[0]:
                    best = size, _cut(box, axis, length)
            if best[0] >= max(1, SMALLEST_CUT * size_of(box)):
                return best[1]
        return []

    def _longest(self, unit: Unit, box: Box, axis: int, bin_: Bin, fan_out: NDArray[np.int64]) -> int:
        """Length of the longest part along an axis that fits a core beside what it holds; less than all."""
        low, high = 0, box[axis][1] - box[axis][0] - 1
        while low < high:
            middle = (low + high + 1) // 2
            part = _cut(box, axis, middle)[0]
            if within(total(bin_.usage, self._usage(unit, part, fan_out)), self.limits):
                low = middle
            else:
                high = middle - 1
        return low

    def _connect(self, unit: Unit, placed: list[Box]) -> float:
        """Note the axons into the boxes of a unit; gives the spikes that arrive there."""
        arriving = 0.0
        for read in unit.reads:
            axons = 0
            for box in placed:
                ids = neurons_read(read, box)
                np.add.at(self.fan_out, ids, 1)
                arriving += float(self.rates[ids].sum())
                axons += len(ids)
            for name, number in self.sources_of_read(read.name, read.elements).items():
                share = number / max(1, int((read.elements >= 0).sum()))
                self.expected[name] += int((axons - read.least) * share)
        return arriving

    def _infeasible(self, unit: Unit, box: Box, usage: Usage) -> TargetError:
        return infeasible(self.network, unit, usage, self.limits, self.demands.longest_list(unit, box))


def _cut(box: Box, axis: int, length: int) -> list[Box]:
    """A box in two parts, the first of `length` along an axis."""
    start, stop = box[axis]
    parts = ((start, start + length), (start + length, stop))
    cut = [(*box[:axis], part, *box[axis + 1 :]) for part in parts]
    return [(part[0], part[1], part[2]) for part in cut]
