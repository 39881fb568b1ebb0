"""Graphs whose levels are those of a staircase: gradients straight through the roundings."""

from __future__ import annotations

from snncc.passes.base import Array, Training
from snncc.passes.rounded import real_parameters
from snncc.passes.variables import Variables
from snncc.tuning.lifting import lifted, lowered, shared_steps
from snncc.tuning.material import Material
from snncc.tuning.widening import widened
from snncc_ir.encoding import format_of
from snncc_ir.graph import Graph
from snncc_ir.tensors import Reals
from snncc_ir.training import Objective


class StaircaseLearner:
    """A graph with phased codes, or with `stbif`, which settles on the same levels.

    The loss and its gradients are those of the real network that the integers stand for, as in
    `tune_thresholds`; weights, biases and thresholds are rounded before each step.
    """

    def __init__(self, graph: Graph, material: Material, training: Training, objective: Objective) -> None:
        """`material` shows how large drives are. Raises GraphError where a neuron has no gradient."""
        self._start = widened(graph, material)
        real = lifted(self._start)
        self._variables = Variables(real, shared_steps(real))
        self._trainer = training(real, objective)
        self._form = format_of(graph.inputs[0])
        self.rates = self._variables.rates

    def start(self) -> Reals:
        """All variables at 0."""
        return self._variables.start()

    def graph(self, vector: Reals) -> Graph:
        """The integers for other variables."""
        return lowered(self._variables.graph_at(vector), self._start)

    def gradient(self, vector: Reals, levels: Array, labels: Array | None) -> tuple[float, Reals]:
        """Loss of a batch, and its gradient by the variables."""
        parameters = real_parameters(self.graph(vector))
        loss, found = self._trainer(self._form.to_reals(levels), parameters, labels)
        return loss, self._variables.gradient(vector, found)
