"""The integrate phase: one accumulator for each projection and strand, summed at the window's end."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from numerics.linear import LinearMap, Shape
from numerics.strand import RADIX, TTFS, Ints, Strand

SILENT = np.zeros(1, np.int32)
"""What padding, and neurons of another strand, send."""


@dataclass(frozen=True, eq=False)
class Pick:
    """Where a projection finds its spikes: wiring (reshape, slice, pad, concat, ...) as one index map.

    `index` points into the spikes of the in-ports `ports`, one after the other, with one silent neuron
    at the end. None stands for the spikes of the one in-port as they are.
    """

    ports: tuple[int, ...]
    index: Ints | None
    shape: Shape

    def __call__(self, inbox: Sequence[Ints]) -> Ints:
        """The spikes of this step in the shape of the projection's source."""
        if self.index is None:
            return inbox[self.ports[0]].reshape(self.shape)
        spikes = np.concatenate([*(inbox[port].ravel() for port in self.ports), SILENT])
        return spikes[self.index].reshape(self.shape)


class Accumulator:
    """The sum of one projection over one strand: U = sum of W * n when the strand's window has ended.

    A strand that reaches the neuron `delay` windows before the last one is held back by as many windows.
    """

    def __init__(self, pick: Pick, synapses: LinearMap, strand: Strand, shape: Shape, delay: int) -> None:
        """An accumulator of drives of `shape`."""
        self._pick, self._synapses, self._strand = pick, synapses, strand
        self._shape = shape
        self._held = deque([np.zeros(shape, np.int32)] * delay)
        self._clear()

    def _clear(self) -> None:
        self._sum = np.zeros(self._shape, np.int32)
        self._flow = np.zeros(self._shape, np.int32)

    def receive(self, inbox: Sequence[Ints], step: int) -> None:
        """Add the spikes of one step."""
        if step >= self._strand.window:
            return
        spikes = self._pick(inbox)
        drive = self._synapses(spikes) if spikes.any() else None
        if self._strand.code == RADIX:
            self._sum *= 2
        if self._strand.code == TTFS:
            # A synapse that has fired adds its weight in every step left: the flow is the sum of those.
            if drive is not None:
                self._flow += drive
            self._sum += self._flow
        elif drive is not None:
            self._sum += drive

    def finish(self) -> Ints:
        """End the window: the drive of the image that is due now."""
        self._held.append(self._sum)
        self._clear()
        return self._held.popleft()


class Receiver:
    """All accumulators of a population or readout; `drive` is what the last window gave."""

    def __init__(self, accumulators: Sequence[Accumulator], shape: Shape, window: int) -> None:
        """A receiver of drives of `shape` in windows of `window` steps."""
        self._accumulators, self._shape, self._last = accumulators, shape, window - 1
        self.drive: Ints = np.zeros(shape, np.int32)

    def receive(self, inbox: Sequence[Ints], step: int) -> bool:
        """Take the spikes of one step from all in-ports; True where they ended the window."""
        for accumulator in self._accumulators:
            accumulator.receive(inbox, step)
        if step != self._last:
            return False
        self.drive = np.zeros(self._shape, np.int32)
        for accumulator in self._accumulators:
            self.drive += accumulator.finish()
        return True
