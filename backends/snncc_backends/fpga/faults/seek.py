"""Images that show one flipped bit: a random search that brings a sum towards where levels differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snncc_backends.fpga.faults.nearness import FAR, Target, targets_of
from snncc_backends.fpga.faults.reach import Change, Reach
from snncc_backends.fpga.simulator.cycles import Simulator
from snncc_backends.fpga.tables.tables import Tables
from snncc_ir.tensors import Ints
from snncc_ir.types import Levels

IMAGES, KEPT, ROUNDS = 96, 12, 80
"""Images of a round, how many of them the next one starts from, and rounds at most."""

MOST_CHANGED = 0.3
"""The greatest share of an image that one round changes."""

Images = dict[str, Ints]


@dataclass(frozen=True, kw_only=True)
class Seeker:
    """Searches for an image on which a pass with a flipped bit writes another word.

    A round keeps the images whose nearest sum is nearest to showing the bit, and changes them at random
    places. `inputs` tells shape and levels of every input.
    """

    tables: Tables
    reach: Reach
    inputs: Mapping[str, Levels]

    def seek(self, table: str, word: int, bit: int, seed: int) -> Images | None:
        """One image that shows the bit, None where none was found."""
        rng = np.random.default_rng(seed)
        for change in self.reach.changes(table, word, bit):
            found = self._climb(change, rng)
            if found is not None:
                return found
        return None

    def _climb(self, change: Change, rng: np.random.Generator) -> Images | None:
        simulator, targets = Simulator(self.tables), targets_of(change, self.reach)
        images = self._random(rng)
        for _ in range(ROUNDS if targets else 0):
            shown, distances = _measured(simulator, change, targets, images)
            if shown.any():
                best = int(shown.argmax())
                return {name: levels[best : best + 1] for name, levels in images.items()}
            nearest = np.argsort(distances, kind="stable")[:KEPT]
            images = {name: self._varied(name, levels[nearest], rng) for name, levels in images.items()}
        return None

    def _random(self, rng: np.random.Generator) -> Images:
        """Images of all densities, from sparse to full."""
        found = {}
        for name, levels in self.inputs.items():
            shape = (IMAGES, *levels.shape)
            kept = rng.random(shape) < rng.random((IMAGES, *(1,) * len(levels.shape)))
            found[name] = np.clip(rng.integers(levels.lo, levels.hi + 1, shape) * kept, levels.lo, levels.hi)
        return found

    def _varied(self, name: str, nearest: Ints, rng: np.random.Generator) -> Ints:
        """The nearest images as they are, and variations of them: other, extreme or neighbouring levels."""
        lo, hi = self.inputs[name].lo, self.inputs[name].hi
        found = np.repeat(nearest, IMAGES // KEPT, axis=0)
        kind = rng.integers(0, 4, found.shape)
        other = np.choose(
            kind, [rng.integers(lo, hi + 1, found.shape), np.full_like(found, lo), np.full_like(found, hi), 0]
        )
        near = found + rng.integers(-1, 2, found.shape)
        share = MOST_CHANGED * rng.random((len(found), *(1,) * (found.ndim - 1))) ** 3
        size = found[0].size
        changed = rng.random(found.shape) < np.maximum(share, 1 / size)
        changed[:: IMAGES // KEPT] = False
        return np.clip(np.where(changed, np.where(kind < 3, other, near), found), lo, hi)


def _measured(
    simulator: Simulator, change: Change, targets: list[Target], images: Images
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which images show the bit, and how far each is from doing so."""
    before, after = change.before, change.after
    memory = simulator.before(images, before.number)
    every = slice(None)
    sums = before.sums(memory, every)
    moved = after.sums(memory, every) if change.weighed.any() else sums
    distances = np.full(len(sums), FAR)
    for target in targets:
        distances = np.minimum(distances, target.distances(sums, moved))
    shown = np.zeros(len(sums), dtype=bool)
    (near,) = np.nonzero(distances == 0)
    if len(near):
        words = [
            runner.pooled(runner.levels(part[near])) for runner, part in ((before, sums), (after, moved))
        ]
        if not before.is_readout:
            words = [before.written(part) for part in words]
        shown[near] = (words[0] != words[1]).reshape(len(near), -1).any(axis=1)
    return shown, distances
