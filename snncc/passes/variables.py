"""The numbers of a real graph as one vector of unit-free variables, and Adam on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from snncc.passes.base import Array
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog, Bias
from snncc_ir.nodes import AnyNode, Conv, Dense, Population, Readout
from snncc_ir.tensors import Reals, Tensor
from snncc_ir.training import Parameters

SMALLEST_UNIT = 1e-8
SMALLEST_READOUT_UNIT = 1e-3
LARGEST_EXPONENT = 16.0
BIAS_RATE = 2.0
"""Biases learn at this many times the rate of weights and steps."""


@dataclass(frozen=True)
class Variable:
    """One array of the graph as base + unit * d, or base * exp(d) for steps, within bounds; d starts at 0.

    `rate` multiplies the learning rate of all of its elements, or of each; 0 leaves them as they are. Steps
    stay within `most`.
    """

    base: Reals
    unit: Reals
    rate: float | Reals = 1.0
    is_step: bool = False
    most: float | Reals = np.inf

    def value(self, d: Reals) -> Reals:
        """The array for d."""
        if self.is_step:
            grown = self.base * np.exp(np.clip(d, -LARGEST_EXPONENT, LARGEST_EXPONENT))
            return np.asarray(np.minimum(grown, self.most))
        return self.base + self.unit * d

    def gradient(self, d: Reals, by_value: Array) -> Reals:
        """Gradient by d for a gradient by the array; none that leads beyond `most`."""
        if not self.is_step:
            return by_value * self.unit
        value = self.value(d)
        return np.where((value >= self.most) & (by_value < 0), 0.0, by_value * value)


class Variables:
    """Weights of convolutions and dense layers, biases per channel, and steps of a real graph with grids.

    Weights move in units of the root mean square of their row, biases in units of the population's step:
    one learning rate then serves all of them. The multipliers of skips and pools stay as they are.
    """

    def __init__(self, graph: Graph, fixed: Mapping[str, Array] | None = None) -> None:
        """All variables at 0, where `graph` is what they stand for.

        `fixed[C]` is true for the channels of a population whose step is to stay.
        """
        self.graph = graph
        fixed = fixed or {}
        self.weights = {node.name: _weight(node) for node in graph.nodes if isinstance(node, Conv | Dense)}
        self.steps = {node.name: _step(neuron, fixed.get(node.name)) for node, neuron in _units(graph)}
        self.biases = {node.name: _bias(neuron.bias, _step(neuron).base) for node, neuron in _units(graph)}
        for readout in graph.of_type(Readout):
            unit = max(float(np.abs(readout.bias.values.data).mean()), SMALLEST_READOUT_UNIT)
            self.biases[readout.name] = _bias(readout.bias, np.full(readout.bias.values.shape[0], unit))
        self._all = [*self.weights.values(), *self.biases.values(), *self.steps.values()]
        self._ends = np.cumsum([variable.unit.size for variable in self._all])
        rates = [np.broadcast_to(variable.rate, variable.unit.shape).ravel() for variable in self._all]
        self.rates = np.concatenate(rates)

    def start(self) -> Reals:
        """The vector that stands for the graph itself."""
        return np.zeros(self._ends[-1])

    def _split(self, vector: Reals) -> Iterator[Reals]:
        parts = np.split(vector, self._ends[:-1])
        return (part.reshape(v.unit.shape) for part, v in zip(parts, self._all, strict=True))

    def graph_at(self, vector: Reals) -> Graph:
        """The graph for other values of the variables."""
        values = [v.value(d) for v, d in zip(self._all, self._split(vector), strict=True)]
        names = [*self.weights, *self.biases]
        weights = dict(zip(self.weights, values, strict=False))
        biases = dict(zip(self.biases, values[len(self.weights) :], strict=False))
        steps = dict(zip(self.steps, values[len(names) :], strict=True))
        changed: list[AnyNode] = []
        for node in self.graph.nodes:
            match node:
                case Conv() | Dense():
                    changed.append(replace(node, weight=Tensor.real(weights[node.name])))
                case Population(neuron=Analog() as neuron):
                    unit = _moved(neuron, biases[node.name], steps[node.name])
                    changed.append(replace(node, neuron=unit))
                case Readout():
                    changed.append(replace(node, bias=_shifted(node.bias, biases[node.name])))
        return self.graph.with_nodes(changed)

    def gradient(self, vector: Reals, by_value: Parameters) -> Reals:
        """Gradient by the vector for gradients by the graph's arrays."""
        given = [
            *(by_value.weights[name] for name in self.weights),
            *(by_value.biases[name] for name in self.biases),
            *(by_value.steps[name] for name in self.steps),
        ]
        parts = zip(self._all, self._split(vector), given, strict=True)
        return np.concatenate([v.gradient(d, g).ravel() for v, d, g in parts])


def _units(graph: Graph) -> Iterator[tuple[Population, Analog]]:
    return ((node, node.neuron) for node in graph.populations if isinstance(node.neuron, Analog))


def _weight(node: Conv | Dense) -> Variable:
    weight = node.weight.data
    size = np.sqrt(np.square(weight).reshape(len(weight), -1).mean(axis=1))
    unit = np.maximum(size, SMALLEST_UNIT).reshape(-1, *(1,) * (weight.ndim - 1))
    return Variable(weight, np.broadcast_to(unit, weight.shape))


def _step(neuron: Analog, fixed: Array | None = None) -> Variable:
    if neuron.grid is None:
        raise TypeError("variables need a grid")
    scale, grid = neuron.grid.scale, neuron.grid
    most = np.maximum(scale, neuron.ceiling / max(grid.hi, -grid.lo))
    rate = 1.0 if fixed is None else np.where(fixed, 0.0, 1.0)
    return Variable(scale, scale, rate=rate, is_step=True, most=most)


def _bias(bias: Bias, unit: Reals) -> Variable:
    return Variable(np.zeros(unit.shape), unit, rate=BIAS_RATE)


def _shifted(bias: Bias, shift: Reals) -> Bias:
    values = bias.values.data
    return replace(bias, values=Tensor.real(values + shift.reshape(-1, *(1,) * (values.ndim - 1))))


def _moved(neuron: Analog, shift: Reals, step: Reals) -> Analog:
    if neuron.grid is None:
        raise TypeError("variables need a grid")
    top = step * max(neuron.grid.hi, -neuron.grid.lo)
    return replace(neuron, bias=_shifted(neuron.bias, shift), grid=replace(neuron.grid, top=Tensor.real(top)))


@dataclass
class Adam:
    """Moments of the gradient; steps of the size that Kingma and Ba (2015) give."""

    size: int
    first: Reals = field(init=False)
    second: Reals = field(init=False)
    count: int = 0

    def __post_init__(self) -> None:
        self.first, self.second = np.zeros(self.size), np.zeros(self.size)

    def step(self, gradient: Reals, rate: float, decay: tuple[float, float] = (0.9, 0.999)) -> Reals:
        """What to add to the variables."""
        self.count += 1
        self.first += (1 - decay[0]) * (gradient - self.first)
        self.second += (1 - decay[1]) * (gradient**2 - self.second)
        mean = self.first / (1 - decay[0] ** self.count)
        spread = np.sqrt(self.second / (1 - decay[1] ** self.count))
        return -rate * mean / (spread + 1e-8)
