"""What rounding costs the outputs, channel by channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.passes.base import Context
from snncc.passes.tops import on_levels
from snncc.passes.widths import LEVEL_BITS
from snncc_ir.graph import Graph
from snncc_ir.neurons import Grid
from snncc_ir.statistics import Statistics
from snncc_ir.tensors import Reals

Array = NDArray[Any]
Grids = Mapping[str, Grid]

ChannelErrors = Mapping[str, Mapping[int, Reals]]
"""Squared error of the outputs, relative to their variance, by population, level bits and channel."""

PROBED = 128
"""Images on which errors are measured."""

MEASURED_BITS = 4
"""Width at which channels are measured; at others the error goes with that of rounding their activations."""


def channel_errors(graph: Graph, context: Context, grids: Mapping[int, Grids]) -> ChannelErrors:
    """What every channel `[C]` of a real graph costs, for the grids that its population has by level bits.

    Each channel is rounded alone while all others stay real: float weights, calibration images, no label.
    The joint error of all roundings says more about these few images than about others.
    """
    alone = _measured(graph, context, grids[MEASURED_BITS])
    found = {}
    for name, measured in alone.items():
        seen = context.calibration.populations[name]
        rounding = {bits: _rounding_errors(seen, grids[bits][name]) for bits in LEVEL_BITS}
        whole = np.maximum(rounding[MEASURED_BITS], np.finfo(np.float64).tiny)
        found[name] = {bits: measured * (rounding[bits] / whole) for bits in LEVEL_BITS}
    return found


def _measured(graph: Graph, context: Context, grids: Grids) -> dict[str, Reals]:
    """Error `[C]` of each channel of every population."""
    engine = context.reals(graph)
    images = context.input_format.to_reals(context.samples[:PROBED])
    real = engine.run(images, {})
    progress = context.watch("channels rounded alone")
    found = {name: np.zeros(graph.types[name].shape[0]) for name in grids}
    every = [(name, channel) for name, errors in found.items() for channel in range(len(errors))]
    for number, (name, channel) in enumerate(every):
        rounded = engine.run(images, {name: grids[name]}, {name: channel})
        found[name][channel] = sum(_error(rounded[output], real[output]) for output in real)
        progress(number + 1, len(every))
    return found


def _error(found: Array, wanted: Array) -> float:
    """Variance of the difference over the images, in units of that of what is wanted.

    The mean of the difference is no loss: `correct_bias` takes it away.
    """
    difference = np.asarray(found - wanted, dtype=np.float64)
    return float(difference.var(axis=0).mean() / max(float(wanted.var()), 1e-12))


def _rounding_errors(seen: Statistics, grid: Grid) -> Reals:
    """Mean squared error `[C]` of rounding the calibrated activations."""
    rounded = on_levels(seen.sample, grid.scale, grid.lo, grid.hi)
    return np.asarray(np.square(rounded - seen.sample).mean(axis=0), dtype=np.float64)
