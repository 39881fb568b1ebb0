"""How a network is trained: the choices, the course of the learning rate, and where the weights begin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np

from snncc.learn.engine import Weights
from snncc.learn.network import Network, Penalty
from snncc_ir.errors import SnnccError


class Schedule(Enum):
    """The learning rate stays, or falls to 0 along half a cosine (Loshchilov and Hutter 2017)."""

    CONSTANT = "constant"
    COSINE = "cosine"

    def factor(self, done: int, total: int) -> float:
        """Of the rate, after `done` of `total` updates."""
        return 0.5 * (1 + math.cos(math.pi * done / total)) if self is Schedule.COSINE else 1.0


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Adam (Kingma and Ba 2015) on mini-batches; `decays` are its beta_1 and beta_2.

    A `penalty` on spikes adds to the gradients; losses stay those of the scores.
    """

    epochs: int = 10
    batch: int = 256
    rate: float = 2e-4
    schedule: Schedule = Schedule.CONSTANT
    decays: tuple[float, float] = (0.9, 0.999)
    seed: int = 0
    penalty: Penalty | None = None

    def __post_init__(self) -> None:
        for name, value in (("epochs", self.epochs), ("batch", self.batch)):
            if value < 1:
                raise SnnccError(f"{name} must be at least 1, not {value}", where="recipe")
        if not 0 < self.rate < math.inf:
            raise SnnccError(f"rate must be positive, not {self.rate}", where="recipe")
        if not all(0 <= decay < 1 for decay in self.decays):
            raise SnnccError(f"decays must be 0 or more and below 1, not {self.decays}", where="recipe")
        if self.seed < 0:
            raise SnnccError(f"seed must not be negative, as {self.seed} is", where="recipe")


def initial(network: Network, seed: int, spread: float = 2.0) -> Weights:
    """Normal weights whose deviation is `spread` / sqrt(number of inputs of a neuron), and biases of 0."""
    rng = np.random.default_rng(seed)
    return tuple(
        np.zeros(shape, np.float32)
        if len(shape) == 1
        else rng.normal(0, spread / math.sqrt(math.prod(shape[:-1])), shape).astype(np.float32)
        for shape in network.parameter_shapes
    )
