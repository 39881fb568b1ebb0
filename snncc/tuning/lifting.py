"""Integer graphs as real ones with grids, and back onto the units of drive that they had."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from snncc.passes.folding import border_bias, folded_weights
from snncc.passes.rounded import real_parameters, unit_and_bias
from snncc.passes.shared_scales import shared_scales
from snncc_ir.errors import GraphError
from snncc_ir.graph import Graph
from snncc_ir.linear import drive, wire
from snncc_ir.neurons import Analog, Bias, Grid, Staircase, Table, per_channel
from snncc_ir.nodes import AnyNode, Conv, Dense, Input, Linear, Population, Readout, Wiring
from snncc_ir.tensors import Ints, Reals, Tensor
from snncc_ir.types import Real

NOISE = 1e-9
"""By what rounding in double precision may make a weight exceed its bits."""


def lifted(graph: Graph) -> Graph:
    """The real graph with grids that computes what an integer graph of staircases does.

    Raises GraphError for a neuron that no staircase is.
    """
    _check(graph)
    real = real_parameters(graph)
    nodes: list[AnyNode] = []
    for node in graph.nodes:
        match node:
            case Input():
                nodes.append(replace(node, type=Real(node.type.shape), scale=None, zero=None))
            case Linear():
                nodes.append(replace(node, weight=Tensor.real(real.weights[node.name])))
            case Population(neuron=Staircase() as neuron):
                top = real.steps[node.name] * max(neuron.hi, -neuron.lo)
                unit = Analog(
                    bias=_real_bias(real.biases[node.name]),
                    low=-math.inf if neuron.lo < 0 else 0.0,
                    high=math.inf,
                    grid=Grid(top=Tensor.real(top), lo=neuron.lo, hi=neuron.hi),
                )
                nodes.append(replace(node, neuron=unit, scale=None))
            case Readout():
                nodes.append(replace(node, bias=_real_bias(real.biases[node.name]), scale=1.0))
            case Wiring():
                nodes.append(node)
    return graph.with_nodes(nodes)


def shared_steps(real: Graph) -> dict[str, NDArray[np.bool_]]:
    """For every population `[C]`: true where wiring mixes the channel with others, so that its step stays."""
    shared = shared_scales(real)
    return {node.name: shared.mask(node.name, real.types[node.name].shape[0]) for node in real.populations}


def _check(graph: Graph) -> None:
    for node in graph.populations:
        if isinstance(node.neuron, Table):
            raise GraphError(
                "is a neuron by breakpoints, which has no gradient",
                where=node.name,
                hint="LeakyRelu, PRelu and uneven bounds become such tables; ReLU can be tuned",
            )
        if not isinstance(node.neuron, Staircase):
            raise GraphError("is a neuron that leaks, which cannot be tuned", where=node.name)
    read: dict[str, str] = {}
    readers: list[Population | Readout] = [*graph.populations, *graph.of_type(Readout)]
    for reader in readers:
        for name in reader.drives:
            if read.setdefault(name, reader.name) != reader.name:
                raise GraphError("is read by two populations, so it cannot be tuned", where=name)


def _real_bias(values: Reals) -> Bias:
    """Biases `[C, ...]` by channel, or by position where they differ in one."""
    flat = values.reshape(len(values), -1)
    if values.ndim != 3 or (flat == flat[:, :1]).all():
        return Bias(values=Tensor.real(flat[:, 0]))
    rows, columns = (tuple(range(size)) for size in values.shape[1:])
    return Bias(values=Tensor.real(values), rows=rows, columns=columns)


def lowered(real: Graph, start: Graph) -> Graph:
    """The integer graph of a real one, in the units of drive of the integer graph `start`.

    A channel's unit grows where its weights would not fit their bits. One-bit weights are their signs, in
    the unit that they had. Where `real` is `lifted(start)` the result is `start`.
    """
    work = _Rounding(real, start)
    for node in start.nodes:
        work.visit(node)
    return start.with_nodes(work.done.values())


@dataclass
class _Rounding:
    """Scales and zeros, by position, of the values seen so far, and the integer nodes."""

    real: Graph
    start: Graph
    scales: dict[str, Reals] = field(default_factory=dict)
    zeros: dict[str, Reals] = field(default_factory=dict)
    done: dict[str, AnyNode] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shared = shared_steps(self.real)

    def visit(self, node: AnyNode) -> None:
        shape = self.start.types[node.name].shape
        match node:
            case Input(scale=Tensor() as scale, zero=Tensor() as zero):
                self.scales[node.name] = np.broadcast_to(scale.data, shape)
                self.zeros[node.name] = np.broadcast_to(zero.data, shape)
            case Population():
                self._population(node)
            case Readout():
                self._readout(node)
            case Wiring():
                for table in (self.scales, self.zeros):
                    table[node.name] = wire(node, *(table[source][None] for source in node.sources))[0]

    def _population(self, node: Population) -> None:
        neuron, (old, given) = _analog(self.real, node), _stairs(node)
        grid, shape = neuron.grid, self.start.types[node.name].shape
        if grid is None:
            raise TypeError("a lifted neuron has a grid")
        growth, bias = self._rounded(node, neuron.bias)
        theta = np.maximum(np.rint(grid.scale / given * old / growth), 1.0)
        scale = np.where(self.shared[node.name], given, given * (theta / old * growth))
        stairs = Staircase(theta=Tensor.integer(theta), bias=bias, lo=grid.lo, hi=grid.hi)
        self.done[node.name] = replace(node, neuron=stairs, scale=Tensor.real(scale))
        self.scales[node.name] = np.broadcast_to(per_channel(scale, len(shape)), shape)
        self.zeros[node.name] = np.zeros(shape)

    def _readout(self, node: Readout) -> None:
        real = self.real.by_name[node.name]
        if not isinstance(real, Readout):
            raise TypeError("a readout stays one")
        growth, bias = self._rounded(node, real.bias)
        self.done[node.name] = replace(node, bias=bias, scale=node.scale * float(growth[0]))

    def _rounded(self, node: Population | Readout, bias: Bias) -> tuple[Reals, Bias]:
        """By what the unit of drive grows `[C]`, and the integer bias; projections are rounded on the way."""
        shape = self.start.types[node.name].shape
        unit = unit_and_bias(node, shape)[0]
        weights = {p.name: self._weights(p, unit) for p in self.start.projections(node)}
        growth = np.ones(shape[0])
        for projection in self.start.projections(node):
            growth = np.maximum(growth, _growth(projection, weights[projection.name]))
        growth = np.where(growth < 1 + NOISE, 1.0, growth)
        growth = np.full(shape[0], growth.max()) if isinstance(node, Readout) else growth
        total = np.asarray(bias.spread(shape)) / per_channel(unit * growth, len(shape))
        for projection in self.start.projections(node):
            real = weights[projection.name] / growth.reshape(-1, *(1,) * (projection.weight.data.ndim - 1))
            made = replace(projection, weight=_integers(projection, real))
            self.done[projection.name] = made
            zero = self.zeros[projection.source]
            total = total - drive(made, zero[None])[0] if zero.any() else total
        spread = np.broadcast_to(total, (shape[0], *total.shape[1:]))
        return growth, border_bias(np.rint(spread))

    def _weights(self, projection: Linear, unit: Reals) -> Reals:
        """Real weights of a projection in units of its drive per level of its source."""
        real = self.real.by_name[projection.name]
        if not isinstance(real, Linear):
            raise TypeError("a projection stays one")
        folded = folded_weights(real, self.scales[projection.source])
        return folded / unit.reshape(-1, *(1,) * (folded.ndim - 1))


def _analog(real: Graph, node: Population) -> Analog:
    made = real.by_name[node.name]
    if not isinstance(made, Population) or not isinstance(made.neuron, Analog):
        raise TypeError("a lifted population is analog")
    return made.neuron


def _stairs(node: Population) -> tuple[Ints, Reals]:
    """Threshold and real value of a level `[C]`."""
    if not isinstance(node.neuron, Staircase) or node.scale is None:
        raise TypeError("an integer population has a staircase and a scale")
    return node.neuron.theta.data, node.scale.data


def _growth(projection: Linear, weights: Reals) -> Reals | float:
    """By what a channel's unit must grow so that its weights fit their bits."""
    bits = projection.weight.bits
    if not isinstance(projection, Conv | Dense) or bits is None or bits == 1:
        return 1.0
    top = 2 ** (bits - 1)
    flat = weights.reshape(len(weights), -1)
    return np.asarray(np.maximum(flat.max(axis=1) / (top - 1), -flat.min(axis=1) / top))


def _integers(projection: Linear, weights: Reals) -> Tensor:
    if projection.weight.bits == 1:
        return Tensor.integer(np.where(weights < 0, -1, 1), 1)
    return Tensor.integer(
        np.rint(weights), projection.weight.bits if isinstance(projection, Conv | Dense) else None
    )
