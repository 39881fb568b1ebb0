"""Cores onto the meshes of chips, so that spikes travel little."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from snncc.cores.chips import Traffic
from snncc_ir.machine import Mesh
from snncc_ir.plan import Place

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]

NEAREST = 6
"""Routers that are tried for a core, those first where its spikes would travel least."""

PASSES = 30
"""Times that every core is tried at most."""

MANY = 600
"""Cores beyond which fewer passes are made, so that the time grows with their number alone."""

SHUFFLED = 600
"""Cores, in all, that are tried from random orders as well: small networks have many local optima."""

MOST_STARTS = 20
"""Random orders at most."""

ENOUGH = 1e-3
"""Share of the cost that a pass must save for another to follow."""


UNUSED = 1e-9
"""Share of the busiest link's spikes below which a link carries none: sums of floats leave that much."""


@dataclass(frozen=True)
class Link:
    """Spikes per image that a router sends to its neighbour, on the same chip or the next."""

    start: Place
    stop: Place
    spikes: float


@dataclass(frozen=True)
class Placement:
    """The place of each core, the links that carry spikes; spikes times hops per image, the busiest link.

    The figures called row-major are those of the same cores in row-major order.
    """

    places: tuple[Place, ...]
    links: tuple[Link, ...]
    hops: float
    row_major_hops: float
    row_major_busiest: float

    @property
    def busiest(self) -> float:
        """Spikes over the link that carries most."""
        return max((link.spikes for link in self.links), default=0.0)


def place(chip: Ints, traffic: Traffic, mesh: Mesh) -> Placement:
    """Place cores that are numbered in the order of the network, each on its chip."""
    row_major = np.arange(len(chip)) // mesh.router_cores.value
    routers = _Routers(mesh, int(chip[-1]) + 1)
    found = _best_of_several(routers, traffic, chip)
    return Placement(
        places=tuple(routers.place(int(router)) for router in found),
        links=tuple(routers.links(found, traffic)),
        hops=routers.cost(found, traffic),
        row_major_hops=routers.cost(row_major, traffic),
        row_major_busiest=max((link.spikes for link in routers.links(row_major, traffic)), default=0.0),
    )


def _best_of_several(routers: _Routers, traffic: Traffic, chip: Ints) -> Ints:
    """The router of every core: the best of a search from the order of the network and from random orders."""
    start, rng = routers.snake(chip), np.random.default_rng(0)
    best = _Search(routers, traffic, chip, start).run()
    for _ in range(min(MOST_STARTS, SHUFFLED // len(chip))):
        shuffled = start[np.lexsort((rng.random(len(chip)), chip))]
        best = min(
            best,
            _Search(routers, traffic, chip, shuffled).run(),
            key=lambda found: routers.cost(found, traffic),
        )
    return best


class _Routers:
    """The routers of chips that stand in a row, numbered row by row and chip by chip."""

    def __init__(self, mesh: Mesh, chips: int) -> None:
        self.mesh, self.columns, self.rows = mesh, mesh.columns.value, mesh.rows.value
        number = np.arange(chips * self.columns * self.rows)
        self.chip = number // (self.columns * self.rows)
        self.row = number % (self.columns * self.rows) // self.columns
        self.column = self.chip * self.columns + number % self.columns

    def place(self, router: int) -> Place:
        chip = int(self.chip[router])
        return Place(chip, int(self.column[router]) - chip * self.columns, int(self.row[router]))

    def distance(self, one: Ints, other: Ints) -> Ints:
        """Hops between routers, a link between chips included."""
        across = np.abs(self.column[one] - self.column[other]) + np.abs(self.row[one] - self.row[other])
        return np.asarray(across + self.mesh.chip_hops.value * np.abs(self.chip[one] - self.chip[other]))

    def cost(self, router: Ints, traffic: Traffic) -> float:
        """Spikes times hops."""
        return float((traffic.spikes * self.distance(router[traffic.source], router[traffic.target])).sum())

    def links(self, router: Ints, traffic: Traffic) -> Iterator[Link]:
        """What every link carries; spikes go along the row first, then along the column."""
        start, stop = router[traffic.source], router[traffic.target]
        along = _loads(self.column[start], self.column[stop], self.row[start], traffic.spikes)
        for row, first, last, spikes in along:
            yield Link(self._at(first, row), self._at(last, row), spikes)
        down = _loads(self.row[start], self.row[stop], self.column[stop], traffic.spikes)
        for column, first, last, spikes in down:
            yield Link(self._at(column, first), self._at(column, last), spikes)

    def _at(self, column: int, row: int) -> Place:
        return Place(column // self.columns, column % self.columns, row)

    def snake(self, chip: Ints) -> Ints:
        """Routers for cores in their order, down one column of their chip and up the next."""
        size = self.columns * self.rows
        order = sorted(
            range(size),
            key=lambda r: (self.column[r], self.row[r] if self.column[r] % 2 == 0 else -self.row[r]),
        )
        starts = np.searchsorted(chip, chip)
        place = (np.arange(len(chip)) - starts) // self.mesh.router_cores.value
        return np.asarray(chip * size + np.array(order)[place])


def _loads(start: Ints, stop: Ints, line: Ints, spikes: Reals) -> Iterator[tuple[int, int, int, float]]:
    """The line, the two ends and the spikes of every link, in its direction, on lines of routers."""
    size, lines = int(max(start.max(initial=0), stop.max(initial=0))) + 1, int(line.max(initial=0)) + 1
    for first, last, onward in ((start, stop, 1), (stop, start, 0)):
        going = first < last
        load = np.zeros((lines, size + 1))
        np.add.at(load, (line[going], first[going]), spikes[going])
        np.add.at(load, (line[going], last[going]), -spikes[going])
        load = load.cumsum(axis=1)
        for row, place in np.argwhere(load > UNUSED * load.max()).tolist():
            yield row, place + 1 - onward, place + onward, float(load[row, place])


class _Search:
    """Local search: each core in turn to where its spikes travel least, in exchange for a core there."""

    def __init__(self, routers: _Routers, traffic: Traffic, chip: Ints, start: Ints) -> None:
        self.routers, self.traffic, self.chip = routers, traffic, chip
        self.size = routers.columns * routers.rows
        self.slots = routers.mesh.router_cores.value
        self.neighbours = _neighbours(traffic, len(chip))
        self.router = start.copy()
        self.members: list[list[int]] = [[] for _ in routers.chip]
        for core, router in enumerate(self.router):
            self.members[router].append(core)

    def run(self) -> Ints:
        """The router of every core."""
        cores = len(self.router)
        passes = PASSES if cores <= MANY else max(2, PASSES * MANY // cores)
        cost = self.routers.cost(self.router, self.traffic)
        for _ in range(passes):
            for core in range(cores):
                self._improve(core)
            before, cost = cost, self.routers.cost(self.router, self.traffic)
            if before - cost <= ENOUGH * before:
                break
        return self.router

    def _costs(self, core: int, routers: Ints) -> Reals:
        """What a core's spikes would cost at each of some routers."""
        others, spikes = self.neighbours[core]
        return np.asarray(self.routers.distance(self.router[others][:, None], routers).T @ spikes)

    def _improve(self, core: int) -> None:
        home = int(self.router[core])
        first = int(self.chip[core]) * self.size
        costs = self._costs(core, np.arange(first, first + self.size))
        for number in np.argpartition(costs, min(NEAREST, self.size - 1))[:NEAREST]:
            router, gain = first + int(number), float(costs[home - first] - costs[number])
            if gain <= 0:
                continue
            if len(self.members[router]) < self.slots:
                self._move(core, home, router)
                return
            for other in self.members[router]:
                if gain + self._gain(other, core, home) > ENOUGH:
                    self._move(core, home, router)
                    self._move(other, router, home)
                    return

    def _gain(self, other: int, core: int, home: int) -> float:
        """What a core saves by going to `home` in exchange; spikes between the two go as far as before."""
        there = int(self.router[other])
        now, then = self._costs(other, np.array([there, home]))
        others, spikes = self.neighbours[other]
        between = float(spikes[others == core].sum())
        far = int(self.routers.distance(np.array([there]), np.array([home]))[0])
        return float(now - then) - 2 * between * far

    def _move(self, core: int, start: int, stop: int) -> None:
        self.members[start].remove(core)
        self.members[stop].append(core)
        self.router[core] = stop


def _neighbours(traffic: Traffic, cores: int) -> list[tuple[Ints, Reals]]:
    """For every core the cores that it exchanges spikes with, and how many."""
    one = np.concatenate([traffic.source, traffic.target])
    other = np.concatenate([traffic.target, traffic.source])
    spikes = np.concatenate([traffic.spikes, traffic.spikes])
    order = np.argsort(one, kind="stable")
    bounds = np.searchsorted(one[order], np.arange(cores + 1))
    return [
        (other[order[first:last]], spikes[order[first:last]]) for first, last in pairwise(bounds.tolist())
    ]
