"""sinabs: squeezing neurons, whose layers take batch and time as one axis."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import sinabs.activation as act
import sinabs.layers as sl
import torch
from serve import serve
from spiking import Framework, Network, prepared
from torch import Tensor


class Sinabs(Framework):
    """Batch before time."""

    ways = ("at once",)

    def neurons(self, batch: int) -> Callable[[Tensor], Tensor]:
        """A population that fires once a step and subtracts its threshold."""
        return sl.IAFSqueeze(batch_size=batch, spike_threshold=torch.tensor(1.0), spike_fn=act.SingleSpike)

    def reset(self, net: Network) -> None:
        """Forget all potentials."""
        for population in net.populations.values():
            getattr(population, "reset_states", lambda: None)()

    def repeated(self, images: Tensor, steps: int) -> Tensor:
        """Every image's steps follow each other."""
        return images.repeat_interleave(steps, 0)

    def summed(self, drives: Tensor, batch: int) -> Tensor:
        """Over the second axis."""
        return drives.unflatten(0, (batch, -1)).sum(1)


if __name__ == "__main__":
    serve(partial(prepared, Sinabs()))
