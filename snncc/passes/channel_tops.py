"""The tops of channels that cost the outputs least, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snncc.passes.balance import grids_of
from snncc.passes.base import Context
from snncc.passes.channel_errors import RoundingErrors, Tries, channel_errors
from snncc.passes.shared_scales import shared_scales
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog, Grid
from snncc_ir.tensors import Ints, Reals

SHARES = np.array([1.0, 0.7, 0.8, 0.88, 0.94, 1.07, 1.15, 1.25, 1.4, 1.6])
"""Tops that are tried, as shares of those of a balanced graph, which come first."""

SMALL = 1e-30
"""A squared error that counts as none."""


@dataclass(frozen=True)
class ChannelTops:
    """The tops `[C]` of a population at one width of levels, and what rounding each channel costs `[C]`.

    Errors are squared ones of the outputs, relative to their variance.
    """

    tops: Reals
    errors: Reals


TopsByBits = Mapping[int, ChannelTops]


def channel_tops(
    graph: Graph, context: Context, balanced: Mapping[int, Graph], *, free: bool
) -> dict[str, TopsByBits]:
    """Tops of every population by level bits; those of the balanced graphs, unless they are `free`.

    Free ones are never beyond what the unit can give. Channels that must share a scale keep that of the
    balanced graphs in any case.
    """
    units = {node.name: node.neuron for node in graph.populations if isinstance(node.neuron, Analog)}
    shares = SHARES if free else SHARES[:1]
    grids = {bits: grids_of(each) for bits, each in balanced.items()}
    tries = {
        name: {bits: _tries(unit, by_name[name], shares) for bits, by_name in grids.items()}
        for name, unit in units.items()
    }
    measured, shared = channel_errors(graph, context, tries), shared_scales(graph)
    found: dict[str, TopsByBits] = {}
    for name, by_bits in measured.items():
        fixed = shared.mask(name, graph.types[name].shape[0])
        found[name] = {bits: _chosen(tries[name][bits], errors, fixed) for bits, errors in by_bits.items()}
    return found


def _tries(unit: Analog, grid: Grid, shares: Reals) -> Tries:
    tops = shares[:, None] * grid.top.data
    tops[1:] = np.minimum(tops[1:], unit.ceiling)
    return Tries(tops, grid.lo, grid.hi)


def _chosen(tried: Tries, errors: RoundingErrors, fixed: NDArray[np.bool_]) -> ChannelTops:
    """What costs least, but for channels that are `fixed`: they keep the first."""
    best = np.where(fixed, 0, _best(errors))[None]
    tops, costs = (np.take_along_axis(each, best, axis=0)[0] for each in (tried.tops, errors.outputs))
    return ChannelTops(tops, costs)


def _best(errors: RoundingErrors) -> Ints:
    """The number of the top `[C]` of the least sum of both errors, each relative to that of the first top.

    The error of the outputs alone follows the calibration images too closely where few of them reach the
    top; that of the channel keeps it near where its own activations are rounded best.
    """
    return np.argmin(_relative(errors.outputs) + _relative(errors.channel), axis=0)


def _relative(errors: Reals) -> Reals:
    """Errors over those of the first row; where that has none, a row that has some is never the best."""
    none = np.where(errors > SMALL, np.inf, 1.0)
    return np.divide(errors, errors[0], out=none, where=errors[0] > SMALL)
