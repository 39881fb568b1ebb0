"""What a streaming run knows and has cost after each of its steps, and where it may stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Trace:
    """T steps of N images: all arrays are `[T, N]` but for the last two.

    `predictions` is the index of the first output's greatest drive so far, `margins` that drive minus the
    second greatest, in real units (for `rate` the drive summed so far, over all T steps: what later steps
    must make up for to change the answer). `spikes` and `synops` are what each step cost. `settled[N]` is the
    number of steps after which nothing happened any more, and `exact[N]` (`stbif` alone) is true where every
    level is that of the phased codes.
    """

    predictions: Array
    margins: Array
    spikes: Array
    synops: Array
    settled: Array
    exact: Array | None

    @property
    def certified(self) -> Array:
        """Steps `[N]` after which an image is known to have settled: its first silent one after the input."""
        return np.maximum(self.settled, 1) + 1


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Means over the images after `step` steps; costs are those of the steps so far."""

    step: int
    accuracy: float | None
    spikes: float
    synops: float
    certified: float | None


@dataclass(frozen=True, kw_only=True)
class Exit:
    """What stopping each image at its first step with more than `margin` gives: means over the images."""

    margin: float
    steps: float
    accuracy: float | None
    spikes: float
    synops: float


def make_trace(drives: Array, costs: tuple[Array, Array], settled: Array, exact: Array | None) -> Trace:
    """The trace of a batch: `drives[T, N, ...]` of the first output in real units, spikes and synops."""
    flat = drives.reshape(*drives.shape[:2], -1)
    if flat.shape[2] > 1:
        ends = np.partition(flat, -2, axis=2)[:, :, -2:]
        margins = ends[:, :, 1] - ends[:, :, 0]
    else:
        margins = np.zeros(flat.shape[:2])
    return Trace(
        predictions=flat.argmax(axis=2),
        margins=margins,
        spikes=costs[0],
        synops=costs[1],
        settled=settled,
        exact=exact,
    )


def join(parts: Sequence[Trace]) -> Trace:
    """The traces of several batches as one; what has ended keeps its answer and costs nothing more."""
    steps = max(len(part.predictions) for part in parts)

    def over(name: str, *, lasting: bool) -> Array:
        return np.concatenate([_longer(getattr(part, name), steps, lasting) for part in parts], axis=1)

    exact = [part.exact for part in parts if part.exact is not None]
    return Trace(
        predictions=over("predictions", lasting=True),
        margins=over("margins", lasting=True),
        spikes=over("spikes", lasting=False),
        synops=over("synops", lasting=False),
        settled=np.concatenate([part.settled for part in parts]),
        exact=np.concatenate(exact) if exact else None,
    )


def _longer(values: Array, steps: int, lasting: bool) -> Array:
    last = values[-1:] if lasting else np.zeros_like(values[-1:])
    return np.concatenate([values, np.repeat(last, steps - len(values), axis=0)])


def every_step(trace: Trace, labels: Array | None) -> list[Progress]:
    """Accuracy and costs so far after each step."""
    spikes, synops = (values.mean(axis=1).cumsum() for values in (trace.spikes, trace.synops))
    return [
        Progress(
            step=step + 1,
            accuracy=None if labels is None else float((trace.predictions[step] == labels).mean()),
            spikes=float(spikes[step]),
            synops=float(synops[step]),
            certified=None if trace.exact is None else float((trace.certified <= step + 1).mean()),
        )
        for step in range(len(spikes))
    ]


def leave_early(trace: Trace, labels: Array | None, margin: float) -> Exit:
    """Stop every image at the first step whose margin exceeds `margin`, or at the last one."""
    confident = trace.margins > margin
    confident[-1] = True
    last = confident.argmax(axis=0)
    images = np.arange(len(last))
    answers = trace.predictions[last, images]
    spikes, synops = (values.cumsum(axis=0)[last, images] for values in (trace.spikes, trace.synops))
    return Exit(
        margin=margin,
        steps=float((last + 1).mean()),
        accuracy=None if labels is None else float((answers == labels).mean()),
        spikes=float(spikes.mean()),
        synops=float(synops.mean()),
    )
