"""The fire phase: how a level neuron turns the drive that it latched into the spikes of one window."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from numerics.linear import Shape
from numerics.record import Recorder
from numerics.strand import GRADED, RADIX, TTFS, Ints, Strand

Array = NDArray[Any]
FAR = np.iinfo(np.int32)
"""Its limits stand for breakpoints that no drive reaches, and that every drive reaches."""


class Sender(Protocol):
    """The neurons of one population."""

    v: Ints

    def load(self, drive: Ints) -> None:
        """Latch the drive at the start of a window."""

    def step(self, step: int) -> Ints:
        """Spikes of one step of the window: -1, 0 or +1; the level itself for `graded`."""


class Firing:
    """When a population sends: from its first image on, in the first steps of every window."""

    def __init__(self, strand: Strand, sender: Sender, recorder: Recorder | None) -> None:
        """Fire by `sender`; write down what is sent where there is a recorder."""
        self._strand, self._sender, self._recorder = strand, sender, recorder

    @property
    def v(self) -> Ints:
        """The potentials: what is left to send in this window."""
        return self._sender.v

    def latch(self, drive: Ints) -> None:
        """Start a window with the drive of an image."""
        self._sender.load(drive)

    def spikes(self, window: int, step: int) -> Ints:
        """What is sent in this step."""
        if window < self._strand.slot or step >= self._strand.window:
            return np.zeros(self._sender.v.shape, np.int32)
        spikes = self._sender.step(step)
        if self._recorder is not None:
            self._recorder.write(window, step, spikes)
        return spikes


def per_channel(values: Array, rank: int) -> Ints:
    """`values[C]` as int32, to be broadcast over a population of `rank` axes."""
    return values.astype(np.int32).reshape(-1, *(1,) * (rank - 1))


class StaircaseSender:
    """Compares v = U + offset with theta * m and subtracts what it sent (soft reset)."""

    def __init__(self, strand: Strand, shape: Shape, theta: Array, offset: Array) -> None:
        """Neurons of `shape` with thresholds `theta[C]`; `offset` is the bias plus half the threshold."""
        self._strand = strand
        self._theta = per_channel(theta, len(shape))
        self._offset = offset.astype(np.int32)
        self._fired = np.zeros(shape, bool)
        self._clamps = strand.code == RADIX and not saturates(strand)
        self.v = np.zeros(shape, np.int32)

    def load(self, drive: Ints) -> None:
        """Latch v = U + b + floor(theta / 2)."""
        np.add(drive, self._offset, out=self.v)
        self._fired[...] = False
        if self._clamps:
            np.clip(self.v, self._strand.lo * self._theta, self._strand.hi * self._theta, out=self.v)

    def step(self, step: int) -> Ints:
        """Spikes of one step."""
        strand = self._strand
        if strand.code == GRADED:
            return np.clip(self.v // self._theta, strand.lo, strand.hi).astype(np.int32)
        m = strand.magnitude(step)
        spikes = np.zeros(self.v.shape, np.int32)
        if strand.may_rise(step):
            spikes += self.v >= self._theta * m
        if strand.may_fall(step):
            spikes -= self.v < -self._theta * (m - 1)
        if strand.code == TTFS:
            return fire_once(spikes, self._fired)
        self.v -= self._theta * m * spikes
        return spikes


class TableSender:
    """Compares U with breakpoints; `sent` is the magnitude sent so far."""

    def __init__(self, strand: Strand, shape: Shape, breakpoints: Array) -> None:
        """Neurons of `shape`; `breakpoints[..., j]`, which broadcast to it, start level lo + 1 + j."""
        self._strand = strand
        ends = np.ones((*breakpoints.shape[:-1], 1), np.int32)
        table = np.concatenate([ends * FAR.min, breakpoints, ends * FAR.max], axis=-1)
        self._table = table.astype(np.int32)
        self._places = np.ogrid[tuple(map(slice, table.shape[:-1]))]
        self._sent = np.zeros(shape, np.int32)
        self._fired = np.zeros(shape, bool)
        self.v = np.zeros(shape, np.int32)

    def load(self, drive: Ints) -> None:
        """Latch U."""
        self.v[...] = drive
        self._sent[...] = 0
        self._fired[...] = False

    def step(self, step: int) -> Ints:
        """Spikes of one step."""
        strand = self._strand
        if strand.code == GRADED:
            return self._level()
        m = strand.magnitude(step)
        spikes = np.zeros(self.v.shape, np.int32)
        if strand.may_rise(step):
            spikes += self._reaches(self._sent + m)
        if strand.may_fall(step):
            spikes -= ~self._reaches(1 - self._sent - m)
        if strand.code == TTFS:
            return fire_once(spikes, self._fired)
        self._sent += m * np.abs(spikes)
        return spikes

    def _reaches(self, level: Ints) -> NDArray[np.bool_]:
        """True where the drive's level is at least `level`."""
        index = np.clip(level - self._strand.lo, 0, self._table.shape[-1] - 1)
        return self.v >= self._table[(*self._places, index)]

    def _level(self) -> Ints:
        level = np.full(self.v.shape, self._strand.lo, np.int32)
        for column in range(1, self._table.shape[-1] - 1):
            level += self.v >= self._table[..., column]
        return level


def fire_once(spikes: Ints, fired: NDArray[np.bool_]) -> Ints:
    """The spikes of neurons that have not fired in this window; notes that they have now."""
    spikes[fired] = 0
    fired |= spikes != 0
    return spikes


def saturates(strand: Strand) -> bool:
    """Whether `radix` clips by itself: hi is all ones and lo is 0 or -hi."""
    return strand.hi == 2**strand.window - 1 and strand.lo in (0, -strand.hi)
