"""The loop: updates, epochs, the held-out part, and when to stop."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.passes.variables import Adam
from snncc.tuning.history import Epoch, State
from snncc.tuning.learner import Learner
from snncc.tuning.material import Material
from snncc.tuning.recipe import Recipe
from snncc.tunings import Figures
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.progress import Progress
from snncc_ir.tensors import Reals

Array = NDArray[Any]

EXPLODED = 100.0
"""Times the loss before the first update, or that of guessing: a loss above it has gone wrong."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """One tuning of a network.

    `judge` gives the figures of a graph on the held-out images, `refusals` the reasons why the target cannot
    express it; `before` are the figures of the graph as it was.
    """

    learner: Learner
    recipe: Recipe
    material: Material
    classes: int
    judge: Callable[[Graph], Figures]
    refusals: Callable[[Graph], tuple[str, ...]]
    before: Figures

    @property
    def updates(self) -> int:
        """Of an epoch."""
        return math.ceil(len(self.material) / self.recipe.batch)

    def run(self, state: State, keep: Callable[[State], None], progress: Progress) -> None:
        """Train on from `state`, which changes; `keep` is given it behind every epoch."""
        total = self.updates * self.recipe.epochs
        while len(state.history) < self.recipe.epochs and not self._stale(state):
            loss = self._epoch(state, total, progress)
            self._end(state, loss)
            keep(state)

    def _epoch(self, state: State, total: int, progress: Progress) -> float:
        """One pass through all images, in an order of its own; the last batch is filled up from its start."""
        number = len(state.history)
        rng = np.random.default_rng([self.recipe.seed, number])
        order = rng.permutation(len(self.material))
        adam, sum_of_losses = _adam(state), 0.0
        for place in range(self.updates):
            first = place * self.recipe.batch
            chosen = order[np.arange(first, first + self.recipe.batch) % len(order)]
            done = number * self.updates + place
            rate = self.recipe.rate_at(done, total) / state.slower
            sum_of_losses += self._update(state, adam, chosen, rate, rng)
            progress(done + 1, total)
        state.count = adam.count
        return sum_of_losses / self.updates

    def _update(
        self, state: State, adam: Adam, chosen: Array, rate: float, rng: np.random.Generator
    ) -> float:
        levels = self.material.levels(chosen, self.recipe.changes, rng)
        labels = None if self.material.labels is None else self.material.labels[chosen]
        loss, gradient = self.learner.gradient(state.vector, levels, labels)
        self._check(loss, gradient)
        state.vector = state.vector + self.learner.rates * adam.step(gradient, rate)
        return loss

    def _check(self, loss: float, gradient: Reals) -> None:
        most = EXPLODED * max(self.before.loss, math.log(max(self.classes, 2)))
        hint = f"tune with a lower --rate than {self.recipe.rate:g}"
        if not math.isfinite(loss) or not np.isfinite(gradient).all():
            raise SnnccError("the loss or its gradient is no longer a number", where="tune", hint=hint)
        if loss > most:
            raise SnnccError(f"the loss has grown to {loss:.3g}, above {most:.3g}", where="tune", hint=hint)

    def _end(self, state: State, loss: float) -> None:
        """Judge what the epoch gave; take it back where the target cannot express it."""
        graph = self.learner.graph(state.vector)
        refusals = self.refusals(graph)
        if refusals:
            state.history.append(Epoch(loss=loss, held_out=None, refused="; ".join(refusals)))
            state.vector, state.slower = state.kept, 2 * state.slower
            state.first, state.second, state.count = np.zeros(len(state.kept)), np.zeros(len(state.kept)), 0
            return
        state.kept = state.vector
        state.history.append(Epoch(loss=loss, held_out=self.judge(graph)))
        if state.best_epoch == len(state.history) - 1:
            state.best = state.vector

    def _stale(self, state: State) -> bool:
        best = state.best_epoch
        return len(state.history) - (0 if best is None else best + 1) >= self.recipe.patience


def _adam(state: State) -> Adam:
    """Adam that goes on with, and writes to, the state's moments."""
    adam = Adam(len(state.vector), state.count)
    adam.first, adam.second = state.first, state.second
    return adam
