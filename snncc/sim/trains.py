"""Spike trains of many steps as arrays, and what wiring, pools and counters make of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_ir.codes import Strand
from snncc_ir.linear import wire
from snncc_ir.nodes import Concat, MaxPool, Wiring
from snncc_ir.types import Shape

Array = NDArray[Any]

SPIKE = np.int8
"""Type of a stored spike."""

NARROW = 256
"""Sums of fewer spikes than this fit eight bits, which adds several times as fast."""

Trains = dict[Strand, Array]
"""Spikes `[T, N, *shape]` by strand, as long as there are any.

An input's train has one step: a `rate` graph repeats it for ever, in a `stbif` graph silence follows.
"""


def by_step(node: Wiring, train: Array) -> Array:
    """Wiring acts on the spikes of each step."""
    moved = wire(node, train.reshape(-1, *train.shape[2:]))
    return moved.reshape(*train.shape[:2], *moved.shape[1:])


def pooled(node: MaxPool, train: Array) -> Array:
    """The greatest running sum of each window, minus what the pool has sent."""
    if len(train) == 1:
        return by_step(node, train)
    best = by_step(node, train.cumsum(axis=0, dtype=np.int32))
    return np.diff(best, axis=0, prepend=np.zeros_like(best[:1])).astype(train.dtype)


def per_image(fired: Array, weights: Array | None = None) -> Array:
    """Spikes `[T, N]` of a train `[T, N, *shape]`, each times its weight (which broadcasts to shape)."""
    if weights is None or weights.size == 1:
        once = np.count_nonzero(fired.reshape(*fired.shape[:2], -1), axis=2)
        return np.asarray(once if weights is None else once * int(weights.item()), dtype=np.int64)
    channels = fired.sum(axis=2, dtype=np.uint8 if fired.shape[2] < NARROW else np.int32)
    flat = channels.reshape(*fired.shape[:2], -1)
    return np.asarray(flat @ np.broadcast_to(weights[0], channels.shape[2:]).ravel(), dtype=np.int64)


def padded(values: Array, steps: int) -> Array:
    """`values[t, N]` cut or filled with zeros to the number of steps."""
    missing = steps - len(values)
    if missing <= 0:
        return values[:steps]
    return np.concatenate([values, np.zeros((missing, *values.shape[1:]), values.dtype)])


def held(drives: Array, steps: int) -> Array:
    """Drives `[T, N, ...]` after each step; the last one stays."""
    last = np.broadcast_to(drives[-1:], (max(0, steps - len(drives)), *drives.shape[1:]))
    return np.concatenate([drives[:steps], last])


def joined(node: Concat, parts: Sequence[Trains], shapes: Sequence[Shape]) -> Trains:
    """Concatenate strand by strand; a part that carries another strand, or has ended, is silent."""
    strands = dict.fromkeys(strand for part in parts for strand in part)
    return {
        strand: _joined([part.get(strand) for part in parts], shapes, node.axis + 2) for strand in strands
    }


def _joined(trains: Sequence[Array | None], shapes: Sequence[Shape], axis: int) -> Array:
    known = [train for train in trains if train is not None]
    steps, images = max(len(train) for train in known), known[0].shape[1]
    silence = np.zeros((0, images), known[0].dtype)
    whole = [
        padded(silence.reshape(0, images, *shape) if train is None else train, steps)
        for train, shape in zip(trains, shapes, strict=True)
    ]
    return np.concatenate(whole, axis=axis)


def added(parts: Sequence[Array]) -> Array:
    """The sum of `values[t, N]` of different length; what is missing counts as zero."""
    steps = max(len(part) for part in parts)
    return np.asarray(sum(padded(part, steps) for part in parts))
