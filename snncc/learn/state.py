"""Where a training is: weights, moments, and what has happened so far."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from snncc.learn.engine import Floats, Found, Weights
from snncc.learn.recipe import Recipe
from snncc.sim.native.learner import AdamStep, adam

LEAST = 1e-8
"""Adam's epsilon."""


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """Means over an epoch: loss and accuracy of its batches, spikes and active neurons of an image by layer.

    `held_out` is the accuracy on the held-out images after it, if there are any.
    """

    loss: float
    accuracy: float
    held_out: float | None
    spikes: tuple[float, ...]
    active: tuple[float, ...]


@dataclass(kw_only=True)
class Sums:
    """Of an epoch that is under way."""

    images: int = 0
    loss: float = 0.0
    right: int = 0
    spikes: list[int] = field(default_factory=list)
    active: list[int] = field(default_factory=list)

    def add(self, found: Found, right: int) -> None:
        """Add a batch."""
        self.images += len(found.losses)
        self.loss += float(found.losses.sum())
        self.right += right
        self.spikes = _added(self.spikes, found.spikes.tolist())
        self.active = _added(self.active, found.active.tolist())

    def epoch(self, held_out: float | None) -> Epoch:
        """The means."""
        return Epoch(
            loss=self.loss / self.images,
            accuracy=self.right / self.images,
            held_out=held_out,
            spikes=tuple(count / self.images for count in self.spikes),
            active=tuple(count / self.images for count in self.active),
        )


def _added(sums: list[int], counts: list[int]) -> list[int]:
    return [a + b for a, b in zip(sums, counts, strict=True)] if sums else counts


@dataclass(kw_only=True)
class State:
    """After `updates` updates."""

    weights: Weights
    first: Weights
    second: Weights
    updates: int = 0
    history: list[Epoch] = field(default_factory=list)
    sums: Sums = field(default_factory=Sums)

    def update(self, gradients: Weights, recipe: Recipe, rate: float) -> None:
        """One step of Adam."""
        self.updates += 1
        shares = (1 - decay**self.updates for decay in recipe.decays)
        step = AdamStep(rate, *recipe.decays, *shares, LEAST)
        for weights, first, second, gradient in zip(
            self.weights, self.first, self.second, gradients, strict=True
        ):
            adam(weights, first, second, gradient, step)


def start(weights: Weights) -> State:
    """Before the first update; the weights are copied."""
    return State(weights=_copied(weights), first=_zeros(weights), second=_zeros(weights))


def _copied(arrays: Weights) -> tuple[Floats, ...]:
    return tuple(np.array(array, np.float32, order="C") for array in arrays)


def _zeros(arrays: Weights) -> tuple[Floats, ...]:
    return tuple(np.zeros(array.shape, np.float32) for array in arrays)
