"""The real value of the top level: what each method of balancing makes of calibrated activations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_ir.tensors import Reals

CANDIDATES = np.linspace(0.1, 1.0, 361)
"""Tops that `mse` tries, as shares of the greatest activation."""

COARSE = CANDIDATES[::4]
"""Tops that `kl` tries."""

BINS = 1024
"""Bins of the histogram, from 0 to the greatest activation, on which they are compared."""

ON_GRID = 1e-9
"""Relative squared error of rounding below which activations lie on the levels, but for float32's own."""

SMALLEST_TOP = 1e-6
"""Top of a channel that never fired during calibration."""


def on_levels(values: NDArray[Any], scale: float | NDArray[Any], lo: int, hi: int) -> NDArray[Any]:
    """The values that a staircase of `scale` per level gives for real ones."""
    return np.asarray(np.clip(np.floor(values / scale + 0.5), lo, hi) * scale)


def nonzero_percentile(sample: NDArray[np.float32], greatest: Reals, share: float) -> Reals:
    """Per channel the percentile of |activation| over the activations that are not zero."""
    size = np.abs(sample).astype(np.float64)
    size[size == 0] = np.nan
    silent = np.isnan(size).all(axis=0)
    size[:, silent] = greatest[silent]
    return np.asarray(np.nanpercentile(size, share, axis=0))


def all_percentile(sample: NDArray[np.float32], greatest: Reals, share: float) -> Reals:
    """Per channel the percentile of |activation|; where that is zero, the greatest activation."""
    top = np.percentile(np.abs(sample).astype(np.float64), share, axis=0)
    return np.asarray(np.where(top > 0, top, greatest))


def least_error_top(sample: NDArray[np.float32], greatest: Reals, lo: int, hi: int) -> Reals:
    """Per channel the candidate top whose staircase is nearest to the sample in the mean square."""
    counts, values = _histogram(sample, greatest, lo)
    errors = []
    for share in CANDIDATES:
        scale = share / max(hi, -lo)
        rounded = on_levels(values, scale, lo, hi)
        errors.append(counts @ np.square(rounded - values))
    return np.asarray(greatest * CANDIDATES[np.argmin(errors, axis=0)])


def roomy_top(sample: NDArray[np.float32], greatest: Reals, lo: int, hi: int, room: float) -> Reals:
    """Per channel `room` times the top of least error.

    Where the sample lies on the levels of that top, they are kept: the network learned with them.
    """
    top = least_error_top(sample, greatest, lo, hi)
    scale = np.maximum(top, SMALLEST_TOP) / max(hi, -lo)
    rounded = on_levels(sample, scale, lo, hi)
    exact = np.square(rounded - sample).mean(axis=0) <= ON_GRID * np.square(sample).mean(axis=0)
    return np.asarray(np.where(exact, top, room * top))


def least_divergence_top(sample: NDArray[np.float32], greatest: Reals, lo: int, hi: int) -> Reals:
    """Per channel the candidate top that loses least of the distribution of activations, KL(P || Q).

    P is the histogram with what exceeds the top added to its last bin; Q gives every level's share in
    equal parts to the bins of the level that P fills (Migacz, 8-bit inference with TensorRT, GTC 2017).
    Zeros take no part: every staircase keeps them.
    """
    counts, values = _histogram(sample, greatest, lo)
    counts[:, values == 0] = 0
    divergences = [_divergence(counts, values, share, lo, hi) for share in COARSE]
    return np.asarray(greatest * COARSE[np.argmin(divergences, axis=0)])


def _divergence(counts: Reals, values: Reals, share: float, lo: int, hi: int) -> Reals:
    """KL(P || Q) of every channel for the top `share` of its greatest activation."""
    inside = np.abs(values) <= share
    clipped = counts[:, inside].copy()
    clipped[:, -1] += counts[:, values > share].sum(axis=1)
    clipped[:, 0] += counts[:, values < -share].sum(axis=1)
    levels = np.clip(np.floor(values[inside] / share * max(hi, -lo) + 0.5), lo, hi)
    starts = np.flatnonzero(np.diff(levels, prepend=levels[0] - 1))
    width = np.diff(np.append(starts, len(levels)))
    filled = counts[:, inside] > 0  # an outlier's bin counts as filled only where P had something of its own
    total = np.add.reduceat(counts[:, inside], starts, axis=1)
    bins = np.maximum(np.add.reduceat(filled.astype(np.float64), starts, axis=1), 1.0)
    even = np.where(filled, np.repeat(total / bins, width, axis=1), 0.0)
    p = clipped / np.maximum(clipped.sum(axis=1, keepdims=True), 1.0)
    q = even / np.maximum(even.sum(axis=1, keepdims=True), 1.0)
    ratio = np.where(p > 0, p / np.maximum(q, _RARE), 1.0)
    return np.asarray((p * np.log(ratio)).sum(axis=1))


_RARE = 1e-6
"""Probability that Q gives to what it never saw, so that its divergence stays finite."""


def _histogram(sample: NDArray[np.float32], greatest: Reals, lo: int) -> tuple[Reals, Reals]:
    """How often each of `values` is the nearest, `[C, bins]`; the values are shares of the greatest one."""
    width = np.maximum(greatest, SMALLEST_TOP) / BINS
    first = -BINS if lo < 0 else 0
    bins = BINS - first + 1
    channels = sample.shape[1]
    index = np.clip(np.rint(sample / width.astype(np.float32)), first, BINS).astype(np.int64) - first
    index += np.arange(channels) * bins
    counts = np.bincount(index.ravel(), minlength=channels * bins).reshape(channels, bins)
    return counts.astype(np.float64), np.arange(first, BINS + 1) / BINS
