"""Graphs of the code `rate`: sparse spiking gradients, straight through the roundings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.learn.chain import Link, chain_of
from snncc.learn.engine import Engine, Floats, Found
from snncc.learn.network import Surrogate
from snncc.sim.native.learner import Parameters
from snncc_ir.errors import DataError, SnnccError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import AnyNode, Population, Readout
from snncc_ir.tensors import NEURON_BITS, Ints, Reals, Tensor

Array = NDArray[Any]

SURROGATE = Surrogate(band=0.5, slope=10.0)
"""Wider than published, for potentials that spread evenly between thresholds."""

LARGEST_EXPONENT = 16.0
SMALLEST_UNIT = 1e-3
BIAS_RATE = 2.0
"""Biases learn at this many times the rate of weights and thresholds."""

GREATEST = 2 ** (NEURON_BITS - 1) - 1
"""Of a bias or a threshold."""


@dataclass(frozen=True, kw_only=True)
class Values:
    """The integers of one link."""

    weight: Ints
    bias: Bias
    theta: Ints | None


@dataclass(frozen=True)
class Numbers:
    """The numbers of one link as variables d, 0 where they are as they were.

    A weight is round(w + rms d) with the root mean square of its row, within its bits; a bias b + round(u d)
    for a channel, with u the threshold, or what moves the loss's score of a readout by 1; a threshold
    round(theta exp(d)), at least 1, with one d for all channels where they had one threshold.
    """

    link: Link

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Variables of the weights, biases and thresholds."""
        neuron = self.link.neuron
        shared = neuron is not None and neuron.theta.range[0] == neuron.theta.range[1]
        channels = self.link.linear.weight.shape[0]
        return self.link.linear.weight.data.size, channels, 0 if neuron is None else 1 if shared else channels

    @property
    def rates(self) -> Reals:
        """By which the learning rate of each variable is multiplied."""
        weights, biases, thetas = self.sizes
        return np.concatenate([np.ones(weights), np.full(biases, BIAS_RATE), np.ones(thetas)])

    @property
    def _rms(self) -> Reals:
        weight = self.link.linear.weight.data
        size = np.sqrt(np.square(weight.astype(np.float64)).reshape(len(weight), -1).mean(axis=1))
        return np.maximum(size, SMALLEST_UNIT).reshape(-1, *(1,) * (weight.ndim - 1))

    @property
    def _bias_unit(self) -> Reals:
        if self.link.neuron is not None:
            return self.link.neuron.theta.data.astype(np.float64)
        scale = self.link.reader.scale if isinstance(self.link.reader, Readout) else 1.0
        return np.full(self.sizes[1], 1 / scale)

    def values(self, vector: Reals) -> Values:
        """The integers for other variables."""
        weights, biases, thetas = np.split(vector, np.cumsum(self.sizes)[:-1])
        weight, neuron = self.link.linear.weight, self.link.neuron
        moved = weight.data + self._rms * weights.reshape(weight.shape)
        return Values(
            weight=_within(moved, weight),
            bias=_shifted(self.link.bias, np.rint(self._bias_unit * biases)),
            theta=None if neuron is None else _scaled(neuron.theta.data, thetas),
        )

    def gradient(self, values: Values, by_weight: Floats, by_bias: Floats) -> Reals:
        """The gradient by the variables for those by the stage's weights and by its biases `[positions, C]`.

        A layer computes the same spikes when its weights, biases and thresholds are multiplied by one number,
        so the three gradients of a channel, each times its value, add up to 0.
        """
        weight = self.link.from_stage(by_weight)
        bias = by_bias.astype(np.float64)
        given = self.link.potentials(values.bias, values.theta).biases
        along = (weight * values.weight).reshape(len(weight), -1).sum(axis=1) + (bias * given).sum(axis=0)
        thetas = -along if self.sizes[2] > 1 else -along.sum(keepdims=True)
        return np.concatenate(
            [(weight * self._rms).ravel(), bias.sum(axis=0) * self._bias_unit, thetas[: self.sizes[2]]]
        )


class StreamingLearner:
    """The integers of a `rate` graph that is a chain of layers.

    The loss is the cross-entropy of the readout's drive times its scale / T. Its gradients are those of
    Perez-Nieves and Goodman 2021 (arXiv 2105.08810): back-propagation through time through the neurons in the
    band around their threshold, with `surrogate` in shares of that threshold. What runs forward are the
    integers, exact wherever `Found.rounded` is 0.
    """

    def __init__(self, graph: Graph, *, surrogate: Surrogate = SURROGATE, threads: int = 1) -> None:
        """GraphError where the graph is no such chain, NativeError without the native engine."""
        self._start = graph
        self._chain = chain_of(graph, surrogate)
        self._numbers = tuple(map(Numbers, self._chain.links))
        self._engine = Engine(self._chain.network, threads=threads)
        self.rates = np.concatenate([numbers.rates for numbers in self._numbers])

    def start(self) -> Reals:
        """All variables at 0."""
        return np.zeros(len(self.rates))

    def graph(self, vector: Reals) -> Graph:
        """The integer graph for other variables."""
        changed: list[AnyNode] = []
        for numbers, values in zip(self._numbers, self._values(vector), strict=True):
            changed += _changed(numbers.link, values)
        return self._start.with_nodes(changed)

    def gradient(self, vector: Reals, levels: Array, labels: Array | None) -> tuple[float, Reals]:
        """Mean loss of input levels `[N, *shape]` of classes `labels[N]`, and its gradient `[V]`."""
        if labels is None:
            raise DataError("a network of the code rate learns from labels", where="labels", hint="give some")
        values = tuple(self._values(vector))
        parameters = self._parameters(values, learns=True)
        found = self._run(parameters, levels, labels)
        if not np.isfinite(found.loss):
            raise SnnccError("the loss is no longer a number", where="tune", hint="tune with a lower rate")
        weights, biases = parameters.gradients or (), parameters.bias_gradients or ()
        parts = zip(self._numbers, values, weights, biases, strict=True)
        return found.loss, np.concatenate([numbers.gradient(v, w, b) for numbers, v, w, b in parts])

    def forward(self, vector: Reals, levels: Array) -> Found:
        """What runs forward: the readout's drives as scores, and spikes of the populations."""
        return self._run(self._parameters(tuple(self._values(vector)), learns=False), levels, None)

    def _run(self, parameters: Parameters, levels: Array, labels: Array | None) -> Found:
        return self._engine.run(parameters, self._chain.sent(levels), np.arange(len(levels)), labels)

    def _values(self, vector: Reals) -> Iterator[Values]:
        if vector.shape != self.rates.shape or not np.isfinite(vector).all():
            raise SnnccError(f"variables must be {len(self.rates)} finite numbers", where="tune")
        ends = np.cumsum([sum(numbers.sizes) for numbers in self._numbers])
        for numbers, part in zip(self._numbers, np.split(vector, ends[:-1]), strict=True):
            yield numbers.values(part)

    def _parameters(self, values: tuple[Values, ...], *, learns: bool) -> Parameters:
        links = self._chain.links
        weights = [link.to_stage(v.weight) for link, v in zip(links, values, strict=True)]
        potentials = [link.potentials(v.bias, v.theta) for link, v in zip(links, values, strict=True)]
        return Parameters(
            weights=weights,
            gradients=[np.empty_like(w) for w in weights] if learns else None,
            potentials=potentials,
            bias_gradients=[np.empty_like(p.biases) for p in potentials] if learns else None,
        )


def _within(moved: Reals, weight: Tensor) -> Ints:
    """Rounded to what the bits of the weight hold, -2^(bits - 1) only where it was there already."""
    if weight.bits == 1:
        return np.where(moved >= 0, 1, -1)
    most = 2 ** ((weight.bits or 1) - 1) - 1
    return np.clip(np.rint(moved), min(-most, weight.range[0]), most).astype(np.int64)


def _scaled(theta: Ints, exponents: Reals) -> Ints:
    factors = np.exp(np.clip(exponents, -LARGEST_EXPONENT, LARGEST_EXPONENT))
    return np.clip(np.rint(theta * factors), 1, GREATEST).astype(np.int64)


def _shifted(bias: Bias, shift: Reals) -> Bias:
    values = bias.values.data
    moved = values + shift.astype(np.int64).reshape(-1, *(1,) * (values.ndim - 1))
    return replace(bias, values=_like(bias.values, np.clip(moved, -GREATEST, GREATEST)))


def _like(tensor: Tensor, values: Ints) -> Tensor:
    """The tensor itself where the values are its own."""
    return tensor if np.array_equal(tensor.data, values) else Tensor.integer(values)


def _scale(node: Population, before: Tensor, after: Tensor) -> Tensor | None:
    """The real value of a level, which a threshold is in units of the drive."""
    if node.scale is None or before == after:
        return node.scale
    return Tensor.real(node.scale.data * (after.data / before.data))


def _changed(link: Link, values: Values) -> Iterator[AnyNode]:
    bits = link.linear.weight.bits
    yield replace(link.linear, weight=Tensor.integer(values.weight, bits))
    match link.reader:
        case Readout() as readout:
            yield replace(readout, bias=values.bias)
        case Population(neuron=Staircase() as neuron) as population if values.theta is not None:
            theta = _like(neuron.theta, values.theta)
            moved = replace(population, neuron=replace(neuron, theta=theta, bias=values.bias))
            yield replace(moved, scale=_scale(population, neuron.theta, theta))
        case reader:
            raise TypeError(f"{reader.name} has no threshold")
