"""Real weights, biases and activations become integers; after this pass there is no tolerance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import ClassVar

import numpy as np

from snncc.passes.balance import level_range
from snncc.passes.base import Array, Context, Pass, option
from snncc.passes.folding import border_bias, folded_weights, row_max
from snncc.passes.parts import Incoming, Part, exact_part
from snncc.passes.requantise import requantise, united_readout, why_not
from snncc.passes.rounders import ROUNDERS
from snncc.passes.rounding import Rounder, Synapses
from snncc.passes.shared_scales import shared_scales
from snncc.passes.tables import table_of, within_reach
from snncc_ir.certificates import Requantised
from snncc_ir.encoding import InputFormat
from snncc_ir.errors import GraphError, SnnccError
from snncc_ir.graph import Graph
from snncc_ir.inference import result_type
from snncc_ir.linear import drive, wire
from snncc_ir.neurons import Analog, Bias, Grid, Quantiser, Staircase
from snncc_ir.nodes import (
    AnyNode,
    Conv,
    Dense,
    Input,
    Linear,
    MaxPool,
    Pad,
    Population,
    Readout,
    Scale,
    SumPool,
    Wiring,
)
from snncc_ir.tensors import MULTIPLIER_BITS, WEIGHT_BITS, Reals, Tensor
from snncc_ir.types import Drive, Levels

MULTIPLIER = 256
"""Size of the largest multiplier of a population that only identity projections feed."""

LARGEST_THETA = 2**14
"""No threshold is larger. Rounding a weight then moves a level by 1/2^15 of its source's level at most."""

REAL_WEIGHTS = "weights that came as real numbers, or that read values of several scales, were rounded"
"""Why a population between others that came quantised is approximated."""

LARGEST_MULTIPLIER = 2 ** (MULTIPLIER_BITS - 1) - 1


@dataclass(frozen=True)
class Quantize(Pass):
    """Folds every source's level scale into the weights and rounds them per output channel.

    With s_w the real value of one unit of drive: W_int = round(W * s_in / s_w), theta = round(s_out / s_w),
    b = round(b_real / s_w - sum over the valid taps of W_int * zero), where `zero` is the input's level of
    the real value 0. A unit that bends (`Analog.bends`) becomes a table (`tables.table_of`). Readouts
    share one s_w, so that their integer argmax is the real one.
    """

    name: ClassVar[str] = "quantize"

    weight_bits: int = option(8, "bits of a weight: 2, 3, 4, 5, 6 or 8")
    level_bits: int = option(0, "bits of a level; 0 takes each population's as balance chose them")
    rounding: str = option("nearest", "of weights: nearest; gptq or refit follow the calibration images")

    def __post_init__(self) -> None:
        if self.rounding not in ROUNDERS:
            raise SnnccError(f"rounding {self.rounding!r} is none of {', '.join(ROUNDERS)}", where=self.name)
        if self.weight_bits not in WEIGHT_BITS[1:]:
            widths = ", ".join(map(str, WEIGHT_BITS[1:]))
            raise SnnccError(f"weight_bits must be one of {widths}, not {self.weight_bits}", where=self.name)

    @property
    def largest_weight(self) -> int:
        """Largest magnitude of a synaptic weight."""
        return int(2 ** (self.weight_bits - 1) - 1)

    def quantizer(self, graph: Graph, context: Context) -> Quantizer:
        """What works on the nodes of one graph."""
        rounder = ROUNDERS[self.rounding](graph, context)
        return Quantizer(graph, context.input_format, self, rounder, context.certify)

    def apply(self, graph: Graph, context: Context) -> Graph:
        """The integer graph."""
        work = self.quantizer(graph, context)
        for node in graph.nodes:
            try:
                work.visit(node)
            except GraphError as error:
                raise GraphError(error.what, where=error.where or node.name, hint=error.hint) from error
        return within_reach(replace(graph, nodes=tuple(work.done[node.name] for node in graph.nodes)))


@dataclass
class Quantizer:
    """Scales of the values seen so far and the integer nodes made so far."""

    graph: Graph
    input_format: InputFormat
    options: Quantize
    rounder: Rounder
    certify: Callable[[Requantised], None]
    scales: dict[str, Reals] = field(default_factory=dict)
    zeros: dict[str, Reals] = field(default_factory=dict)
    levels: dict[str, Levels] = field(default_factory=dict)
    done: dict[str, AnyNode] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shared = shared_scales(self.graph)
        self.steps = self.shared.unified(
            {
                node.name: node.neuron.grid.scale
                for node in self.graph.populations
                if isinstance(node.neuron, Analog) and node.neuron.grid is not None
            }
        )

    def visit(self, node: AnyNode) -> None:
        match node:
            case Input():
                self._input(node)
            case Population(neuron=Quantiser()):
                self._requantise(node)
            case Population():
                self._population(node)
            case Readout():
                self._readout(node)
            case Linear():
                self.done[node.name] = node  # replaced by the population that reads it
            case Wiring():
                self._wiring(node)
        self.rounder.passed(self.done[node.name], self._projections(node))

    def _projections(self, node: AnyNode) -> tuple[Linear, ...]:
        """The integer projections of a population or readout."""
        if not isinstance(node, Population | Readout):
            return ()
        return tuple(made for name in node.drives if isinstance(made := self.done[name], Linear))

    def _input(self, node: Input) -> None:
        chosen = self.input_format
        self._finished(
            replace(node, type=chosen.levels, scale=Tensor.real(chosen.scale), zero=Tensor.real(chosen.zero))
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
        if isinstance(node, MaxPool):
            self._check_pool(node)
        for table in (self.scales, self.zeros):
            parts = [np.broadcast_to(table[name], self.graph.types[name].shape)[None] for name in sources]
            table[node.name] = np.asarray(wire(node, *parts)[0])
        self._finished(node)

    def _finished(self, node: AnyNode) -> None:
        """Keep an integer node that gives levels, and their range."""
        self.done[node.name] = node
        self.levels[node.name] = levels_of(node, [self.levels.get(name) for name in node.sources], self.graph)

    def _check_pool(self, node: MaxPool) -> None:
        """A greatest level is the greatest real value only where all members share a scale and a zero.

        A scale of 0 stands for a position that padding added, whose level 0 is right on any scale.
        """
        shape = self.graph.types[node.source].shape
        scale, zero = (
            np.broadcast_to(table[node.source], shape)[None] for table in (self.scales, self.zeros)
        )
        least = -wire(node, np.where(scale == 0, -np.inf, -scale))
        scales_differ = (wire(node, scale) != np.where(np.isinf(least), 0, least)).any()
        if scales_differ or (wire(node, zero) != -wire(node, -zero)).any():
            raise GraphError(
                "pools the input, or values that came quantised, with others of another scale",
                where=node.name,
                hint="pool each of them, then join them",
            )

    def _population(self, node: Population) -> None:
        neuron = node.neuron
        if not isinstance(neuron, Analog):
            raise GraphError("is quantised already", where=node.name)
        grid, step = self._grid(node, neuron), self.steps[node.name]
        shared = self.shared.mask(node.name, len(step))
        folded = self._fold(node)
        unit = self._stored_unit(node, folded)
        if unit is None:
            unit = np.maximum(self._unit(node, folded), step / LARGEST_THETA)
            unit = np.where(shared, _dividing(step, unit), unit)
        theta = np.maximum(np.rint(step / unit), 1.0)
        bias = self._finish(node, folded, unit, neuron.bias)
        staircase = Staircase(theta=Tensor.integer(theta), bias=bias, lo=grid.lo, hi=grid.hi)
        # A scale that others share stays what it is, although integer weights that came so fix the unit.
        scale = np.where(shared, step, theta * unit)
        quantised = replace(node, neuron=staircase, scale=Tensor.real(scale))
        if neuron.bends(step, grid.lo, grid.hi):
            table = table_of(neuron, staircase, scale)
            quantised = replace(quantised, neuron=table, unit=Tensor.real(unit))
        self._placed(quantised, scale, 0.0)

    def _placed(self, node: Population, scale: Reals, zero: float) -> None:
        """Keep an integer population whose level n stands for scale * (n - zero)."""
        shape = self.graph.types[node.name].shape
        self.scales[node.name] = scale.reshape(-1, *(1,) * (len(shape) - 1))
        self.zeros[node.name] = np.full((1,) * len(shape), zero)
        self._finished(node)

    def _requantise(self, node: Population) -> None:
        """A population that came quantised: exactly its levels, as `requantise` finds and certifies them."""
        shape = self.graph.types[node.name].shape
        found = [exact_part(incoming) for incoming in self._incoming(node)]
        exact = [part for part in found if part is not None]
        rounded = REAL_WEIGHTS if len(exact) < len(found) else why_not(node, exact)
        parts = self._rounded_parts(node) if rounded else exact
        two_levels = _is_summed(self.graph, node.name)
        outcome = requantise(node, parts, shape, two_levels=two_levels, rounded=rounded)
        for linear in outcome.linears:
            self._set(linear, self.graph.by_name[linear.name])
        self.certify(outcome.certificate)
        scale = outcome.population.scale
        if scale is None:
            raise TypeError("a requantised population has a scale")
        self._placed(outcome.population, scale.data, outcome.zero)

    def _incoming(self, node: Population | Readout) -> list[Incoming]:
        return [
            Incoming(
                linear=projection,
                levels=self.levels[projection.source],
                scale=self.scales[projection.source],
                zero=self.zeros[projection.source],
            )
            for projection in self.graph.projections(node)
        ]

    def _rounded_parts(self, node: Population) -> list[Part]:
        """Projections whose weights came as real numbers, rounded like those of a float network."""
        folded = self._fold(node)
        unit = self._stored_unit(node, folded)
        if unit is None:
            unit = self._unit(node, folded)
            unit = np.where(unit > 0, unit, 1.0)
        gains = tuple(Fraction(float(step)) for step in unit)
        return [
            Part(
                linear=self._rounded(item.linear, folded[item.linear.name], unit), gains=gains, incoming=item
            )
            for item in self._incoming(node)
        ]

    def _set(self, integer: Linear, real: AnyNode) -> None:
        if self.done[integer.name] not in (real, integer):
            raise GraphError("is read by two populations of different scale", where=integer.name)
        self.done[integer.name] = integer

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
        if not self._united_readout(node):
            self._rounded_readout(node)

    def _united_readout(self, node: Readout) -> bool:
        """A readout of integers that came with the network; False where they have no common scale."""
        found = [exact_part(incoming) for incoming in self._incoming(node)]
        exact = [part for part in found if part is not None]
        if len(exact) < len(found) or all(part.is_identity for part in exact):
            return False
        united = united_readout(exact, node.bias, self.graph.types[node.name].shape)
        if united is None:
            return False
        for linear in united.linears:
            self._set(linear, self.graph.by_name[linear.name])
        self.done[node.name] = replace(node, bias=united.bias, scale=float(united.unit))
        return True

    def _rounded_readout(self, node: Readout) -> None:
        folded = self._fold(node)
        unit = self._unit(node, folded)
        unit = np.full_like(unit, unit.max() or 1.0)
        bias = self._finish(node, folded, unit, node.bias)
        self.done[node.name] = replace(node, bias=bias, scale=float(unit[0]))

    def _fold(self, node: Population | Readout) -> dict[str, Reals]:
        """The real weights of every projection, with the level scale of its source folded in."""
        folded = {}
        for projection in self.graph.projections(node):
            scale = np.broadcast_to(self.scales[projection.source], self.graph.types[projection.source].shape)
            folded[projection.name] = folded_weights(projection, scale)
        return folded

    def _stored_unit(self, node: Population, folded: Mapping[str, Reals]) -> Reals | None:
        """s_w per output channel where the one synapse projection keeps integers that came with it."""
        synapses = [item for item in self._incoming(node) if isinstance(item.linear, Conv | Dense)]
        part = exact_part(synapses[0]) if len(synapses) == 1 else None
        if part is None or (part.linear.weight.bits or 0) > self.options.weight_bits:
            return None
        unit = np.array([float(gain) for gain in part.gains])
        reach = [row_max(w) / unit for name, w in folded.items() if name != part.linear.name]
        return unit if not reach or np.max(reach) <= LARGEST_MULTIPLIER else None

    def _unit(self, node: Population | Readout, folded: Mapping[str, Reals]) -> Reals:
        """s_w per output channel: the synapses' largest weight fills their bits; 0 without any weight."""
        kinds = [(each, folded[each.name]) for each in self.graph.projections(node)]
        synapses = [self._synapses(each, w) for each, w in kinds if isinstance(each, Conv | Dense)]
        multipliers = [w for each, w in kinds if isinstance(each, Scale | SumPool)]
        unit = np.zeros(0)
        if synapses:
            top = self.options.largest_weight
            unit = np.max([row_max(each.weights) for each in synapses], axis=0) / top
            unit = self.rounder.unit(synapses, unit, top)
        if multipliers:
            most = np.max([np.abs(w) for w in multipliers], axis=0)
            least = most / (LARGEST_MULTIPLIER if synapses else MULTIPLIER)
            unit = np.maximum(unit, least) if synapses else least
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
            self._set(integer, projection)
            total = total - self._shift(integer)
        return border_bias(np.rint(np.broadcast_to(total, (shape[0], *total.shape[1:]))))

    def _rounded(self, node: Linear, weights: Reals, unit: Reals) -> Linear:
        scaled = weights / unit.reshape(-1, *(1,) * (weights.ndim - 1))
        if node.weight.scale is not None and np.array_equal(np.rint(scaled), node.weight.data):
            return replace(node, weight=replace(node.weight, scale=None))
        if isinstance(node, Conv | Dense):
            integers = self.rounder.round(self._synapses(node, weights), unit, self.options.largest_weight)
            return replace(node, weight=Tensor.integer(integers, self.options.weight_bits))
        return replace(node, weight=Tensor.integer(np.rint(scaled)))

    def _synapses(self, node: Conv | Dense, weights: Reals) -> Synapses:
        return Synapses(node, weights, self.scales[node.source], self.zeros[node.source])

    def _shift(self, node: Linear) -> Array:
        """Drive that the input's level of the real value 0 gives at every position, [C, ...]."""
        zero = self.zeros[node.source]
        if not zero.any():
            return np.zeros(1)
        full = np.broadcast_to(zero, self.graph.types[node.source].shape)
        return np.asarray(drive(node, full[None])[0])


def _dividing(scale: Reals, unit: Reals) -> Reals:
    """The least unit from `unit` on of which the scale is a multiple; `unit` where it exceeds the scale."""
    return np.where(scale >= unit, scale / np.maximum(np.floor(scale / unit), 1.0), unit)


def levels_of(node: AnyNode, sources: Sequence[Levels | None], graph: Graph) -> Levels:
    """Type of an integer node that gives levels."""
    if isinstance(node, Population):
        value = result_type(node, (Drive(graph.types[node.name].shape),))
    else:
        value = result_type(node, tuple(source for source in sources if source is not None))
    if not isinstance(value, Levels):
        raise TypeError("an integer node gives levels")
    return value


def _is_summed(graph: Graph, name: str) -> bool:
    """True where nothing but weighted sums read the value, perhaps through wiring that adds no level 0."""
    if name in graph.outputs:
        return False
    return all(
        isinstance(reader, Linear)
        or (isinstance(reader, Wiring) and not isinstance(reader, Pad) and _is_summed(graph, reader.name))
        for reader in graph.readers[name]
    )
