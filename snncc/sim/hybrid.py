"""A network between its float and its integer form: every cause of loss is a switch of its own.

Values are in units of one level of their node, reals where nothing rounds them. With every switch on the
network is the integer one, with every switch off the float one (docs/explain.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from snncc.sim.drives import EXACT, open_drive
from snncc_ir import linear
from snncc_ir.certificates import certify_widths
from snncc_ir.errors import GraphError
from snncc_ir.graph import Graph
from snncc_ir.linear import wire
from snncc_ir.neurons import Analog, Bias, Staircase, per_channel
from snncc_ir.nodes import AnyNode, Conv, Dense, Input, Linear, MaxPool, Population, Readout, Scale, Wiring
from snncc_ir.timing import Rate, Reset
from snncc_ir.types import Shape

Array = NDArray[Any]
Kind = type[np.floating[Any]]
Reader = Population | Readout


class Cause(Enum):
    """What an integer network may lose accuracy by, in the order in which a layer applies it."""

    WEIGHTS = "weights"
    ROUNDING = "rounding"
    SATURATION = "saturation"
    TIMING = "timing"


@dataclass(frozen=True, slots=True, order=True)
class Switch:
    """One cause at one node."""

    node: str
    cause: Cause


@dataclass(frozen=True)
class Value:
    """A node's value in each of T steps: `steady[N, *shape]`, plus `moving[T, N, *shape]` where it spikes."""

    steady: Array
    moving: Array | None = None

    @property
    def mean(self) -> Array:
        """The mean over the steps."""
        return (
            self.steady if self.moving is None else self.steady + self.moving.mean(axis=0, dtype=np.float64)
        )

    def times(self, factor: Array) -> Value:
        """The value times a factor, in its own type."""
        factor = factor.astype(self.steady.dtype)
        return Value(self.steady * factor, None if self.moving is None else self.moving * factor)


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
        self._units = _units(integer)
        self._stairs = {node.name: self._staircase(node) for node in integer.populations}
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
                return (Cause.WEIGHTS,)
            case Population():
                return tuple(cause for cause in Cause if self.rate or cause is not Cause.TIMING)
            case _:
                return ()

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
        drive = self._drive(node, values, on)
        rounding, saturation, timing = (
            Switch(node.name, cause) in on for cause in (Cause.ROUNDING, Cause.SATURATION, Cause.TIMING)
        )
        steady = stairs.levels(drive.mean, rounding=rounding, saturation=saturation)
        if not timing or self.rate is None:
            return Value(steady)
        even = stairs.levels(drive.mean, rounding=True, saturation=True)
        return Value(steady - even, stairs.train(drive, self.rate))

    def _staircase(self, node: Population) -> _Stairs:
        real = self.real.by_name[node.name]
        if not isinstance(node.neuron, Staircase) or node.scale is None:
            raise GraphError("has no staircase with a scale", where=node.name)
        if not isinstance(real, Population) or not isinstance(real.neuron, Analog):
            raise GraphError("was imported with its levels: it has no float form", where=node.name)
        shape = (len(self.integer.types[node.name].shape),)
        scale = per_channel(node.scale.data, *shape)
        bounds = (real.neuron.low / scale, real.neuron.high / scale)
        return _Stairs(node.neuron, per_channel(node.neuron.theta.data, *shape), bounds, self.rate)

    def _drive(self, node: Population, values: Values, on: frozenset[Switch]) -> Value:
        """U + b in integer units, with the weights and biases of either network."""
        neuron, real = node.neuron, self.real.by_name[node.name]
        if not isinstance(neuron, Staircase) or not isinstance(real, Population) or node.scale is None:
            raise TypeError("hybrids are made of staircases")
        kind, shape = self._types[node.name], self.integer.types[node.name].shape
        if Switch(node.name, Cause.WEIGHTS) in on:
            return self._sum(node, values, neuron.bias, kind, integer=True)
        if not isinstance(real.neuron, Analog):
            raise TypeError("a float network is made of analog units")
        unit = per_channel(node.scale.data / neuron.theta.data, len(shape))
        return self._sum(node, values, real.neuron.bias, kind, integer=False).times(1 / unit)

    def _readout(self, node: Readout, values: Values, on: frozenset[Switch]) -> Array:
        real = self.real.by_name[node.name]
        if Switch(node.name, Cause.WEIGHTS) in on or not isinstance(real, Readout):
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
            return x.astype(kind) * per_channel(node.weight.data, x.ndim - 1).astype(kind)
        if not isinstance(node, Conv | Dense):
            return linear.drive(node, x.astype(np.float64)).astype(kind)
        key = (node.name, integer)
        if key not in self._sessions:
            self._sessions[key] = open_drive(node)
        (drive,) = self._sessions[key].run(None, {"x": x.astype(np.float32, copy=False)})
        return np.asarray(drive).astype(kind, copy=False)


@dataclass(frozen=True)
class _Stairs:
    """What a population makes of its drive: with switches off, its float bounds and no steps.

    A phased level is clip(floor((v + theta // 2) / theta), lo, hi). A `rate` neuron with a steady drive
    sends clip(floor((T v + theta_r // 2) / theta_r), -T or 0, T) spikes, each worth L / T levels: the
    same staircase with other steps.
    """

    neuron: Staircase
    theta: Array
    bounds: tuple[Array, Array]
    rate: Rate | None

    @property
    def top(self) -> int:
        """L, the level that a `rate` neuron which fires in every step stands for."""
        return max(self.neuron.hi, -self.neuron.lo)

    def levels(self, v: Array, *, rounding: bool, saturation: bool) -> Array:
        """Levels, or reals, for a steady drive `v` (bias included), in float32 or float64 as it is."""
        repeat, top = (self.rate.steps, self.top) if self.rate else (1, 1)
        v = v.astype(np.float64) if self.rate else v
        theta = self.theta * top
        number = v * v.dtype.type(repeat)
        if rounding:
            number = number + (theta // 2).astype(v.dtype)
        number = number / theta.astype(v.dtype)
        if rounding:
            number = np.floor(number)
        number = np.clip(number, *(self._reach() if saturation else self._float_reach(repeat / top, v.dtype)))
        return np.asarray(number * v.dtype.type(top / repeat)) if self.rate else np.asarray(number)

    def _reach(self) -> tuple[int, int]:
        if self.rate is None:
            return self.neuron.lo, self.neuron.hi
        return (-self.rate.steps if self.neuron.lo < 0 else 0), self.rate.steps

    def _float_reach(self, per_level: float, kind: np.dtype[Any]) -> tuple[Array, Array]:
        low, high = self.bounds
        return (low * per_level).astype(kind), (high * per_level).astype(kind)

    def train(self, drive: Value, rate: Rate) -> Array:
        """What the spiking neuron sends in each step, in levels: L for each spike."""
        kind = drive.steady.dtype
        theta = (self.theta * self.top).astype(kind)
        v = np.zeros(drive.steady.shape, kind) + theta // 2
        sent = np.zeros((rate.steps, *v.shape), np.float32)
        for step in range(rate.steps):
            v += drive.steady
            if drive.moving is not None:
                v += drive.moving[step]
            spikes = (v >= theta).astype(kind)
            if self.neuron.lo < 0:
                spikes -= v < 0
            v = np.where(spikes > 0, 0, v) if rate.reset is Reset.ZERO else v - theta * spikes
            sent[step] = spikes * self.top
        return sent


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


def _units(graph: Graph) -> dict[str, _Unit]:
    """Units of every node that gives levels; wiring rearranges those of its sources."""
    found: dict[str, _Unit] = {}
    for node in graph.nodes:
        match node:
            case Input(scale=scale, zero=zero) if scale is not None and zero is not None:
                found[node.name] = _Unit(scale.data, zero.data)
            case Population(scale=scale) if scale is not None:
                found[node.name] = _Unit(
                    per_channel(scale.data, len(graph.types[node.name].shape)), np.zeros(1)
                )
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
