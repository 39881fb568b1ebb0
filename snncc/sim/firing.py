"""Membranes of streaming neurons, step by step, in whatever type their width certificate allows."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from snncc_ir.codes import Reset
from snncc_ir.lif import SHIFT, decayed
from snncc_ir.neurons import Leaky, Staircase, Table, per_channel
from snncc_ir.senders import Breakpoints

Array = NDArray[Any]
Shape = tuple[int, ...]


class Membrane(Protocol):
    """The potentials of one population for a batch of images."""

    def step(self, drive: Array | None) -> Array:
        """Spikes `[N, *shape]` of the step in which `drive` (None: nothing) arrives."""


class RateMembrane:
    """v += W_r s + b; a spike where v >= theta_r, then v -= theta_r or v = 0 (ir/SPEC.md, section 7)."""

    def __init__(self, neuron: Staircase, reset: Reset, shape: Shape, kind: type[np.generic]) -> None:
        """Start at half a threshold; `shape` is `[N, *neurons]`."""
        top = neuron.theta.data * max(neuron.hi, -neuron.lo)
        self.theta = per_channel(top, len(shape) - 1).astype(kind)
        self.bias = neuron.bias.spread(shape[1:]).astype(kind)
        self.v = np.zeros(shape, kind) + per_channel(top // 2, len(shape) - 1).astype(kind)
        self.hard, self.signed = reset is Reset.ZERO, neuron.lo < 0

    def step(self, drive: Array | None) -> Array:
        """Integrate and fire."""
        v = self.v
        if drive is not None:
            v += drive
        v += self.bias
        up = v >= self.theta
        if self.hard:
            v[up] = 0
            return up.view(np.int8)
        spikes = up.view(np.int8) - (v < 0).view(np.int8) if self.signed else up.view(np.int8)
        v -= self.theta * spikes
        return spikes


class LeakyMembrane:
    """u and v decay and are in 64ths of a drive; a spike where v > 64 vth, then v = 0 (ir/SPEC.md, 7)."""

    def __init__(self, neuron: Leaky, shape: Shape) -> None:
        """Start at 0; `shape` is `[N, *neurons]`."""
        self.neuron = neuron
        self.bias = neuron.bias.spread(shape[1:]).astype(np.int64) << SHIFT
        self.u, self.v = np.zeros(shape, np.int64), np.zeros(shape, np.int64)

    def step(self, drive: Array | None) -> Array:
        """Decay, integrate and fire."""
        self.u = decayed(self.u, self.neuron.du + 1)
        if drive is not None:
            self.u = self.u + (drive.astype(np.int64) << SHIFT)
        self.v = decayed(self.v, self.neuron.dv) + self.u + self.bias
        fired = self.v > self.neuron.vth << SHIFT
        self.v[fired] = 0
        return fired.view(np.int8)


class StbifMembrane:
    """v += W s; +1 if v >= theta and S < hi, -1 if v < 0 and S > lo; v -= theta s (ir/SPEC.md, section 7)."""

    def __init__(self, neuron: Staircase, shape: Shape, kind: type[np.generic]) -> None:
        """Start at b + half a threshold with nothing sent; `shape` is `[N, *neurons]`."""
        rank = len(shape) - 1
        self.theta = per_channel(neuron.theta.data, rank).astype(kind)
        start = neuron.bias.spread(shape[1:]) + per_channel(neuron.theta.data // 2, rank)
        self.v = np.zeros(shape, kind) + start.astype(kind)
        self.sent = np.zeros(shape, np.int16)
        self.lo, self.hi = neuron.lo, neuron.hi
        self.quiet = False

    def step(self, drive: Array | None) -> Array:
        """Integrate and fire; without drive a neuron that was silent stays silent."""
        if drive is None and self.quiet:
            return np.zeros(self.sent.shape, np.int8)
        v = self.v
        if drive is not None:
            v += drive
        up = (v >= self.theta) & (self.sent < self.hi)
        down = (v < 0) & (self.sent > self.lo)
        spikes = up.view(np.int8) - down.view(np.int8)
        v -= self.theta * spikes
        self.sent += spikes
        self.quiet = not spikes.any()
        return spikes


class TableMembrane:
    """A table's `stbif`: the sum of its spikes moves towards the level of U (ir/SPEC.md, section 7)."""

    def __init__(self, neuron: Table, shape: Shape, kind: type[np.generic]) -> None:
        """Start at U = 0 with nothing sent; `shape` is `[N, *neurons]`."""
        self.table = Breakpoints(neuron, shape[1:])
        self.drive = np.zeros(shape, kind)
        self.sent = np.zeros(shape, np.int64)

    def step(self, drive: Array | None) -> Array:
        """Integrate and fire."""
        if drive is not None:
            self.drive += drive
        up = self.table.reached(self.drive, self.sent + 1)
        down = ~self.table.reached(self.drive, self.sent)
        spikes = up.view(np.int8) - down.view(np.int8)
        self.sent += spikes
        return np.asarray(spikes)
