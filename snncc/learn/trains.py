"""What the images of a data set send: spike trains, latencies, or the same levels in every step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.learn.network import Reset
from snncc_ir.errors import DataError
from snncc_ir.types import MAX_LEVEL

Array = NDArray[Any]

PART = 1024
"""Images that are encoded together."""


@dataclass(frozen=True, kw_only=True)
class Trains:
    """Spikes of image n in step t: `places[starts[n, t] : starts[n, t + 1]]`, inputs in no particular order.

    `starts` is `[images, steps + 1]`, int64; `places` int32 and below `inputs`.
    """

    starts: NDArray[np.int64]
    places: NDArray[np.int32]
    inputs: int

    def __post_init__(self) -> None:
        for name, array, kind in (("starts", self.starts, np.int64), ("places", self.places, np.int32)):
            if array.dtype != kind or not array.flags.c_contiguous:
                raise DataError(f"{name} must be contiguous and {np.dtype(kind)}", where="spike trains")
        if self.starts.ndim != 2 or self.starts.shape[1] < 2 or self.places.ndim != 1:
            raise DataError("starts must be [images, steps + 1] and places [spikes]", where="spike trains")

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def steps(self) -> int:
        """Steps of every image."""
        return self.starts.shape[1] - 1


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """Levels `least` to `top`; level n stands for `scale` n, and is sent as a payload in every step.

    If `spiking` every pixel has an integrate-and-fire neuron with the threshold `top` that sends spikes of
    the value 1 instead, as on chips whose spikes have no payload.
    """

    top: int = 255
    scale: float = 1 / 255
    least: int = 0
    spiking: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.top <= MAX_LEVEL:
            raise DataError(f"top must be 1 to {MAX_LEVEL}, not {self.top}", where="pixels")
        if not 0 < self.scale < math.inf:
            raise DataError(f"scale must be positive, not {self.scale}", where="pixels")
        if not -MAX_LEVEL <= self.least <= 0 or (self.least and self.spiking):
            raise DataError(
                f"least must be 0 where pixels spike, else 0 or less, not {self.least}", where="pixels"
            )


@dataclass(frozen=True, kw_only=True)
class Constant:
    """Images that send the same in every step: `levels[images, ...]`, channels last."""

    levels: Array
    pixels: Pixels = Pixels()

    def __post_init__(self) -> None:
        if self.levels.ndim < 2 or self.levels.dtype.kind not in "iu":
            raise DataError("levels must be integers [images, ...]", where="levels")
        least, top = self.pixels.least, self.pixels.top
        if self.levels.size and not least <= self.levels.min() <= self.levels.max() <= top:
            raise DataError(f"levels must be {least} to {top}", where="levels")

    def __len__(self) -> int:
        return len(self.levels)

    @property
    def inputs(self) -> int:
        """Of every image."""
        return math.prod(self.levels.shape[1:])

    def payloads(self, chosen: Array) -> NDArray[np.float32]:
        """What the images `chosen` send in every step, `[chosen, inputs]`."""
        levels = self.levels[chosen].reshape(len(chosen), self.inputs)
        return np.ascontiguousarray(levels, np.float32) * np.float32(self.pixels.scale)

    def spikes(self, chosen: Array, steps: int, reset: Reset) -> Trains:
        """The spikes of the pixels' neurons: v starts at floor(top / 2), adds the level, fires at `top`."""
        table = _pixel_spikes(self.pixels.top, steps, reset)
        found = table[self.levels[chosen].reshape(len(chosen), self.inputs)]
        return from_spikes(found.transpose(0, 2, 1))


Sent = Trains | Constant


def _pixel_spikes(top: int, steps: int, reset: Reset) -> NDArray[np.bool_]:
    """Of every level `[top + 1, steps]`."""
    levels = np.arange(top + 1)
    v, fired = np.full(top + 1, top // 2), np.empty((top + 1, steps), np.bool_)
    for t in range(steps):
        v = v + levels
        fired[:, t] = v >= top
        v = np.where(fired[:, t], 0 if reset is Reset.ZERO else v - top, v)
    return fired


def from_times(times: Array, steps: int) -> Trains:
    """One spike for each input, in step `times[n, i]`; none where that is `steps` or more."""
    if times.ndim != 2 or (times.size and times.min() < 0):
        raise DataError("spike times must be [images, inputs] and not negative", where="spike trains")
    counts, places = [], []
    for first in range(0, len(times), PART):
        part = np.minimum(times[first : first + PART], steps).astype(np.uint16)
        order = np.argsort(part, axis=1, kind="stable").astype(np.int32)
        places.append(order[np.take_along_axis(part, order, axis=1) < steps])
        rows = np.arange(len(part))[:, None] * (steps + 1)
        found = np.bincount((part + rows).ravel(), minlength=len(part) * (steps + 1))
        counts.append(found.reshape(len(part), steps + 1)[:, :steps])
    return _joined(counts, places, steps, times.shape[1])


def from_spikes(spikes: Array) -> Trains:
    """The trains of an array of zeros and ones `[images, steps, inputs]`."""
    if spikes.ndim != 3 or not np.isin(spikes, (0, 1)).all():
        raise DataError("spikes must be [images, steps, inputs] of zeros and ones", where="spike trains")
    counts = [spikes.astype(bool).sum(axis=2)]
    places = [np.nonzero(spikes)[2].astype(np.int32)]
    return _joined(counts, places, spikes.shape[1], spikes.shape[2])


def _joined(counts: list[Array], places: list[Array], steps: int, inputs: int) -> Trains:
    """The spikes of the last step of an image end where those of the next image's first begin."""
    flat = np.concatenate(counts).ravel() if counts else np.empty(0, np.int64)
    ends = np.concatenate([[0], np.cumsum(flat, dtype=np.int64)])
    rows = np.arange(len(flat) // steps)[:, None] * steps + np.arange(steps + 1)
    chosen = np.concatenate(places) if places else np.empty(0, np.int32)
    return Trains(starts=np.ascontiguousarray(ends[rows]), places=chosen, inputs=inputs)


def latencies(images: Array, steps: int, *, tau: float = 20.0, least: float = 0.2) -> Trains:
    """Bright pixels send their one spike early: step floor(tau ln(x / (x - least))), none if x <= least.

    This is when a leaky neuron with a constant input x reaches `least`, as in the authors' code of
    Perez-Nieves and Goodman 2021. `images[N, ...]` hold values 0..1, or uint8 that stand for x = value / 255;
    `tau` is in steps.
    """
    if images.ndim < 2:
        raise DataError(f"images must be [images, ...], not {images.shape}", where="latencies")
    if not (0 < tau < math.inf and 0 < least < 1):
        raise DataError("tau must be positive, least between 0 and 1", where="latencies")
    if images.dtype == np.uint8:
        table = _times(np.arange(256) / 255, steps, tau, least)
        return from_times(table[images.reshape(len(images), -1)], steps)
    flat = images.reshape(len(images), -1)
    if not (np.isfinite(flat).all() and flat.size and flat.min() >= 0 and flat.max() <= 1):
        raise DataError("images must hold values 0 to 1, or be uint8", where="latencies")
    return from_times(_times(flat, steps, tau, least), steps)


def _times(x: Array, steps: int, tau: float, least: float) -> Array:
    above = x > least
    found = np.full(x.shape, float(steps))
    found[above] = np.minimum(tau * np.log(x[above] / (x[above] - least)), steps)
    return found.astype(np.uint16)
