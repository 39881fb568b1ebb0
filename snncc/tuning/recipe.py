"""How a network is tuned."""

from __future__ import annotations

import math
from dataclasses import dataclass

from snncc.passes.augment import Change
from snncc_ir.aims import Surrogate
from snncc_ir.errors import SnnccError

MOST_BATCH = 4096
NO_CHANGE = "none"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Adam on mini-batches; the rate falls to 0 along half a cosine over all epochs.

    A rate is the greatest update of a variable: of a weight in root mean squares of its row, of a bias in
    halves of a level, of a threshold as a share. Training ends when the held-out loss has not fallen for
    `patience` epochs.
    """

    epochs: int
    batch: int = 64
    rate: float = 0.002
    patience: int = 5
    changes: tuple[Change, ...] = ()
    surrogate: Surrogate = Surrogate.STRAIGHT
    seed: int = 0

    def __post_init__(self) -> None:
        for option, value in (("--epochs", self.epochs), ("--patience", self.patience)):
            if value < 1:
                raise SnnccError(f"must be at least 1, not {value}", where=option)
        if not 1 <= self.batch <= MOST_BATCH:
            raise SnnccError(f"must be 1 to {MOST_BATCH}, not {self.batch}", where="--batch")
        if not 0 < self.rate <= 1:
            raise SnnccError(f"must be above 0 and at most 1, not {self.rate:g}", where="--rate")
        if self.seed < 0:
            raise SnnccError(f"must not be negative, as {self.seed} is", where="--seed")

    def rate_at(self, done: int, total: int) -> float:
        """The rate after `done` of `total` updates (Loshchilov and Hutter 2017)."""
        return self.rate * 0.5 * (1 + math.cos(math.pi * done / total))


def changes_of(text: str) -> tuple[Change, ...]:
    """The changes of images that `text` names, joined by +; mixtures of images have no label of their own."""
    known = [change.value for change in Change if change is not Change.MIXUP]
    names = [] if text == NO_CHANGE else text.split("+")
    if not set(names) <= set(known):
        raise SnnccError(
            f"{text!r} is no change of images",
            where="--augment",
            hint=f"give {NO_CHANGE}, or some of {', '.join(known)} joined by +",
        )
    return tuple(change for change in Change if change.value in names)
