"""The training loop: batches, updates, epochs, checkpoints."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.learn import checkpoint
from snncc.learn.data import Labelled, check
from snncc.learn.engine import Engine, Found, Weights
from snncc.learn.network import Network
from snncc.learn.recipe import Recipe
from snncc.learn.state import State, Sums, start
from snncc_ir.errors import SnnccError
from snncc_ir.progress import Watch, no_watch

Array = NDArray[Any]

EXPLODED = 100.0
"""Times the loss of guessing: a loss above it comes from a training that has gone wrong."""

PART = 1024
"""Images that are evaluated together."""


class Trainer:
    """Trains a network on `data`: the same bits for the same arguments, however many threads.

    With a `kept` file the state is written there after every epoch, and after every `every` updates if that
    is not 0; a training that finds the file goes on where it ended, to the same bits. SnnccError where the
    file is of another training, or where loss or weights leave the finite numbers.
    """

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        data: Labelled,
        weights: Weights,
        *,
        held_out: Labelled | None = None,
        threads: int = 1,
    ) -> None:
        """Check everything; nothing is computed yet."""
        check(data, network, to_learn=True)
        if held_out is not None:
            check(held_out, network, to_learn=False)
        self.network, self.recipe, self.data, self.held_out = network, recipe, data, held_out
        self.engine = Engine(network, threads=threads, penalty=recipe.penalty)
        self.weights = weights
        self.per_epoch = math.ceil(len(data) / recipe.batch)

    def run(self, *, kept: Path | None = None, every: int = 0, watch: Watch = no_watch) -> State:
        """Train to the end; returns the last state."""
        state, name = start(self.weights), ""
        if kept is not None:
            name = checkpoint.name_of(self.network, self.recipe, self.data, self.held_out, self.weights)
            state = checkpoint.read(kept, state, name) if kept.exists() else state
        total = self.recipe.epochs * self.per_epoch
        progress = watch("training")
        for epoch in range(state.updates // self.per_epoch, self.recipe.epochs):
            order = np.random.default_rng([self.recipe.seed, epoch]).permutation(len(self.data))
            for place in range(state.updates % self.per_epoch, self.per_epoch):
                self._update(state, order[place * self.recipe.batch : (place + 1) * self.recipe.batch], total)
                ended = place + 1 == self.per_epoch
                if ended:
                    self._end_epoch(state)
                if kept is not None and (ended or (every and state.updates % every == 0)):
                    checkpoint.write(kept, state, name)
                progress(state.updates, total)
        return state

    def _update(self, state: State, chosen: Array, total: int) -> None:
        rate = self.recipe.rate * self.recipe.schedule.factor(state.updates, total)
        found, gradients = self.engine.gradients(state.weights, self.data.trains, chosen, self.data.labels)
        self._check(found.loss, state)
        state.update(gradients, self.recipe, rate)
        if not all(np.isfinite(weight).all() for weight in state.weights):
            self._check(math.nan, state)
        state.sums.add(found, _right(found, self.data.labels[chosen]))

    def _check(self, loss: float, state: State) -> None:
        most = EXPLODED * math.log(self.network.readout.classes)
        if not loss <= most:
            raise SnnccError(
                f"the loss of update {state.updates + 1} is {loss:.3g}, more than {most:.3g}"
                if math.isfinite(loss)
                else f"loss or weights are no longer finite after update {state.updates}",
                where="training",
                hint=f"train with a lower rate than {self.recipe.rate:g}, or begin with smaller weights",
            )

    def _end_epoch(self, state: State) -> None:
        found = None if self.held_out is None else accuracy(self.engine, state.weights, self.held_out)
        state.history.append(state.sums.epoch(found))
        state.sums = Sums()


def accuracy(engine: Engine, weights: Weights, data: Labelled) -> float:
    """Share of the images whose greatest score is that of their label."""
    right = 0
    for first in range(0, len(data), PART):
        chosen = np.arange(first, min(first + PART, len(data)))
        right += _right(engine.scores(weights, data.trains, chosen), data.labels[chosen])
    return right / len(data)


def _right(found: Found, labels: Array) -> int:
    return int((found.scores.argmax(axis=1) == labels).sum())
