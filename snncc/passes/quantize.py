"""Real weights, biases and activations become integers; after this pass there is no tolerance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from snncc.passes.balance import level_range
from snncc.passes.base import Array, Context, Pass, option
from snncc_ir.encoding import InputFormat
from snncc_ir.errors import GraphError, SnnccError
from snncc_ir.graph import Graph
from snncc_ir.linear import drive, wire
from snncc_ir.neurons import Analog, Bias, Grid, Staircase
from snncc_ir.nodes import (
    AnyNode,
    Conv,
    Dense,
    Input,
    Linear,
    Pad,
    Population,
    Readout,
    Scale,
    SumPool,
    Wiring,
)
from snncc_ir.tensors import MULTIPLIER_BITS, WEIGHT_BITS, Reals, Tensor
from snncc_ir.types import Shape

MULTIPLIER = 256
"""Size of the largest multiplier of a population that only identity projections feed."""

LARGEST_THETA = 2**14
"""No threshold is larger. Rounding a weight then moves a level by 1/2^15 of its source's level at most."""

LARGEST_MULTIPLIER = 2 ** (MULTIPLIER_BITS - 1) - 1


@dataclass(frozen=True)
class Quantize(Pass):
    """Folds every source's level scale into the weights and rounds them per output channel.

    With s_w the real value of one unit of drive: W_int = round(W * s_in / s_w), theta = round(s_out / s_w),
    b = round(b_real / s_w - sum over the valid taps of W_int * zero), where `zero` is the input's level of
    the real value 0. Readouts share one s_w, so that their integer argmax is the real one.
    """

    name: ClassVar[str] = "quantize"

    weight_bits: int = option(8, "bits of a weight: 2, 3, 4, 5, 6 or 8")
    level_bits: int = option(4, "bits of a level, as balance chose them")

    def __post_init__(self) -> None:
        if self.weight_bits not in WEIGHT_BITS[1:]:
            widths = ", ".join(map(str, WEIGHT_BITS[1:]))
            raise SnnccError(f"weight_bits must be one of {widths}, not {self.weight_bits}", where=self.name)

    def apply(self, graph: Graph, context: Context) -> Graph:
        """The integer graph."""
        work = _Quantizer(graph, context.input_format, self)
        for node in graph.nodes:
            try:
                work.visit(node)
            except GraphError as error:
                raise GraphError(error.what, where=error.where or node.name, hint=error.hint) from error
        return replace(graph, nodes=tuple(work.done[node.name] for node in graph.nodes))


@dataclass
class _Quantizer:
    """Scales of the values seen so far and the integer nodes made so far."""

    graph: Graph
    input_format: InputFormat
    options: Quantize
    scales: dict[str, Reals] = field(default_factory=dict)
    zeros: dict[str, Reals] = field(default_factory=dict)
    done: dict[str, AnyNode] = field(default_factory=dict)

    def visit(self, node: AnyNode) -> None:
        match node:
            case Input():
                self._input(node)
            case Population():
                self._population(node)
            case Readout():
                self._readout(node)
            case Linear():
                self.done[node.name] = node  # replaced by the population that reads it
            case Wiring():
                self._wiring(node)

    def _input(self, node: Input) -> None:
        chosen = self.input_format
        self.done[node.name] = replace(
            node, type=chosen.levels, scale=Tensor.real(chosen.scale), zero=Tensor.real(chosen.zero)
        )
        self.scales[node.name], self.zeros[node.name] = chosen.scale, chosen.zero

    def _wiring(self, node: Wiring) -> None:
        sources = node.sources
        if isinstance(node, Pad) and any(self.zeros[name].any() for name in sources):
            raise GraphError(
                "pads the input with zeros, but its level 0 does not stand for the real value 0",
                where=node.name,
                hint="let the convolution pad, or normalise the input without a mean",
            )
        for table in (self.scales, self.zeros):
            parts = [np.broadcast_to(table[name], self.graph.types[name].shape)[None] for name in sources]
            table[node.name] = np.asarray(wire(node, *parts)[0])
        self.done[node.name] = node

    def _population(self, node: Population) -> None:
        neuron = node.neuron
        if not isinstance(neuron, Analog):
            raise GraphError("is quantised already", where=node.name)
        grid = self._grid(node, neuron)
        folded = self._fold(node)
        unit = np.maximum(self._unit(folded, self.options.weight_bits), grid.scale / LARGEST_THETA)
        theta = np.maximum(np.rint(grid.scale / unit), 1.0)
        bias = self._finish(node, folded, unit, neuron.bias)
        staircase = Staircase(theta=Tensor.integer(theta), bias=bias, lo=grid.lo, hi=grid.hi)
        scale = theta * unit
        self.done[node.name] = replace(node, neuron=staircase, scale=Tensor.real(scale))
        shape = self.graph.types[node.name].shape
        self.scales[node.name] = scale.reshape(-1, *(1,) * (len(shape) - 1))
        self.zeros[node.name] = np.zeros((1,) * len(shape))

    def _grid(self, node: Population, neuron: Analog) -> Grid:
        if neuron.grid is None:
            raise SnnccError("has no thresholds yet", where=node.name, hint="run balance before quantize")
        bits = self.options.level_bits
        expected = level_range(bits, signed=neuron.low < 0) if bits else None
        if expected and (neuron.grid.lo, neuron.grid.hi) != expected:
            raise SnnccError(
                f"balance chose levels {neuron.grid.lo}..{neuron.grid.hi}, quantize asks for "
                f"{expected[0]}..{expected[1]}",
                where=node.name,
                hint="give both the same level_bits",
            )
        return neuron.grid

    def _readout(self, node: Readout) -> None:
        folded = self._fold(node)
        unit = self._unit(folded, self.options.weight_bits)
        unit = np.full_like(unit, unit.max() or 1.0)
        bias = self._finish(node, folded, unit, node.bias)
        self.done[node.name] = replace(node, bias=bias, scale=float(unit[0]))

    def _fold(self, node: Population | Readout) -> dict[str, Reals]:
        """The real weights of every projection, with the level scale of its source folded in."""
        folded = {}
        for projection in self.graph.projections(node):
            scale = np.broadcast_to(self.scales[projection.source], self.graph.types[projection.source].shape)
            folded[projection.name] = _folded(projection, scale)
        return folded

    def _unit(self, folded: Mapping[str, Reals], bits: int) -> Reals:
        """s_w per output channel: the synapses' largest weight fills their bits; 0 without any weight."""
        kinds = {name: self.graph.by_name[name] for name in folded}
        synapses = [w for name, w in folded.items() if isinstance(kinds[name], Conv | Dense)]
        multipliers = [w for name, w in folded.items() if isinstance(kinds[name], Scale | SumPool)]
        unit = np.max([_row_max(w) for w in synapses], axis=0) / (2 ** (bits - 1) - 1) if synapses else None
        if multipliers:
            most = np.max([np.abs(w) for w in multipliers], axis=0)
            least = most / (LARGEST_MULTIPLIER if synapses else MULTIPLIER)
            unit = least if unit is None else np.maximum(unit, least)
        if unit is None:
            raise ValueError("a population without projections")
        return unit

    def _finish(
        self, node: Population | Readout, folded: Mapping[str, Reals], unit: Reals, bias: Bias
    ) -> Bias:
        """Round the projections in units of `unit` and return the integer bias."""
        shape = self.graph.types[node.name].shape
        total = np.asarray(bias.spread(shape)) / unit.reshape(-1, *(1,) * (len(shape) - 1))
        for projection in self.graph.projections(node):
            name = projection.name
            integer = self._rounded(projection, folded[name], unit)
            if self.done[name] not in (projection, integer):
                raise GraphError("is read by two populations of different scale", where=name)
            self.done[name] = integer
            total = total - self._shift(integer)
        return border_bias(np.rint(np.broadcast_to(total, (shape[0], *total.shape[1:]))))

    def _rounded(self, node: Linear, weights: Reals, unit: Reals) -> Linear:
        scaled = np.rint(weights / unit.reshape(-1, *(1,) * (weights.ndim - 1)))
        bits = self.options.weight_bits
        if isinstance(node, Conv | Dense):
            top = 2 ** (bits - 1) - 1
            return replace(node, weight=Tensor.integer(np.clip(scaled, -top, top), bits))
        return replace(node, weight=Tensor.integer(scaled))

    def _shift(self, node: Linear) -> Array:
        """Drive that the input's level of the real value 0 gives at every position, [C, ...]."""
        zero = self.zeros[node.source]
        if not zero.any():
            return np.zeros(1)
        full = np.broadcast_to(zero, self.graph.types[node.source].shape)
        return np.asarray(drive(node, full[None])[0])


def _folded(node: Linear, scale: Reals) -> Reals:
    """Real weights per level: each weight times the scale of the level that it multiplies."""
    weight = node.weight.data.astype(np.float64)
    if isinstance(node, Dense):
        return weight * scale
    channel = channel_scale(scale, node.name)
    if not isinstance(node, Conv):
        return weight * channel
    per_group = channel.reshape(node.groups, 1, weight.shape[1], 1, 1)
    grouped = weight.reshape(node.groups, -1, *weight.shape[1:])
    return np.asarray((grouped * per_group).reshape(weight.shape))


def channel_scale(scale: Reals, where: str) -> Reals:
    """`scale[C, ...]` as one value per channel; raises GraphError where it varies by position.

    A scale of 0 stands for a position that padding added: its level is always 0, so any scale is right.
    """
    flat = scale.reshape(scale.shape[0], -1)
    channel = np.asarray(flat.max(axis=1))
    if ((flat != channel[:, None]) & (flat != 0)).any():
        raise GraphError("its source's scale varies by position within a channel", where=where)
    return channel


def _row_max(weights: Reals) -> Reals:
    return np.asarray(np.abs(weights).reshape(len(weights), -1).max(axis=1))


def border_bias(values: Array) -> Bias:
    """Integer biases `[C]`, `[C, 1, 1]` or `[C, H, W]` as one value per channel or per border class."""
    integers = values.astype(np.int64)
    flat = integers.reshape(len(integers), -1)
    if (flat == flat[:, :1]).all():
        return Bias(values=Tensor.integer(flat[:, 0]))
    _check_image(integers.shape)
    first_row, rows = _classes(integers, 1)
    first_column, columns = _classes(integers, 2)
    return Bias(values=Tensor.integer(integers[:, first_row][:, :, first_column]), rows=rows, columns=columns)


def _check_image(shape: Shape) -> None:
    if len(shape) != 3:
        raise GraphError(f"a bias that varies by position needs an image, not a drive of {len(shape)} axes")


def _classes(values: Array, axis: int) -> tuple[Array, tuple[int, ...]]:
    """First index of each distinct slice along `axis`, and the class of every slice."""
    slices = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
    _, first, inverse = np.unique(slices, axis=0, return_index=True, return_inverse=True)
    return first, tuple(map(int, np.asarray(inverse).ravel()))
