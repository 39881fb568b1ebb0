"""What a tuning has come to, epoch by epoch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from snncc.tunings import Figures
from snncc_ir.tensors import Reals


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One pass through the images: the mean training loss, and the figures behind it.

    `refused` is why the target could not express what the epoch gave, which was then taken back.
    """

    loss: float
    held_out: Figures | None
    refused: str | None = None


@dataclass(kw_only=True)
class State:
    """Where a tuning stands: variables `[V]`, Adam's moments, and the best variables so far.

    `slower` divides the learning rate; `kept` are the variables behind the last epoch that stayed.
    """

    vector: Reals
    first: Reals
    second: Reals
    kept: Reals
    best: Reals
    count: int = 0
    slower: int = 1
    history: list[Epoch] = field(default_factory=list)

    @property
    def best_epoch(self) -> int | None:
        """Index of the epoch with the least held-out loss; None where none was valid."""
        losses = [(epoch.held_out.loss, i) for i, epoch in enumerate(self.history) if epoch.held_out]
        return min(losses)[1] if losses else None


def begun(vector: Reals) -> State:
    """The state before the first update."""
    size = len(vector)
    return State(vector=vector, first=np.zeros(size), second=np.zeros(size), kept=vector, best=vector)


def as_plain(epochs: list[Epoch]) -> list[dict[str, Any]]:
    """What manifests, checkpoints and `--json` hold."""
    return [asdict(epoch) for epoch in epochs]
