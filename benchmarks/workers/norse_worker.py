"""norse: one step at a time, states handed on by the caller. Its integrate-and-fire neuron resets to 0."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from norse.torch import IAFCell
from norse.torch.functional.iaf import IAFParameters
from serve import serve
from spiking import Framework, Network, prepared
from torch import Tensor, nn


class Population(nn.Module):
    """An `IAFCell` and its state."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = IAFCell(p=IAFParameters(v_th=torch.tensor(1.0)))
        self.state: Any = None

    def forward(self, drive: Tensor) -> Tensor:
        """Spikes of a step."""
        spikes, self.state = self.cell(drive, self.state)
        return spikes


class Norse(Framework):
    """Step by step."""

    def neurons(self, batch: int) -> Callable[[Tensor], Tensor]:
        """A population."""
        return Population()

    def reset(self, net: Network) -> None:
        """Forget all states."""
        for part in net.modules():
            if isinstance(part, Population):
                part.state = None


if __name__ == "__main__":
    serve(partial(prepared, Norse()))
