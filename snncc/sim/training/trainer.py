"""A graph with staircases that follows a float graph: one ONNX model gives the loss and its gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce

import numpy as np

from snncc.sim.session import open_session
from snncc.sim.training.emitter import Array, Emitter
from snncc.sim.training.neurons import cross_entropy, divergence, real_unit, squared_error, staircase
from snncc.sim.training.rules import Applied, project
from snncc.sim.training.tape import IMAGES, THREADS, RealTape, Tape, value_count
from snncc_ir.aims import Loss, Surrogate
from snncc_ir.errors import GraphError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog
from snncc_ir.nodes import Linear, Population, Readout
from snncc_ir.training import Objective, Parameters
from snncc_ir.types import Shape

MOST_NUMBERS = 2**29
"""Values of all nodes for a batch, which a training step holds several times over."""

CLASSES = "classes"


@dataclass(frozen=True)
class Training:
    """Opens trainers whose aim are the outputs of `teacher`, a real graph, or labels alone."""

    teacher: Graph | None

    def __call__(self, graph: Graph, objective: Objective) -> GraphTrainer:
        """A trainer for `graph`, a real graph with grids and the teacher's input and outputs."""
        return GraphTrainer(graph, self.teacher, objective)


class GraphTrainer:
    """Loss of a graph and gradients by all of its parameters, batch by batch."""

    def __init__(self, graph: Graph, teacher: Graph | None, objective: Objective) -> None:
        """Prepare the model; raises GraphError where a node has no gradient or a population no grid."""
        _check_size(graph, objective.batch)
        emit = Emitter()
        tape = _StairTape(emit, objective.batch, graph, surrogate=objective.surrogate)
        loss = tape.losses(teacher, objective)
        tape.differentiate()
        (image,) = graph.inputs
        self._classes = math.prod(graph.types[graph.outputs[0]].shape)
        inputs = {
            IMAGES: (objective.batch, *graph.types[image.name].shape),
            CLASSES: (objective.batch, self._classes),
            **tape.parameters,
        }
        self._names = [name for name in tape.parameters if name in tape.gradients]
        outputs = {"loss": loss, **{f"d/{name}": tape.gradients[name] for name in self._names}}
        self._session = open_session(emit.model(inputs, outputs), THREADS, spinning=False)
        self._inputs = [value.name for value in self._session.get_inputs()]

    def __call__(
        self, images: Array, parameters: Parameters, labels: Array | None = None
    ) -> tuple[float, Parameters]:
        """The loss for real `images[batch, *input shape]` of classes `labels[batch]`, and its gradients."""
        feed = {
            IMAGES: images,
            **({} if labels is None else {CLASSES: np.eye(self._classes)[labels]}),
            **{_weight(name): value for name, value in parameters.weights.items()},
            **{_bias(name): value for name, value in parameters.biases.items()},
            **{_step(name): value for name, value in parameters.steps.items()},
        }
        floats = {name: np.asarray(feed[name], dtype=np.float32) for name in self._inputs}
        loss, *values = self._session.run(None, floats)
        found = dict(zip(self._names, values, strict=True))
        return float(loss), Parameters(
            weights={k: _found(found, _weight(k), v.shape) for k, v in parameters.weights.items()},
            biases={k: _found(found, _bias(k), v.shape[:1]) for k, v in parameters.biases.items()},
            steps={k: _found(found, _step(k), v.shape) for k, v in parameters.steps.items()},
        )


def _found(gradients: Mapping[str, Array], name: str, shape: Shape) -> Array:
    """A gradient; 0 where the loss does not depend on the parameter."""
    return gradients.get(name, np.zeros(shape, np.float32))


def _check_size(graph: Graph, batch: int) -> None:
    count = batch * value_count(graph)
    if count > MOST_NUMBERS:
        raise GraphError(
            f"its values for {batch} images are {count} numbers, more than {MOST_NUMBERS}",
            where=graph.name,
            hint="set a smaller batch",
        )


def _weight(name: str) -> str:
    return f"weight/{name}"


def _bias(name: str) -> str:
    return f"bias/{name}"


def _step(name: str) -> str:
    return f"step/{name}"


@dataclass
class _StairTape(Tape):
    """The network with staircases, and its parameters."""

    surrogate: Surrogate = Surrogate.STRAIGHT
    parameters: dict[str, Shape] = field(default_factory=dict)

    def linear(self, node: Linear) -> str:
        weight = self._parameter(_weight(node.name), node.weight.shape)
        applied = project(node, self.frame(node.name), self.values[node.source], weight)
        return self.record(node.name, (node.source, weight), applied)

    def readout(self, node: Readout) -> str:
        bias = self._parameter(_bias(node.name), self.shape(node.name)[1:])
        return self.record(node.name, (*node.drives, bias), self._biased(node, bias))

    def population(self, node: Population, neuron: Analog) -> str:
        if neuron.grid is None:
            raise GraphError(
                "has no thresholds yet", where=node.name, hint="run balance before tune_thresholds"
            )
        bias = self._parameter(_bias(node.name), self.shape(node.name)[1:])
        step = self._parameter(_step(node.name), neuron.grid.top.shape)
        drive = f"drive/{node.name}"
        total = self.record(drive, (*node.drives, bias), self._biased(node, bias))
        if neuron.bends(neuron.grid.scale, neuron.grid.lo, neuron.grid.hi):
            bent = f"bent/{node.name}"
            unit = replace(neuron, low=neuron.low or -math.inf)  # the staircase itself ends at 0
            total = self.record(bent, (drive,), real_unit(unit, self.frame(node.name), total))
            drive = bent
        applied = staircase(neuron.grid, self.frame(node.name), total, step, self.surrogate)
        return self.record(node.name, (drive, step), applied)

    def _biased(self, node: Population | Readout, bias: str) -> Applied:
        frame = self.frame(node.name)

        def pullback(g: str) -> tuple[str, ...]:
            return (*(g for _ in node.drives), frame.channel_sum(g))

        return self.summed(node, bias), pullback

    def _parameter(self, name: str, shape: Shape) -> str:
        self.parameters[name] = shape
        return name

    def losses(self, teacher: Graph | None, objective: Objective) -> str:
        """The loss of all outputs; their gradients are where `differentiate` begins."""
        terms = [] if teacher is None else [*self._taught(teacher, objective)]
        if objective.labelled:
            name = self.graph.outputs[0]
            applied = cross_entropy(self.frame(name), self.values[name], CLASSES)
            terms.append(self._term(name, applied, self.emit.floats(objective.labelled)))
        if objective.hidden:
            terms += self._hidden(objective.hidden)
        return reduce(lambda total, term: self.emit("Add", total, term), terms)

    def _taught(self, teacher: Graph, objective: Objective) -> Iterator[str]:
        """The distances of the outputs from the teacher's."""
        target, factor = RealTape(self.emit, self.batch, teacher), self.emit.floats(objective.taught)
        for name, aim in zip(self.graph.outputs, teacher.outputs, strict=True):
            yield self._term(name, self._loss(name, target.values[aim], objective), factor)

    def _term(self, name: str, applied: Applied, factor: str) -> str:
        """A term of the loss that depends on one value."""
        loss, pullback = applied
        (gradient,) = pullback(factor)
        self.add_gradient(name, gradient)
        return self.emit("Mul", loss, factor)

    def _hidden(self, share: float) -> Iterator[str]:
        """The errors of the hidden populations, whose aim has the units of this graph."""
        target = RealTape(self.emit, self.batch, self.graph)
        hidden = [node.name for node in self.graph.populations if node.name not in self.graph.outputs]
        factor = self.emit.floats(share / max(len(hidden), 1))
        for name in hidden:
            error = squared_error(self.frame(name), self.values[name], target.values[name])
            yield self._term(name, error, factor)

    def _loss(self, name: str, target: str, objective: Objective) -> Applied:
        node, frame = self.graph.by_name[name], self.frame(name)
        shape = frame.shape[1:]
        scores = isinstance(node, Readout) and len(shape) == 1 and shape[0] > 1
        if objective.loss is Loss.KL and math.prod(shape) < 2:
            raise GraphError("is one number, which kl cannot compare", where=name, hint="set loss=mse")
        if objective.loss is Loss.KL or (objective.loss is Loss.AUTO and scores):
            return divergence(frame, self.values[name], target, objective.temperature)
        return squared_error(frame, self.values[name], target)
