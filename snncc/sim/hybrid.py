"""A network between its float and its integer form: every cause of loss is a switch of its own.

Values are in units of one level of their node, reals where nothing rounds them. With every switch on the
network is the integer one, with every switch off the float one (docs/explain.md). Weights and levels that
came with the network have no switch: both networks have them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from snncc.sim.drives import EXACT, open_drive
from snncc.sim.stairs import Cause, Imported, Stairs, Value
from snncc_ir import linear
from snncc_ir.certificates import certify_widths, drive_interval
from snncc_ir.errors import GraphError
from snncc_ir.graph import Graph
from snncc_ir.linear import wire
from snncc_ir.neurons import Analog, Bias, Quantiser, Staircase, Table, per_channel
from snncc_ir.nodes import AnyNode, Conv, Dense, Input, Linear, MaxPool, Population, Readout, Scale, Wiring
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate
from snncc_ir.types import Shape

Array = NDArray[Any]
Kind = type[np.floating[Any]]
Reader = Population | Readout


@dataclass(frozen=True, slots=True, order=True)
class Switch:
    """One cause at one node."""

    node: str
    cause: Cause


Values = dict[str, Value]


@dataclass(frozen=True)
class Source:
    """Images `[N, *shape]` as levels, and as the real places between levels that they were rounded from."""

    levels: Array
    places: Array


class Hybrid:
    """Evaluates a network of which some switches are on.

    `real` and `integer` have the same nodes: the lowered network, and what quantisation made of it.
    """

    def __init__(self, real: Graph, integer: Graph) -> None:
        """Check that the graphs belong together, and prepare the units of all values."""
        kinds = [[(node.name, type(node), node.sources) for node in graph.nodes] for graph in (real, integer)]
        if kinds[0] != kinds[1]:
            raise GraphError("its nodes are not those of the float network", where=integer.name)
        self.real, self.integer = real, integer
        self.rate = integer.timing if isinstance(integer.timing, Rate) else None
        self._stairs = {node.name: self._staircase(node) for node in integer.populations}
        self._units = _units(integer, self._stairs)
        self._sessions: dict[tuple[str, bool], onnxruntime.InferenceSession] = {}
        widths = certify_widths(integer)
        self._types: dict[str, Kind] = {
            name: np.float32 if width.bits < EXACT.bit_length() else np.float64
            for name, width in widths.items()
        }

    @property
    def switches(self) -> tuple[Switch, ...]:
        """All switches, from the input to the output; the input's is its rounding and clipping to levels."""
        return tuple(Switch(node.name, cause) for node in self.integer.nodes for cause in self._causes(node))

    def _causes(self, node: AnyNode) -> tuple[Cause, ...]:
        match node:
            case Input():
                return (Cause.ROUNDING,)
            case Readout():
                return () if self._came_integer(node) else (Cause.WEIGHTS,)
            case Population():
                stairs = self._stairs[node.name]
                if isinstance(stairs, Imported):
                    return stairs.causes
                return tuple(cause for cause in Cause if self.rate or cause is not Cause.TIMING)
            case _:
                return ()

    def _came_integer(self, node: Readout) -> bool:
        """True where all weights of a readout are integers that came with the network."""
        real = self.real.by_name[node.name]
        projections = self.real.projections(real) if isinstance(real, Readout) else ()
        return all(each.weight.scale is not None for each in projections)

    @property
    def imported(self) -> tuple[str, ...]:
        """Populations that came quantised."""
        return tuple(name for name, stairs in self._stairs.items() if isinstance(stairs, Imported))

    @property
    def width_of_first_output(self) -> int:
        """Number of values of the output that answers."""
        return int(np.prod(self.integer.types[self.integer.outputs[0]].shape))

    def outputs(self, values: Values) -> Array:
        """All outputs in real units, side by side, `[N, values]`; the first output's come first."""
        parts = []
        for name in self.integer.outputs:
            value = Value(values[name].mean)
            is_readout = isinstance(self.integer.by_name[name], Readout)
            real = value.steady if is_readout else self._units[name].reals(value).steady
            parts.append(real.reshape(len(real), -1).astype(np.float64))
        return np.concatenate(parts, axis=1)

    def run(self, source: Source, on: frozenset[Switch]) -> Values:
        """Values of all nodes but linear ones; a readout's is in real units."""
        return self.rerun(source, on, {}, None)

    def rerun(self, source: Source, on: frozenset[Switch], known: Values, changed: str | None) -> Values:
        """As `run`, but computes only the node `changed` and what depends on it; `known` has the rest."""
        values = dict(known)
        stale: set[str] = set()
        for node in self.integer.nodes:
            if changed in (None, node.name) or stale.intersection(node.sources):
                stale.add(node.name)
                self._visit(node, source, values, on)
        return values

    def _visit(self, node: AnyNode, source: Source, values: Values, on: frozenset[Switch]) -> None:
        match node:
            case Input():
                rounded = Switch(node.name, Cause.ROUNDING) in on
                values[node.name] = Value((source.levels if rounded else source.places).astype(np.float32))
            case Population():
                values[node.name] = self._population(node, values, on)
            case Readout():
                values[node.name] = Value(self._readout(node, values, on))
            case Wiring():
                values[node.name] = _wired(node, [values[name] for name in node.sources])

    def _population(self, node: Population, values: Values, on: frozenset[Switch]) -> Value:
        stairs = self._stairs[node.name]
        rounding, saturation, timing = (
            Switch(node.name, cause) in on for cause in (Cause.ROUNDING, Cause.SATURATION, Cause.TIMING)
        )
        if isinstance(stairs, Imported):
            saturation |= Cause.SATURATION not in stairs.causes
            if stairs.rate is None:
                return self._requantised(node, stairs, values, saturation=saturation)
        drive = self._drive(node, values, on)
        levels = stairs.levels if isinstance(stairs, Stairs) else stairs.rates
        steady = levels(drive.mean, rounding=rounding, saturation=saturation)
        if not timing or self.rate is None:
            return Value(steady)
        even = levels(drive.mean, rounding=True, saturation=True)
        rates = stairs if isinstance(stairs, Stairs) else stairs.rate
        if rates is None:
            raise TypeError("only a rate network has rates")
        return Value(steady - even, rates.train(drive, self.rate))

    def _requantised(self, node: Population, stairs: Imported, values: Values, *, saturation: bool) -> Value:
        """Levels of a population that came quantised, in a phased code."""
        none = Bias(values=Tensor.integer(np.zeros(self.integer.types[node.name].shape[0], np.int64)))
        drive = self._sum(node, values, none, self._types[node.name], integer=True).mean

        def real() -> Array:
            return self._sum(node, values, stairs.unit.bias, np.float64, integer=False).mean

        return Value(stairs.levels(drive, real, saturation=saturation))

    def _staircase(self, node: Population) -> Stairs | Imported:
        real, neuron = self.real.by_name[node.name], node.neuron
        if (
            not isinstance(real, Population)
            or not isinstance(neuron, Staircase | Table)
            or node.scale is None
        ):
            raise GraphError("has no levels with a scale", where=node.name)
        scale = per_channel(node.scale.data, len(self.integer.types[node.name].shape))
        match real.neuron:
            case Quantiser() as unit:
                rates = self._stairs_of(neuron, unit, scale) if self.rate else None
                return Imported(neuron, unit, drive_interval(self.integer, node), rates)
            case Analog() as unit if isinstance(neuron, Staircase):
                return self._stairs_of(neuron, unit, scale)
            case Analog():
                raise GraphError(
                    "is a table of breakpoints (LeakyRelu, PRelu or uneven bounds), whose loss has no parts",
                    where=node.name,
                )
            case _:
                raise GraphError("has no float form", where=node.name)

    def _stairs_of(self, neuron: Staircase | Table, unit: Analog | Quantiser, scale: Array) -> Stairs:
        if not isinstance(neuron, Staircase):
            raise TypeError("a rate network has no tables")
        theta = per_channel(neuron.theta.data, scale.ndim)
        return Stairs(neuron, theta, (unit.low / scale, unit.high / scale), self.rate)

    def _drive(self, node: Population, values: Values, on: frozenset[Switch]) -> Value:
        """U + b in integer units, with the weights and biases of either network."""
        neuron, real = node.neuron, self.real.by_name[node.name]
        if not isinstance(neuron, Staircase) or not isinstance(real, Population) or node.scale is None:
            raise TypeError("hybrids are made of staircases")
        kind, shape = self._types[node.name], self.integer.types[node.name].shape
        if Switch(node.name, Cause.WEIGHTS) in on or node.name in self.imported:
            return self._sum(node, values, neuron.bias, kind, integer=True)
        if not isinstance(real.neuron, Analog):
            raise TypeError("a float network is made of analog units")
        unit = per_channel(node.scale.data / neuron.theta.data, len(shape))
        return self._sum(node, values, real.neuron.bias, kind, integer=False).times(1 / unit)

    def _readout(self, node: Readout, values: Values, on: frozenset[Switch]) -> Array:
        real = self.real.by_name[node.name]
        kept = Switch(node.name, Cause.WEIGHTS) in on or self._came_integer(node)
        if kept or not isinstance(real, Readout):
            return self._sum(node, values, node.bias, np.float64, integer=True).mean * node.scale
        return self._sum(node, values, real.bias, np.float64, integer=False).mean * real.scale

    def _sum(self, node: Reader, values: Values, bias: Bias, kind: Kind, *, integer: bool) -> Value:
        """The sum of the projections and the bias, of the integer network or of the float one."""
        graph = self.integer if integer else self.real
        reader = graph.by_name[node.name]
        if not isinstance(reader, Population | Readout):
            raise TypeError(f"{node.name} reads no drives")
        steady: Array = bias.spread(graph.types[node.name].shape)[None].astype(kind)
        moving: Array | None = None
        for projection in graph.projections(reader):
            value = values[projection.source]
            if not integer:
                value = self._units[projection.source].reals(value)
            steady = steady + self._project(projection, value.steady, kind, integer)
            if value.moving is not None:
                flat = value.moving.reshape(-1, *value.moving.shape[2:])
                part = self._project(projection, flat, kind, integer)
                part = part.reshape(*value.moving.shape[:2], *part.shape[1:])
                moving = part if moving is None else moving + part
        return Value(steady, moving)

    def _project(self, node: Linear, x: Array, kind: Kind, integer: bool) -> Array:
        if isinstance(node, Scale):
            return x.astype(kind) * per_channel(node.weight.values, x.ndim - 1).astype(kind)
        if not isinstance(node, Conv | Dense):
            return linear.drive(node, x.astype(np.float64)).astype(kind)
        key = (node.name, integer)
        if key not in self._sessions:
            self._sessions[key] = open_drive(node)
        (drive,) = self._sessions[key].run(None, {"x": x.astype(np.float32, copy=False)})
        return np.asarray(drive).astype(kind, copy=False)


@dataclass(frozen=True)
class _Unit:
    """Real value of one level, and the level of the real value 0; both broadcast to the node's shape."""

    scale: Array
    zero: Array

    def reals(self, value: Value) -> Value:
        """The value in real units."""
        steady = ((value.steady - self.zero) * self.scale).astype(np.float32)
        moving = None if value.moving is None else (value.moving * self.scale).astype(np.float32)
        return Value(steady, moving)


def _units(graph: Graph, stairs: Mapping[str, Stairs | Imported]) -> dict[str, _Unit]:
    """Units of every node that gives levels; wiring rearranges those of its sources."""
    found: dict[str, _Unit] = {}
    for node in graph.nodes:
        match node:
            case Input(scale=scale, zero=zero) if scale is not None and zero is not None:
                found[node.name] = _Unit(scale.data, zero.data)
            case Population(scale=scale) if scale is not None:
                own = stairs[node.name]
                level = own.zero if isinstance(own, Imported) else 0.0
                rank = len(graph.types[node.name].shape)
                found[node.name] = _Unit(per_channel(scale.data, rank), np.full(1, level))
            case Wiring():
                parts = [_spread(found[name], graph.types[name].shape) for name in node.sources]
                scales = (part.scale[None] for part in parts)
                zeros = (part.zero[None] for part in parts)
                found[node.name] = _Unit(wire(node, *scales)[0], wire(node, *zeros)[0])
    return found


def _spread(unit: _Unit, shape: Shape) -> _Unit:
    return _Unit(np.broadcast_to(unit.scale, shape), np.broadcast_to(unit.zero, shape))


def _wired(node: Wiring, parts: list[Value]) -> Value:
    """What wiring makes of values of which some spike; a max-pool gates running sums."""
    steps = max((len(part.moving) for part in parts if part.moving is not None), default=0)
    if not steps:
        return Value(wire(node, *(part.steady for part in parts)))
    if isinstance(node, MaxPool):
        return _gated(node, parts[0], steps)
    moving = [
        np.zeros((steps, *part.steady.shape), np.float32) if part.moving is None else part.moving
        for part in parts
    ]
    by_step = np.stack([wire(node, *(part[step] for part in moving)) for step in range(steps)])
    return Value(wire(node, *(part.steady for part in parts)), by_step)


def _gated(node: MaxPool, part: Value, steps: int) -> Value:
    sent = np.cumsum(np.zeros(1) if part.moving is None else part.moving, axis=0, dtype=np.float64)
    sums = sent + part.steady * np.arange(1, steps + 1).reshape(-1, *(1,) * part.steady.ndim)
    best = np.stack([wire(node, step) for step in sums])
    return Value(np.zeros_like(best[0]), np.diff(best, axis=0, prepend=np.zeros_like(best[:1])))
