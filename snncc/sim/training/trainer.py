"""A graph with staircases that follows a float graph: one ONNX model gives the loss and its gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce

import numpy as np

from snncc.sim.session import open_session
from snncc.sim.training.emitter import Array, Emitter
from snncc.sim.training.neurons import cross_entropy, divergence, real_unit, squared_error, staircase
from snncc.sim.training.rules import Applied, Frame, Pullback, arrange, project
from snncc_ir.aims import Loss, Surrogate
from snncc_ir.errors import GraphError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog
from snncc_ir.nodes import AnyNode, Input, Linear, Population, Readout, Wiring
from snncc_ir.training import Objective, Parameters
from snncc_ir.types import Shape

THREADS = 2
"""Always as many, so that the order of every sum is the same on every machine of one kind."""

MOST_NUMBERS = 2**29
"""Values of all nodes for a batch, which a training step holds several times over."""

IMAGES = "images"
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
        tape = _Tape(emit, objective.batch, graph, surrogate=objective.surrogate)
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
    count = batch * sum(math.prod(value.shape) for value in graph.types.values())
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
class _Walk:
    """Values of a graph's nodes, node by node."""

    emit: Emitter
    batch: int
    graph: Graph
    values: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node in self.graph.nodes:
            self.values[node.name] = self.visit(node)

    def visit(self, node: AnyNode) -> str:
        raise NotImplementedError

    def frame(self, node: AnyNode) -> Frame:
        return Frame(self.emit, tuple(map(self.shape, node.sources)), self.shape(node.name))

    def shape(self, name: str) -> Shape:
        return (self.batch, *self.graph.types[name].shape)

    def summed(self, node: Population | Readout, bias: str) -> str:
        """Drives and bias of a population or readout."""
        total = bias
        for name in node.drives:
            total = self.emit("Add", self.values[name], total)
        return total


class _Float(_Walk):
    """The float network: no grids, every parameter a constant."""

    def visit(self, node: AnyNode) -> str:
        match node:
            case Input():
                return IMAGES
            case Linear():
                weight = self.emit.floats(node.weight.data)
                return project(node, self.frame(node), self.values[node.source], weight)[0]
            case Population(neuron=Analog() as neuron):
                bias = self.emit.floats(neuron.bias.spread(self.graph.types[node.name].shape))
                return real_unit(neuron, self.emit, self.summed(node, bias))
            case Readout():
                bias = self.emit.floats(node.bias.spread(self.graph.types[node.name].shape))
                return self.summed(node, bias)
            case Wiring():
                return arrange(node, self.frame(node), *(self.values[name] for name in node.sources))[0]
            case _:
                raise GraphError("is quantised already", where=node.name)


@dataclass
class _Tape(_Walk):
    """The network with staircases, its parameters, and what is needed to go back through it."""

    surrogate: Surrogate = Surrogate.STRAIGHT
    parameters: dict[str, Shape] = field(default_factory=dict)
    steps: list[tuple[str, tuple[str, ...], Pullback]] = field(default_factory=list)
    gradients: dict[str, str] = field(default_factory=dict)

    def visit(self, node: AnyNode) -> str:
        match node:
            case Input():
                return IMAGES
            case Linear():
                weight = self._parameter(_weight(node.name), node.weight.shape)
                applied = project(node, self.frame(node), self.values[node.source], weight)
                return self._record(node.name, (node.source, weight), applied)
            case Population(neuron=Analog() as neuron):
                return self._population(node, neuron)
            case Readout():
                bias = self._parameter(_bias(node.name), self.shape(node.name)[1:])
                return self._record(node.name, (*node.drives, bias), self._biased(node, bias))
            case Wiring():
                applied = arrange(node, self.frame(node), *(self.values[name] for name in node.sources))
                return self._record(node.name, node.sources, applied)
            case _:
                raise GraphError("is quantised already", where=node.name)

    def _population(self, node: Population, neuron: Analog) -> str:
        if neuron.grid is None:
            raise GraphError(
                "has no thresholds yet", where=node.name, hint="run balance before tune_thresholds"
            )
        bias = self._parameter(_bias(node.name), self.shape(node.name)[1:])
        step = self._parameter(_step(node.name), neuron.grid.top.shape)
        drive = f"drive/{node.name}"
        total = self._record(drive, (*node.drives, bias), self._biased(node, bias))
        applied = staircase(neuron.grid, self.frame(node), total, step, self.surrogate)
        return self._record(node.name, (drive, step), applied)

    def _biased(self, node: Population | Readout, bias: str) -> Applied:
        frame = self.frame(node)

        def pullback(g: str) -> tuple[str, ...]:
            return (*(g for _ in node.drives), frame.channel_sum(g))

        return self.summed(node, bias), pullback

    def _parameter(self, name: str, shape: Shape) -> str:
        self.parameters[name] = shape
        return name

    def _record(self, name: str, sources: tuple[str, ...], applied: Applied) -> str:
        value, pullback = applied
        self.steps.append((name, sources, pullback))
        return value

    def losses(self, teacher: Graph | None, objective: Objective) -> str:
        """The loss of all outputs; their gradients are where `differentiate` begins."""
        terms = [] if teacher is None else [*self._taught(teacher, objective)]
        if objective.labelled:
            name = self.graph.outputs[0]
            applied = cross_entropy(self._frame(name), self.values[name], CLASSES)
            terms.append(self._term(name, applied, self.emit.floats(objective.labelled)))
        if objective.hidden:
            terms += self._hidden(objective.hidden)
        return reduce(lambda total, term: self.emit("Add", total, term), terms)

    def _taught(self, teacher: Graph, objective: Objective) -> Iterator[str]:
        """The distances of the outputs from the teacher's."""
        target, factor = _Float(self.emit, self.batch, teacher), self.emit.floats(objective.taught)
        for name, aim in zip(self.graph.outputs, teacher.outputs, strict=True):
            yield self._term(name, self._loss(name, target.values[aim], objective), factor)

    def _term(self, name: str, applied: Applied, factor: str) -> str:
        """A term of the loss that depends on one value."""
        loss, pullback = applied
        (gradient,) = pullback(factor)
        self._add_gradient(name, gradient)
        return self.emit("Mul", loss, factor)

    def _hidden(self, share: float) -> Iterator[str]:
        """The errors of the hidden populations, whose aim has the units of this graph."""
        target = _Float(self.emit, self.batch, self.graph)
        hidden = [node.name for node in self.graph.populations if node.name not in self.graph.outputs]
        factor = self.emit.floats(share / max(len(hidden), 1))
        for name in hidden:
            error = squared_error(self._frame(name), self.values[name], target.values[name])
            yield self._term(name, error, factor)

    def _frame(self, name: str) -> Frame:
        return Frame(self.emit, (), self.shape(name))

    def _loss(self, name: str, target: str, objective: Objective) -> Applied:
        node, frame = self.graph.by_name[name], self._frame(name)
        shape = frame.shape[1:]
        scores = isinstance(node, Readout) and len(shape) == 1 and shape[0] > 1
        if objective.loss is Loss.KL and math.prod(shape) < 2:
            raise GraphError("is one number, which kl cannot compare", where=name, hint="set loss=mse")
        if objective.loss is Loss.KL or (objective.loss is Loss.AUTO and scores):
            return divergence(frame, self.values[name], target, objective.temperature)
        return squared_error(frame, self.values[name], target)

    def differentiate(self) -> None:
        """Emit the gradients of everything that the loss depends on, in reverse."""
        for name, sources, pullback in reversed(self.steps):
            if name not in self.gradients:
                continue
            for source, gradient in zip(sources, pullback(self.gradients.pop(name)), strict=True):
                self._add_gradient(source, gradient)

    def _add_gradient(self, name: str, gradient: str) -> None:
        known = self.gradients.get(name)
        self.gradients[name] = self.emit("Add", known, gradient) if known else gradient
