"""Threshold balancing: the real value of the top level, per channel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from snncc.passes.base import Context, Pass, option
from snncc.passes.stored_weights import feeds_stored_weights
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog, Grid
from snncc_ir.nodes import Population
from snncc_ir.statistics import Statistics
from snncc_ir.tensors import Reals, Tensor

CANDIDATES = np.linspace(0.1, 1.0, 361)
"""Tops that `mse` tries, as shares of the greatest activation."""

BINS = 1024
"""Bins of the histogram, from 0 to the greatest activation, on which it compares them."""

SMALLEST_TOP = 1e-6
"""Top of a channel that never fired during calibration."""


@dataclass(frozen=True)
class Balance(Pass):
    """Chooses the grid of every analog population from its calibrated activations.

    `max` takes the greatest activation, `percentile:p` the p-th percentile of the activations that are
    not zero (Rueckauer et al. 2016), `mse` the top with the least mean squared rounding and clipping error.
    """

    name: ClassVar[str] = "balance"

    method: str = option("mse", "max, percentile:P or mse")
    level_bits: int = option(4, "bits of a level, 1 to 8")

    def __post_init__(self) -> None:
        if not 1 <= self.level_bits <= 8:
            raise SnnccError(f"level_bits must be 1 to 8, not {self.level_bits}", where=self.name)
        if self.method not in ("max", "mse"):
            _percentile(self.method)

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Give every analog population its grid."""
        changed = []
        for node in graph.populations:
            if isinstance(node.neuron, Analog):
                statistics = context.calibration.populations[node.name]
                if feeds_stored_weights(graph, node.name):
                    statistics = _of_layer(statistics)
                changed.append(replace(node, neuron=self._balanced(node, node.neuron, statistics)))
        return graph.with_nodes(changed)

    def _balanced(self, node: Population, neuron: Analog, statistics: Statistics) -> Analog:
        lo, hi = level_range(self.level_bits, signed=neuron.low < 0)
        top = np.broadcast_to(self._top(statistics, lo, hi), neuron.bias.values.shape[:1])
        return replace(neuron, grid=Grid(top=Tensor.real(np.maximum(top, SMALLEST_TOP)), lo=lo, hi=hi))

    def _top(self, statistics: Statistics, lo: int, hi: int) -> Reals:
        greatest = np.maximum(statistics.high, -statistics.low)
        match self.method:
            case "max":
                return greatest
            case "mse":
                return least_error_top(statistics.sample, greatest, lo, hi)
            case _:
                return nonzero_percentile(statistics.sample, greatest, _percentile(self.method))


def _of_layer(statistics: Statistics) -> Statistics:
    """The statistics of all channels as those of one."""
    return replace(
        statistics,
        low=statistics.low.min(keepdims=True),
        high=statistics.high.max(keepdims=True),
        sample=statistics.sample.reshape(-1, 1),
    )


def level_range(bits: int, *, signed: bool) -> tuple[int, int]:
    """0..2^K - 1, or +-(2^(K-1) - 1) for signed populations (K = 1: -1..1)."""
    if not signed:
        return 0, 2**bits - 1
    top = max(1, 2 ** (bits - 1) - 1)
    return -top, top


def _percentile(method: str) -> float:
    kind, _, share = method.partition(":")
    try:
        value = float(share)
    except ValueError:
        value = -1.0
    if kind != "percentile" or not 0 < value <= 100:
        raise SnnccError(
            f"method {method!r} is none of max, mse and percentile:P with P in (0, 100]", where="balance"
        )
    return value


def nonzero_percentile(sample: NDArray[np.float32], greatest: Reals, share: float) -> Reals:
    """Per channel the percentile of |activation| over the activations that are not zero."""
    size = np.abs(sample).astype(np.float64)
    size[size == 0] = np.nan
    silent = np.isnan(size).all(axis=0)
    size[:, silent] = greatest[silent]
    return np.asarray(np.nanpercentile(size, share, axis=0))


def least_error_top(sample: NDArray[np.float32], greatest: Reals, lo: int, hi: int) -> Reals:
    """Per channel the candidate top whose staircase is nearest to the sample in the mean square."""
    first = -BINS if lo < 0 else 0
    counts = _histogram(sample, np.maximum(greatest, SMALLEST_TOP) / BINS, first)
    values = np.arange(first, BINS + 1) / BINS  # in units of the channel's greatest activation
    errors = []
    for share in CANDIDATES:
        scale = share / max(hi, -lo)
        rounded = np.clip(np.floor(values / scale + 0.5), lo, hi) * scale
        errors.append(counts @ np.square(rounded - values))
    return np.asarray(greatest * CANDIDATES[np.argmin(errors, axis=0)])


def _histogram(sample: NDArray[np.float32], width: Reals, first: int) -> Reals:
    """How often each multiple `first`, ..., BINS of the channel's `width` is the nearest, `[C, bins]`."""
    bins = BINS - first + 1
    channels = sample.shape[1]
    index = np.clip(np.rint(sample / width.astype(np.float32)), first, BINS).astype(np.int64) - first
    index += np.arange(channels) * bins
    return np.bincount(index.ravel(), minlength=channels * bins).reshape(channels, bins).astype(np.float64)
