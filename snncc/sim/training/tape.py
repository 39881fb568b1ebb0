"""A graph's nodes emitted one after the other, and what is needed to go back through them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from snncc.sim.training.emitter import Emitter
from snncc.sim.training.neurons import real_unit
from snncc.sim.training.rules import Applied, Frame, Pullback, arrange, project
from snncc_ir.errors import GraphError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog, Bias
from snncc_ir.nodes import AnyNode, Input, Linear, Population, Readout, Wiring
from snncc_ir.types import Shape

THREADS = 2
"""Always as many, so that the order of every sum is the same on every machine of one kind."""

IMAGES = "images"
"""The input that holds a batch of images."""


@dataclass
class Tape:
    """Values of a graph's nodes for `batch` images, and the gradients of what begins with `add_gradient`."""

    emit: Emitter
    batch: int
    graph: Graph
    values: dict[str, str] = field(default_factory=dict)
    steps: list[tuple[str, tuple[str, ...], Pullback]] = field(default_factory=list)
    gradients: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node in self.graph.nodes:
            self.values[node.name] = self.visit(node)

    def visit(self, node: AnyNode) -> str:
        """Emit a node; the name of its value."""
        match node:
            case Input():
                return IMAGES
            case Linear():
                return self.linear(node)
            case Population(neuron=Analog() as neuron):
                return self.population(node, neuron)
            case Readout():
                return self.readout(node)
            case Wiring():
                applied = arrange(node, self.frame(node.name), *(self.values[name] for name in node.sources))
                return self.record(node.name, node.sources, applied)
            case _:
                raise GraphError("is quantised already", where=node.name)

    def linear(self, node: Linear) -> str:
        """The drive of a linear node."""
        raise NotImplementedError

    def population(self, node: Population, neuron: Analog) -> str:
        """The activation of a population."""
        raise NotImplementedError

    def readout(self, node: Readout) -> str:
        """The value of a readout."""
        raise NotImplementedError

    def frame(self, name: str) -> Frame:
        """Where a node's value and gradients are emitted."""
        node = self.graph.by_name[name]
        return Frame(self.emit, tuple(map(self.shape, node.sources)), self.shape(name))

    def shape(self, name: str) -> Shape:
        """Of a node's value, batch axis first."""
        return (self.batch, *self.graph.types[name].shape)

    def summed(self, node: Population | Readout, bias: str) -> str:
        """Drives and bias of a population or readout."""
        total = bias
        for name in node.drives:
            total = self.emit("Add", self.values[name], total)
        return total

    def record(self, name: str, sources: tuple[str, ...], applied: Applied) -> str:
        """Remember how a gradient gets from a value to its sources; the value."""
        value, pullback = applied
        self.steps.append((name, sources, pullback))
        return value

    def add_gradient(self, name: str, gradient: str) -> None:
        """Add to the gradient by a value."""
        known = self.gradients.get(name)
        self.gradients[name] = self.emit("Add", known, gradient) if known else gradient

    def differentiate(self) -> None:
        """Emit the gradients of everything that leads to those known, in reverse."""
        for name, sources, pullback in reversed(self.steps):
            if name in self.gradients:
                for source, gradient in zip(sources, pullback(self.gradients[name]), strict=True):
                    self.add_gradient(source, gradient)


@dataclass
class RealTape(Tape):
    """The float network: no grids, every parameter a constant."""

    def linear(self, node: Linear) -> str:
        """With the weights of the graph."""
        weight = self.emit.floats(node.weight.data)
        value, pullback = project(node, self.frame(node.name), self.values[node.source], weight)
        return self.record(node.name, (node.source,), (value, lambda g: pullback(g)[:1]))

    def population(self, node: Population, neuron: Analog) -> str:
        """The real unit; its drive gets a gradient of its own."""
        drive = f"drive/{node.name}"
        total = self.record(drive, node.drives, self._biased(node, neuron.bias))
        return self.record(node.name, (drive,), real_unit(neuron, self.frame(node.name), total))

    def readout(self, node: Readout) -> str:
        """The scores."""
        return self.record(node.name, node.drives, self._biased(node, node.bias))

    def _biased(self, node: Population | Readout, bias: Bias) -> Applied:
        constant = self.emit.floats(bias.spread(self.graph.types[node.name].shape))
        return self.summed(node, constant), lambda g: tuple(g for _ in node.drives)


def value_count(graph: Graph) -> int:
    """Numbers that the values of all nodes have for one image."""
    return sum(math.prod(value.shape) for value in graph.types.values())
