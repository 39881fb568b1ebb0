"""SpikingJelly: single-step and multi-step modules."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from serve import serve
from spiking import Framework, Network, prepared
from spikingjelly.activation_based import functional, layer, neuron
from torch import Tensor


class SpikingJelly(Framework):
    """Multi-step modules take time as an axis of its own."""

    conv, dense, pool = layer.Conv2d, layer.Linear, layer.MaxPool2d
    ways = ("steps", "at once")

    def neurons(self, batch: int) -> Callable[[Tensor], Tensor]:
        """A population with soft reset."""
        return neuron.IFNode(v_threshold=1.0, v_reset=None)

    def settle(self, net: Network, way: str) -> None:
        """Set the step mode."""
        functional.set_step_mode(net, "s" if way == "steps" else "m")

    def reset(self, net: Network) -> None:
        """Forget all potentials."""
        functional.reset_net(net)

    def summed(self, drives: Tensor, batch: int) -> Tensor:
        """Time is the first axis."""
        return drives.sum(0)


if __name__ == "__main__":
    serve(partial(prepared, SpikingJelly()))
