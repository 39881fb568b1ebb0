"""Rounding of weights that follows the float network: by least squares, then one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from snncc.passes.base import Context
from snncc.passes.rounding import Gptq, Synapses
from snncc.passes.values import RealValues
from snncc_ir.graph import Graph
from snncc_ir.nodes import AnyNode, Linear, Population
from snncc_ir.tensors import Reals

RIDGE = 0.01
"""Share of the mean diagonal that is added to a moment matrix: few images do not move the weights far."""

LEAST_ROWS = 24
"""Sampled positions for every weight of a row; with fewer the weights would fit these images alone."""


class Refit(Gptq):
    """Gptq towards weights that give the float network's drive on the levels of the integer network.

    With x the levels that a layer reads and f what the float network has there, in the units of x, the
    weights W' least in |W f - W' x|^2 + ridge |W - W'|^2 are W + W (sum (f - x) x^T) (sum x x^T + ridge)^-1:
    a layer makes up for what the rounding of the levels before it lost. Layers that are sampled at fewer
    positions than LEAST_ROWS times their weights of a row, as dense layers are, keep W.
    """

    def __init__(self, graph: Graph, context: Context) -> None:
        """Start before the first node of the real-valued graph."""
        super().__init__(graph, context)
        self._reals = RealValues(graph, context)
        self._weights: dict[str, Reals] = {}

    def weights(self, synapses: Synapses) -> Reals:
        """The least-squares weights."""
        name = synapses.node.name
        if name not in self._weights:
            self._weights[name] = self._refitted(synapses)
        return self._weights[name]

    def _refitted(self, synapses: Synapses) -> Reals:
        moment, x = self.moment(synapses), self.inputs(synapses)
        if x.shape[1] < LEAST_ROWS * x.shape[2]:
            return synapses.weights
        missing = self.sampled(synapses.node, self._real_levels(synapses)) - x
        ridge = RIDGE * np.einsum("gkk->gk", moment).mean(axis=1)[:, None, None]
        ridge = ridge + (ridge == 0)
        by_group = synapses.weights.reshape(len(moment), -1, moment.shape[1])
        change = by_group @ (missing.transpose(0, 2, 1) @ x)
        solved = np.linalg.solve(moment + ridge * np.eye(moment.shape[1]), change.transpose(0, 2, 1))
        return np.asarray((by_group + solved.transpose(0, 2, 1)).reshape(synapses.weights.shape))

    def _real_levels(self, synapses: Synapses) -> Reals:
        """What the float network has at the source, in levels; 0 where padding made the value."""
        value = self._reals[synapses.node.source]
        scale = np.broadcast_to(synapses.scale, value.shape)
        return np.divide(value, scale, out=np.zeros(value.shape), where=scale > 0)

    def passed(self, node: AnyNode, projections: Sequence[Linear]) -> None:
        """Go on with the levels of the integer network and the values of the float network."""
        super().passed(node, projections)
        if projections:
            self._weights.clear()
        real = self._graph.by_name[node.name]
        if isinstance(real, Population):
            self._reals.fired(real, self._reals.drive(self._graph.projections(real)))
        self._reals.passed(real)
