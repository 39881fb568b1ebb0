"""Rounding of weights: each to the nearest integer, or so that the drives of real images change least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from snncc.passes.base import Context
from snncc.passes.moments import inputs_at, positions
from snncc.passes.values import Values
from snncc_ir.graph import Graph
from snncc_ir.nodes import AnyNode, Conv, Dense, Linear, Population
from snncc_ir.tensors import Reals

DAMPING = 0.01
"""Share of the mean diagonal that is added to a moment matrix: the sample says little about rare inputs."""

SHARES = np.linspace(0.5, 1.0, 26)
"""Units that are tried, as shares of the one in which the largest weight just fits."""


@dataclass(frozen=True, eq=False)
class Synapses:
    """A linear node with its real weights per level of the source.

    `scale` and `zero` are the source's: level n stands for the real value scale * (n - zero).
    """

    node: Conv | Dense
    weights: Reals
    scale: Reals
    zero: Reals


class Rounder(Protocol):
    """Rounds the weights of the synapses into a population; hears of every node in order."""

    def unit(self, synapses: Sequence[Synapses], unit: Reals, top: int) -> Reals:
        """The real value `[C]` of one integer for the real weights of all synapses, at most `unit`."""

    def round(self, synapses: Synapses, unit: Reals, top: int) -> Reals:
        """Integers in [-top, top] for the weights in units of `unit[C]`."""

    def passed(self, node: AnyNode, projections: Sequence[Linear]) -> None:
        """`node` has its integers, and so have the projections into it."""


class Nearest:
    """Each weight on its own, in a unit in which the largest one just fits."""

    def unit(self, synapses: Sequence[Synapses], unit: Reals, top: int) -> Reals:
        """The unit as it is."""
        return unit

    def round(self, synapses: Synapses, unit: Reals, top: int) -> Reals:
        """The nearest integers."""
        return np.asarray(np.clip(np.rint(_in_units(synapses.weights, unit)), -top, top))

    def passed(self, node: AnyNode, projections: Sequence[Linear]) -> None:
        """Nothing to remember."""


class Gptq:
    """One weight after the other; the weights that are still real make up for the error made so far.

    The error is that of the drive in the mean square over the calibration images, with the levels that
    the integer network so far gives: for inputs x and H = sum of x x^T it is the trace of E H E^T
    (Frantar et al. 2022, GPTQ, algorithm 1). The unit is the one with the least error, H taken as diagonal.
    """

    def __init__(self, graph: Graph, context: Context) -> None:
        """Start before the first node of the real-valued graph."""
        self._values = Values(graph, context)
        self._moments: dict[str, Reals] = {}
        self._graph = graph

    def weights(self, synapses: Synapses) -> Reals:
        """The real weights, per level of the source, that the integers shall follow."""
        return synapses.weights

    def unit(self, synapses: Sequence[Synapses], unit: Reals, top: int) -> Reals:
        """Per channel the candidate with the least weighted rounding and clipping error."""
        errors = [
            np.sum([self._error(each, unit * share, top) for each in synapses], axis=0) for share in SHARES
        ]
        return np.asarray(unit * SHARES[np.argmin(errors, axis=0)])

    def _error(self, synapses: Synapses, unit: Reals, top: int) -> Reals:
        places = _in_units(self.weights(synapses), np.maximum(unit, np.finfo(np.float64).tiny))
        error = (np.clip(np.rint(places), -top, top) - places).reshape(len(places), -1)
        power = np.einsum("gkk->gk", self.moment(synapses))
        each = np.repeat(power, len(places) // len(power), axis=0)
        return np.asarray((np.square(error) * each).sum(axis=1) * np.square(unit))

    def round(self, synapses: Synapses, unit: Reals, top: int) -> Reals:
        """Integers that keep the drives of the calibration images."""
        moment = self.moment(synapses)
        places = _in_units(self.weights(synapses), unit)
        by_group = places.reshape(len(moment), -1, moment.shape[1])
        return rounded_in_order(by_group, moment, top).reshape(places.shape)

    def moment(self, synapses: Synapses) -> Reals:
        """Sum of x x^T over sampled positions, `[groups, K, K]`."""
        name = synapses.node.name
        if name not in self._moments:
            inputs = self.inputs(synapses)
            self._moments[name] = inputs.transpose(0, 2, 1) @ inputs
        return self._moments[name]

    def inputs(self, synapses: Synapses) -> Reals:
        """Levels of the integer network that the synapses read at sampled positions, `[groups, rows, K]`."""
        return self.sampled(synapses.node, self._values[synapses.node.source] - synapses.zero)

    def sampled(self, node: Conv | Dense, x: Reals) -> Reals:
        """What a node reads of `x[N, *source shape]` at sampled positions, `[groups, rows, K]`."""
        return inputs_at(node, x, positions(len(x), self._graph.types[node.name].shape))

    def passed(self, node: AnyNode, projections: Sequence[Linear]) -> None:
        """Go on with the levels of the integer network."""
        if isinstance(node, Population):
            self._values.fired(node, self._values.drive(projections))
        if projections:
            self._moments.clear()
        self._values.passed(node)


def _in_units(weights: Reals, unit: Reals) -> Reals:
    return np.asarray(weights / unit.reshape(-1, *(1,) * (weights.ndim - 1)))


def rounded_in_order(weights: Reals, moment: Reals, top: int) -> Reals:
    """Integers in [-top, top] for weights `[G, rows, K]` of G groups with moments `[G, K, K]`."""
    diagonal = np.einsum("gkk->gk", moment)
    damping = DAMPING * diagonal.mean(axis=1, keepdims=True) + (diagonal.max(axis=1, keepdims=True) == 0)
    inverse = np.linalg.inv(moment + damping[:, :, None] * np.eye(moment.shape[1]))
    upper = np.linalg.cholesky(inverse).transpose(0, 2, 1)
    rest = weights.copy()
    result = np.empty_like(rest)
    for k in range(rest.shape[2]):
        result[:, :, k] = np.clip(np.rint(rest[:, :, k]), -top, top)
        error = (rest[:, :, k] - result[:, :, k]) / upper[:, k, k, None]
        rest[:, :, k:] -= error[:, :, None] * upper[:, None, k, k:]
    return result
