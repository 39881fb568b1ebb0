"""snnTorch: one step at a time, potentials handed on by the caller. Its neurons fire above 1, not at it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import snntorch
from serve import serve
from spiking import Framework, Network, prepared
from torch import Tensor, nn


class Population(nn.Module):
    """A `Leaky` that does not leak, and its potential."""

    def __init__(self) -> None:
        super().__init__()
        self.neurons = snntorch.Leaky(beta=1.0, threshold=1.0, reset_mechanism="subtract", reset_delay=False)
        self.potential = self.neurons.reset_mem()

    def forward(self, drive: Tensor) -> Tensor:
        """Spikes of a step."""
        spikes, self.potential = self.neurons(drive, self.potential)
        return spikes


class SnnTorch(Framework):
    """Step by step."""

    def neurons(self, batch: int) -> Callable[[Tensor], Tensor]:
        """A population."""
        return Population()

    def reset(self, net: Network) -> None:
        """Forget all potentials."""
        for part in net.modules():
            if isinstance(part, Population):
                part.potential = part.neurons.reset_mem()


if __name__ == "__main__":
    serve(partial(prepared, SnnTorch()))
