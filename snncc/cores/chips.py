"""Which chip holds which cores: consecutive ones in the order of the network, cut where little crosses."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import ceil

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Traffic:
    """Spikes per image, and axons, from core `source[e]` to core `target[e]`."""

    source: Ints
    target: Ints
    spikes: Reals
    axons: Ints


@dataclass(frozen=True)
class Room:
    """Output axons that the cores use without any crossing, those that a core has, what a crossing costs."""

    used: Ints
    limit: int
    crossing: int


def assign_chips(cores: int, size: int, traffic: Traffic, room: Room) -> Ints:
    """The chip of every core, of as few chips of `size` cores as there can be.

    Spikes that cross are few; first of all no core gets more output axons than it has, if there is a way.
    """
    chips = ceil(cores / size)
    if chips == 1:
        return np.zeros(cores, dtype=np.int64)
    cost = _cut_costs(cores, traffic, room)
    cuts = _cheapest_cuts(cores, size, chips, cost)
    chip = np.zeros(cores, dtype=np.int64)
    for number, (start, stop) in enumerate(pairwise([0, *cuts, cores])):
        chip[start:stop] = number
    return chip


def _cut_costs(cores: int, traffic: Traffic, room: Room) -> Reals:
    """Cost of a cut in front of every core: crossing spikes, and far more for axons that have no room."""
    low = np.minimum(traffic.source, traffic.target)
    high = np.maximum(traffic.source, traffic.target)
    steps = np.zeros(cores + 1)
    np.add.at(steps, low + 1, traffic.spikes)
    np.add.at(steps, high + 1, -traffic.spikes)
    spikes = steps.cumsum()[:cores]
    return np.asarray(spikes + _overflow(cores, traffic, room) * (1.0 + float(traffic.spikes.sum())))


def _overflow(cores: int, traffic: Traffic, room: Room) -> Reals:
    """Output axons beyond the limit of any core, for a cut in front of every core."""
    found = np.zeros(cores)
    order = np.argsort(traffic.source, kind="stable")
    bounds = np.searchsorted(traffic.source[order], np.arange(cores + 1))
    for core in range(cores):
        edges = order[bounds[core] : bounds[core + 1]]
        steps = np.zeros(cores + 1, dtype=np.int64)
        targets, axons = traffic.target[edges], traffic.axons[edges] * room.crossing
        if int(room.used[core] + axons.sum()) <= room.limit:
            continue
        np.add.at(steps, np.minimum(core, targets) + 1, axons)
        np.add.at(steps, np.maximum(core, targets) + 1, -axons)
        found += np.maximum(0, steps.cumsum()[:cores] + room.used[core] - room.limit)
    return found


def _cheapest_cuts(cores: int, size: int, chips: int, cost: Reals) -> list[int]:
    """The first core of every chip but the first, at the least cost together."""
    best = np.full(cores + 1, np.inf)
    best[: size + 1] = 0.0
    last = np.zeros((chips, cores + 1), dtype=np.int32)
    for chip in range(1, chips):
        before, best = best, np.full(cores + 1, np.inf)
        left = (chips - 1 - chip) * size  # cores that the chips behind this one can hold
        for stop in range(max(chip + 1, cores - left), min(cores, (chip + 1) * size) + 1):
            starts = np.arange(max(chip, stop - size), stop)
            sums = before[starts] + cost[starts]
            least = int(sums.argmin())
            best[stop], last[chip, stop] = sums[least], starts[least]
    cuts, stop = [], cores
    for chip in range(chips - 1, 0, -1):
        stop = int(last[chip, stop])
        cuts.append(stop)
    return cuts[::-1]
