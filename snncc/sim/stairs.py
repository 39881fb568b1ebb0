"""Populations some of whose causes of loss are off: values in levels, and what a neuron makes of a drive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.sim.drives import Layers
from snncc_ir.certificates import Interval
from snncc_ir.codes import Reset
from snncc_ir.neurons import Quantiser, Staircase, Table, per_channel
from snncc_ir.timing import Rate

Array = NDArray[Any]


class Cause(Enum):
    """What an integer network may lose accuracy by, in the order in which a layer applies it."""

    WEIGHTS = "weights"
    ROUNDING = "rounding"
    SATURATION = "saturation"
    TIMING = "timing"


@dataclass(frozen=True)
class Value:
    """A node's value in each of T steps: `steady[N, *shape]`, plus `moving[T, N, *shape]` where it spikes."""

    steady: Array
    moving: Array | None = None

    @property
    def mean(self) -> Array:
        """The mean over the steps."""
        return (
            self.steady if self.moving is None else self.steady + self.moving.mean(axis=0, dtype=np.float64)
        )

    def times(self, factor: Array) -> Value:
        """The value times a factor, in its own type."""
        factor = factor.astype(self.steady.dtype)
        return Value(self.steady * factor, None if self.moving is None else self.moving * factor)


@dataclass(frozen=True)
class Stairs:
    """What a population makes of its drive: with switches off, its float bounds and no steps.

    A phased level is clip(floor((v + theta // 2) / theta), lo, hi). A `rate` neuron with a steady drive
    sends clip(floor((T v + theta_r // 2) / theta_r), -T or 0, T) spikes, each worth L / T levels: the
    same staircase with other steps.
    """

    neuron: Staircase
    theta: Array
    bounds: tuple[Array, Array]
    rate: Rate | None

    @property
    def top(self) -> int:
        """L, the level that a `rate` neuron which fires in every step stands for."""
        return max(self.neuron.hi, -self.neuron.lo)

    def levels(self, v: Array, *, rounding: bool, saturation: bool) -> Array:
        """Levels, or reals, for a steady drive `v` (bias included), in float32 or float64 as it is."""
        repeat, top = (self.rate.steps, self.top) if self.rate else (1, 1)
        v = v.astype(np.float64) if self.rate else v
        theta = self.theta * top
        number = v * v.dtype.type(repeat)
        if rounding:
            number = number + (theta // 2).astype(v.dtype)
        number = number / theta.astype(v.dtype)
        if rounding:
            number = np.floor(number)
        number = np.clip(number, *(self._reach() if saturation else self._float_reach(repeat / top, v.dtype)))
        return np.asarray(number * v.dtype.type(top / repeat)) if self.rate else np.asarray(number)

    def _reach(self) -> tuple[int, int]:
        if self.rate is None:
            return self.neuron.lo, self.neuron.hi
        return (-self.rate.steps if self.neuron.lo < 0 else 0), self.rate.steps

    def _float_reach(self, per_level: float, kind: np.dtype[Any]) -> tuple[Array, Array]:
        low, high = self.bounds
        return (low * per_level).astype(kind), (high * per_level).astype(kind)

    def train(self, drive: Value, rate: Rate) -> Array:
        """What the spiking neuron sends in each step, in levels: L for each spike."""
        kind = drive.steady.dtype
        theta = (self.theta * self.top).astype(kind)
        v = np.zeros(drive.steady.shape, kind) + theta // 2
        sent = np.zeros((rate.steps, *v.shape), np.float32)
        for step in range(rate.steps):
            v += drive.steady
            if drive.moving is not None:
                v += drive.moving[step]
            spikes = (v >= theta).astype(kind)
            if self.neuron.lo < 0:
                spikes -= v < 0
            v = np.where(spikes > 0, 0, v) if rate.reset is Reset.ZERO else v - theta * spikes
            sent[step] = spikes * self.top
        return sent


@dataclass(frozen=True)
class Imported:
    """What a population that came quantised makes of its drive: rounding to its own levels is no loss.

    Without saturation its levels go on beyond lo and hi, as far as the unit's real bounds. The integer
    neuron has the unit's levels within `reach` alone, which drives leave where sources are not saturated.
    """

    neuron: Staircase | Table
    unit: Quantiser
    reach: Interval
    rate: Stairs | None

    @property
    def causes(self) -> tuple[Cause, ...]:
        """A step or a sign has no levels to go on with; T steps have other values than the levels."""
        saturation = (Cause.SATURATION,) if self.unit.rounding.levels is None else ()
        return (Cause.ROUNDING, *saturation, Cause.TIMING) if self.rate else saturation

    @property
    def zero(self) -> float:
        """The level of the real value 0: one half where levels 0 and 1 stand for -1 and +1."""
        return 0.5 if self.unit.rounding.levels == (-1, 1) and self.neuron.lo == 0 else 0.0

    def levels(self, drive: Array, real: Callable[[], Array], *, saturation: bool) -> Array:
        """Levels for a drive U; `real` gives the real drive, bias included, where they may go on."""
        own = Layers().fire(self.neuron, drive).astype(np.float32)
        low, high = (per_channel(end, drive.ndim - 1) for end in (self.reach.low, self.reach.high))
        outside = (drive < low) | (drive > high)
        if saturation and not outside.any():
            return own
        step = per_channel(self.unit.step.data, drive.ndim - 1)
        free = self.unit.rounding.apply(np.clip(real(), self.unit.low, self.unit.high) / step)
        free = (free + 1) / 2 if self.zero else free
        lo, hi = self.neuron.lo, self.neuron.hi
        free = np.clip(free, lo, hi) if saturation else free
        return np.where(outside | (free < lo) | (free > hi), free, own).astype(np.float32)

    def rates(self, v: Array, *, rounding: bool, saturation: bool) -> Array:
        """Levels of a `rate` neuron for a steady drive `v`; without rounding those of the phased codes."""
        if self.rate is None:
            raise TypeError("only a rate network has rates")
        if rounding:
            return self.rate.levels(v, rounding=True, saturation=saturation)
        theta, v = self.rate.theta, v.astype(np.float64)
        low, high = (self.neuron.lo, self.neuron.hi) if saturation else self.rate.bounds
        return np.asarray(np.clip((v + theta // 2) // theta, low, high))
