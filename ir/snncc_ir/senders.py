"""The fire phase: how a population turns what it has integrated into spikes (ir/SPEC.md, section 4)."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from snncc_ir.codes import Code, Strand, magnitude
from snncc_ir.neurons import Bias, Neuron, Staircase, Table, per_channel
from snncc_ir.semantics import potential
from snncc_ir.tensors import Tensor
from snncc_ir.types import Shape

Array = NDArray[Any]

FAR = 2**62
"""Stands for a breakpoint that no drive reaches."""


class Sender(Protocol):
    """Holds one window's potential and gives the spikes of each of its steps."""

    def load(self, drive: Array) -> None:
        """Latch the drive `[N, C, ...]` at the start of a window."""

    def step(self, step: int) -> Array:
        """Spikes of a step: -1, 0 or +1; the level itself for `graded`."""


def make_sender(neuron: Neuron, strand: Strand) -> Sender:
    """The sender of a phased population."""
    match neuron:
        case Staircase():
            return StaircaseSender(neuron, strand)
        case Table():
            return TableSender(neuron, strand)
        case _:
            raise TypeError("an analog unit sends no spikes")


def make_input_sender(strand: Strand, channels: int) -> Sender:
    """An input sends its own level: a staircase with theta 1 and no bias."""
    theta, zero = Tensor.integer(np.ones(channels)), Tensor.integer(np.zeros(channels))
    return StaircaseSender(Staircase(theta=theta, bias=Bias(values=zero), lo=strand.lo, hi=strand.hi), strand)


class StaircaseSender:
    """Fires by comparing v with theta * m and subtracting what it sent."""

    def __init__(self, neuron: Staircase, strand: Strand) -> None:
        """Prepare for a neuron that sends by `strand`."""
        self.neuron, self.strand = neuron, strand

    def load(self, drive: Array) -> None:
        """Latch v = U + b + floor(theta / 2)."""
        self.v = potential(self.neuron, drive)
        self.theta = per_channel(self.neuron.theta.data, drive.ndim - 1)
        self.fired = np.zeros(self.v.shape, dtype=bool)
        if self.strand.code is Code.RADIX and not _saturates(self.strand):
            self.v = np.clip(self.v, self.strand.lo * self.theta, self.strand.hi * self.theta)

    def step(self, step: int) -> Array:
        """Spikes of one step."""
        strand, theta = self.strand, self.theta
        if strand.code is Code.GRADED:
            return np.clip(self.v // theta, strand.lo, strand.hi)
        m = magnitude(strand.code, strand.lo, strand.hi, step)
        up = (self.v >= theta * m) & _may_rise(strand, step, m)
        down = (self.v < -theta * (m - 1)) & _may_fall(strand, step, m)
        if strand.code is Code.TTFS:
            up, down = up & ~self.fired, down & ~self.fired
            self.fired |= up | down
            return up.astype(np.int64) - down
        spikes = up.astype(np.int64) - down
        self.v = self.v - theta * m * spikes
        return spikes


class Breakpoints:
    """A table ready to be compared with drives of one shape."""

    def __init__(self, neuron: Table, shape: Shape) -> None:
        """Spread the table over `shape`, with an end on either side that no drive passes."""
        table = neuron.spread(shape)
        ends = np.full((*table.shape[:-1], 1), FAR)
        self._table = np.concatenate([-ends, table, ends], axis=-1)
        self._lo = neuron.lo

    def reached(self, drive: Array, level: Array) -> Array:
        """True where the level of `drive[N, *shape]` is at least `level[N, *shape]`."""
        index = np.clip(level - self._lo, 0, self._table.shape[-1] - 1)
        places = np.ogrid[tuple(map(slice, self._table.shape[:-1]))]
        return np.asarray(drive >= self._table[(*places, index)])


class TableSender:
    """Fires by comparing U with breakpoints; `sent` is the magnitude sent so far."""

    def __init__(self, neuron: Table, strand: Strand) -> None:
        """Prepare for a neuron that sends by `strand`."""
        self.neuron, self.strand = neuron, strand

    def load(self, drive: Array) -> None:
        """Latch the drive."""
        self.table = Breakpoints(self.neuron, drive.shape[1:])
        self.drive = drive
        self.sent = np.zeros_like(drive)
        self.fired = np.zeros(drive.shape, dtype=bool)

    def step(self, step: int) -> Array:
        """Spikes of one step."""
        strand = self.strand
        if strand.code is Code.GRADED:
            reached = [self._reaches(np.full_like(self.sent, n)) for n in range(strand.lo + 1, strand.hi + 1)]
            return np.asarray(strand.lo + np.sum(reached, axis=0))
        m = magnitude(strand.code, strand.lo, strand.hi, step)
        up = self._reaches(self.sent + m) & _may_rise(strand, step, m)
        down = ~self._reaches(1 - self.sent - m) & _may_fall(strand, step, m)
        if strand.code is Code.TTFS:
            up, down = up & ~self.fired, down & ~self.fired
            self.fired |= up | down
        else:
            self.sent = self.sent + m * (up | down)
        return up.astype(np.int64) - down

    def _reaches(self, level: Array) -> Array:
        """True where the drive's level is at least `level`."""
        return self.table.reached(self.drive, level)


def _saturates(strand: Strand) -> bool:
    """True where `radix` clips by itself: hi is all ones and lo is 0 or -hi."""
    return strand.hi == 2**strand.window - 1 and strand.lo in (0, -strand.hi)


def _may_rise(strand: Strand, step: int, m: int) -> bool:
    match strand.code:
        case Code.COUNT:
            return step < strand.hi
        case Code.TTFS:
            return m <= strand.hi
        case _:
            return strand.hi > 0


def _may_fall(strand: Strand, step: int, m: int) -> bool:
    match strand.code:
        case Code.COUNT:
            return step < -strand.lo
        case Code.TTFS:
            return m <= -strand.lo
        case _:
            return strand.lo < 0


def decode(strand: Strand, train: Array) -> Array:
    """Levels that a train `[..., window, *shape]` given as `[window, ...]` stands for."""
    weights = [
        1 if strand.code is Code.GRADED else magnitude(strand.code, strand.lo, strand.hi, t)
        for t in range(strand.window)
    ]
    return np.asarray(np.tensordot(np.array(weights), train, axes=1))
