"""Plain PyTorch: the neurons are three operations on tensors."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from serve import serve
from spiking import Framework, Network, prepared
from torch import Tensor


class Fire:
    """Integrate, fire at 1, subtract 1."""

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.potential: Tensor | float = 0.0

    def __call__(self, drive: Tensor) -> Tensor:
        """Spikes of one step, or of all of them where the leading axis holds more than the batch."""
        if drive.shape[0] == self.batch:
            return self._step(drive)
        spikes = drive.unflatten(0, (-1, self.batch))
        for step in range(len(spikes)):
            spikes[step] = self._step(spikes[step])
        return drive

    def _step(self, drive: Tensor) -> Tensor:
        potential = drive + self.potential
        spikes = (potential >= 1).to(drive.dtype)
        self.potential = potential - spikes
        return spikes


class Torch(Framework):
    """Layers take time and batch as one axis."""

    ways = ("steps", "at once")

    def neurons(self, batch: int) -> Callable[[Tensor], Tensor]:
        """A population."""
        return Fire(batch)

    def reset(self, net: Network) -> None:
        """Forget all potentials."""
        for population in net.populations.values():
            population.potential = 0.0

    def repeated(self, images: Tensor, steps: int) -> Tensor:
        """Time first."""
        return images.repeat(steps, *[1] * (images.dim() - 1))


if __name__ == "__main__":
    serve(partial(prepared, Torch()))
