"""Random real graphs with grids, and what a training step means in float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_ir import training
from snncc_ir.aims import Loss
from snncc_ir.graph import Graph
from snncc_ir.linear import drive, wire
from snncc_ir.neurons import Analog, Bias, Grid, per_channel
from snncc_ir.nodes import AnyNode, Input, Linear, MaxPool, Population, Readout
from snncc_ir.semantics import _value, evaluate
from snncc_ir.tensors import Tensor
from snncc_ir.training import Objective, Parameters
from snncc_ir.types import Real

Array = NDArray[Any]


def without_grids(graph: Graph, seed: int) -> Graph:
    """A real graph of the same nodes, with random weights of size 1."""
    rng = np.random.default_rng(seed)
    return replace(graph, nodes=tuple(_real(node, rng) for node in graph.nodes))


def to_real(graph: Graph, images: Array, seed: int) -> Graph:
    """A real graph of the same nodes, with random weights of size 1 and grids that fit its drives."""
    rng = np.random.default_rng([seed, 1])
    real = without_grids(graph, seed)
    values = evaluate(real, {real.inputs[0].name: images})
    changed = []
    for node, origin in zip(real.populations, graph.populations, strict=True):
        if isinstance(node.neuron, Analog):
            size = np.abs(values[node.name]).mean() + 0.1
            top = Tensor.real(size * rng.uniform(0.7, 1.5, node.neuron.bias.values.shape[0]))
            grid = Grid(top=top, lo=origin.neuron.lo, hi=origin.neuron.hi)
            changed.append(replace(node, neuron=replace(node.neuron, grid=grid)))
    return real.with_nodes(changed)


def _real(node: AnyNode, rng: np.random.Generator) -> AnyNode:
    match node:
        case Input():
            return replace(node, type=Real(node.type.shape))
        case Linear():
            shape = node.weight.shape
            fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
            return replace(node, weight=Tensor.real(rng.normal(0, 2 / np.sqrt(fan_in), shape)))
        case Population():
            low = 0.0 if node.neuron.lo == 0 else -np.inf
            channels = _channels(node)
            unit = Analog(bias=_bias(channels, rng), low=low, high=np.inf)
            return replace(node, neuron=unit)
        case Readout():
            return replace(node, bias=_bias(node.bias.values.shape[0], rng))
        case _:
            return node


def _channels(node: Population) -> int:
    tensor = node.neuron.theta if hasattr(node.neuron, "theta") else node.neuron.breakpoints
    return int(tensor.shape[0])


def _bias(channels: int, rng: np.random.Generator) -> Bias:
    return Bias(values=Tensor.real(rng.normal(0, 0.3, channels)))


def bent(graph: Graph, rng: np.random.Generator) -> Graph:
    """The graph with slopes on the negative side of half of its signed units, and bounds that clip."""
    changed = []
    for node in graph.populations:
        channels = node.neuron.bias.values.shape[0]
        slope = (
            Tensor.real(rng.uniform(0, 2, channels)) if node.neuron.low < 0 and rng.random() < 0.5 else None
        )
        changed.append(replace(node, neuron=replace(node.neuron, slope=slope, high=rng.uniform(0.5, 2.0))))
    return graph.with_nodes(changed)


def shifted(graph: Graph, images: Array, shifts: Mapping[str, Array]) -> dict[str, Array]:
    """The value of every node where something small is added to the activations of populations.

    A max-pool is the mean of the members that win without it, as its gradient has it.
    """
    point = evaluate(graph, {graph.inputs[0].name: images})
    values: dict[str, Array] = {}
    for node in graph.nodes:
        if isinstance(node, MaxPool):
            value = _mean_of_winners(node, values[node.source], _winners(node, point[node.source]))
        else:
            value = _value(node, values, {node.name: images})
        values[node.name] = value + shifts.get(node.name, 0.0)
    return values


def parameters_of(graph: Graph) -> Parameters:
    """The graph's own parameters."""
    biases = {node.name: node.neuron.bias for node in graph.populations}
    biases |= {node.name: node.bias for node in graph.of_type(Readout)}
    shapes = {name: graph.types[name].shape for name in biases}
    return Parameters(
        weights={node.name: node.weight.data for node in graph.linears},
        biases={
            name: np.broadcast_to(bias.spread(shapes[name]), shapes[name]) for name, bias in biases.items()
        },
        steps={node.name: node.neuron.grid.scale for node in graph.populations},
    )


def moved(parameters: Parameters, direction: Parameters, size: float) -> Parameters:
    """Parameters + size * direction; a direction of biases has one number per channel."""
    return Parameters(
        weights={k: v + size * direction.weights[k] for k, v in parameters.weights.items()},
        biases={k: v + size * per_channel(direction.biases[k], v.ndim) for k, v in parameters.biases.items()},
        steps={k: v + size * direction.steps[k] for k, v in parameters.steps.items()},
    )


@dataclass
class Surrogate:
    """The function that the gradient of the objective's surrogate is the gradient of, near one point.

    What rounding adds at that point is kept as a constant, and so is who wins each max-pool. A `nudge` sends
    quotients half-way between two levels up, where floating-point errors might send them down.
    """

    graph: Graph
    images: Array
    objective: Objective
    nudge: float = 0.0
    labels: Array | None = None
    rests: dict[str, Array] = field(default_factory=dict)

    def loss(self, parameters: Parameters) -> float:
        """The loss; the first call is the point."""
        values = self.values(parameters)
        target = evaluate(self.graph, {self.graph.inputs[0].name: self.images})
        hidden = [node.name for node in self.graph.populations if node.name not in self.graph.outputs]
        errors = [_relative_error(values[name], target[name]) for name in hidden]
        outputs = sum(self._term(name, values[name], target[name]) for name in self.graph.outputs)
        classes = 0.0 if self.labels is None else self._cross_entropy(values[self.graph.outputs[0]])
        taught = self.objective.taught * outputs + self.objective.labelled * classes
        return taught + self.objective.hidden * sum(errors) / max(len(hidden), 1)

    def _cross_entropy(self, output: Array) -> float:
        scores = _log_softmax(output.reshape(len(output), -1))
        return -float(scores[np.arange(len(scores)), self.labels].mean())

    def values(self, parameters: Parameters) -> dict[str, Array]:
        """The value of every node."""
        values: dict[str, Array] = {}
        for node in self.graph.nodes:
            values[node.name] = self._value(node, values, parameters)
        return values

    def _value(self, node: AnyNode, values: dict[str, Array], parameters: Parameters) -> Array:
        match node:
            case Input():
                return self.images
            case Linear():
                weight = Tensor.real(parameters.weights[node.name])
                return drive(replace(node, weight=weight), values[node.source])
            case Population() | Readout():
                total = sum(values[name] for name in node.drives) + parameters.biases[node.name]
                return self._fired(node, total, parameters) if isinstance(node, Population) else total
            case MaxPool():
                return self._pooled(node, values[node.source])
            case _:
                return wire(node, *(values[name] for name in node.sources))

    def _fired(self, node: Population, drive: Array, parameters: Parameters) -> Array:
        step = per_channel(parameters.steps[node.name], drive.ndim - 1)
        grid = node.neuron.grid
        if node.neuron.bends(grid.scale, grid.lo, grid.hi):
            drive = _unit(node.neuron, drive)
        level = np.clip(np.floor(drive / step + 0.5 + self.nudge), grid.lo, grid.hi)
        inside = self._smooth(node.name, grid, drive / step)
        rest = self.rests.setdefault(node.name, level - inside)
        return (inside + rest) * step

    def _smooth(self, name: str, grid: Grid, scaled: Array) -> Array:
        """What has the slope of the surrogate at the point."""
        single = self.objective.surrogate is training.Surrogate.SINGLE_STEP
        if single and (grid.lo, grid.hi) == (0, 1):
            return scaled * self.rests.setdefault(f"{name}/slope", 2 * single_step(2 * scaled - 1))
        return np.clip(scaled, grid.lo, grid.hi)

    def _pooled(self, node: MaxPool, x: Array) -> Array:
        """Mean of the members that won at the point."""
        return _mean_of_winners(node, x, self.rests.setdefault(node.name, _winners(node, x)))

    def _term(self, name: str, output: Array, target: Array) -> float:
        scores = isinstance(self.graph.by_name[name], Readout) and output.ndim == 2 and output.shape[1] > 1
        if self.objective.loss is Loss.KL or (self.objective.loss is Loss.AUTO and scores):
            t = self.objective.temperature
            ours, theirs = (_log_softmax(x.reshape(len(x), -1) / t) for x in (output, target))
            return t**2 * float((np.exp(theirs) * (theirs - ours)).sum(axis=1).mean())
        return _relative_error(output, target)


def _unit(neuron: Analog, drive: Array) -> Array:
    """The unit before quantisation, for a drive with its bias; the staircase itself ends at 0 or not."""
    if neuron.slope is not None:
        drive = np.where(drive < 0, drive * per_channel(neuron.slope.data, drive.ndim - 1), drive)
    return np.clip(drive, neuron.low if neuron.low < 0 else -np.inf, neuron.high)


def single_step(x: Array) -> Array:
    """4 sig(4x) (1 - sig(4x)) where x < 0, 1 / (x + 1) where x >= 0."""
    chance = 1 / (1 + np.exp(-4 * np.minimum(x, 0)))
    return np.where(x < 0, 4 * chance * (1 - chance), 1 / (np.maximum(x, 0) + 1))


def _relative_error(output: Array, target: Array) -> float:
    return float(np.square(output - target).mean() / max(target.var(), 1e-12 / target.size))


def _log_softmax(x: Array) -> Array:
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def _members(node: MaxPool, x: Array, shape: tuple[int, ...]) -> Array:
    padded = np.pad(x, ((0, 0), (0, 0), *node.padding), constant_values=-1e30)
    rows, columns = (np.arange(size) * stride for size, stride in zip(shape[2:], node.stride, strict=True))
    taps = np.ndindex(*node.kernel)
    return np.stack([padded[:, :, rows[:, None] + r, columns + c] for r, c in taps])


def _mean_of_winners(node: MaxPool, x: Array, wins: Array) -> Array:
    members = _members(node, x, wins.shape[1:])
    return np.einsum("kncij,kncij->ncij", wins, members) / wins.sum(axis=0)


def _winners(node: MaxPool, x: Array) -> Array:
    best = wire(node, x)
    return (_members(node, x, best.shape) == best).astype(float)
