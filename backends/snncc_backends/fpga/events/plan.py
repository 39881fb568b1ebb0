"""What the event core does in one step: units in their order, and the scatters that each adds up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from snncc_backends.fpga.events.scatter import Scatter, scatters_of
from snncc_backends.fpga.planning.maps import image_shape
from snncc_backends.fpga.planning.neurons import bias_classes
from snncc_backends.fpga.planning.plan import pool_places
from snncc_backends.fpga.planning.projections import Projection, digits_of, identity, projections_of
from snncc_backends.fpga.planning.views import Views, find_views
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.lif import NO_MEMORY, SHIFT
from snncc_ir.neurons import Leaky, Staircase
from snncc_ir.nodes import Input, MaxPool, Population, Readout
from snncc_ir.tensors import WEIGHT_BITS, Ints
from snncc_ir.timing import Rate

Image = tuple[int, int, int]

PAYLOAD = 32
"""Bits of what a weight may be multiplied with, at most."""


class Kind(Enum):
    """What a unit is."""

    POPULATION = "population"
    READOUT = "readout"
    POOL = "pool"


class Kept(Enum):
    """What a unit keeps in memory beside its potentials.

    SENT is what a pool has sent; CURRENT what the input adds in every step, so that it is added up once; U is
    that of neurons that leak, which all drives are added to and which decays.
    """

    NOTHING = "nothing"
    SENT = "sent"
    CURRENT = "current"
    U = "u"


@dataclass(frozen=True, kw_only=True)
class Add:
    """Each level of a map, times `gain`, goes through a scatter."""

    scatter: Scatter
    gain: int
    from_input: bool


@dataclass(frozen=True, kw_only=True)
class Firing:
    """Thresholds `theta[O]` and biases `bias[O, R, S]` with the border classes of rows and columns.

    For `rate` theta is theta_r and b is added in every step; for `stbif` b + floor(theta / 2) is what a
    potential begins with, and S stays within lo .. hi. A readout never fires. Of neurons that leak all is in
    64ths of a drive, theta = 64 vth + 1, and in a step u loses `decay_u` 4096ths and v `decay_v`.
    """

    theta: Ints
    bias: Ints
    rows: Ints
    columns: Ints
    lo: int
    hi: int
    decay_u: int = 0
    decay_v: int = 0

    @property
    def leaks(self) -> bool:
        """True of neurons that leak: u loses something always."""
        return self.decay_u > 0


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A population, a readout or a pool: what it adds up has the shape `sums`, what it sends `shape`.

    A pool adds up the levels of its source; row r of what it sends is the greatest sum of the rows
    `window_rows[r]`, and so for columns.
    """

    name: str
    kind: Kind
    shape: Image
    sums: Image
    adds: tuple[Add, ...]
    firing: Firing
    window_rows: Ints
    window_columns: Ints
    keeps: Kept


@dataclass(frozen=True, kw_only=True)
class EventPlan:
    """All units in the order of a step; `weight_bits` is the width of a slot that holds every weight."""

    views: Views
    units: tuple[Unit, ...]
    weight_bits: int


def make_event_plan(graph: Graph, lanes: int, least_bits: int = 1) -> EventPlan:
    """The units of a streaming integer graph, with weights in slots of `least_bits` bits or more.

    Under `stbif` a synapse has a delay of one step: every reader comes before what it reads, so that it finds
    the spikes of the step before; pools, which have no delay, come last and forwards.
    """
    views = find_views(graph, {})
    nodes = _in_order(graph)
    read = {node.name: _projections(graph, views, node) for node in nodes}
    needed = max((part.bits for parts in read.values() for part in parts), default=1)
    fitting = min(next((bits for bits in WEIGHT_BITS if bits >= needed), 8), 8)
    builder = _Units(graph, views, lanes, max(fitting, least_bits, 2))
    units = tuple(builder.unit(node, read[node.name]) for node in nodes)
    widths = (add.scatter.slot_bits(lanes) for unit in units for add in unit.adds)
    return EventPlan(views=views, units=units, weight_bits=max([least_bits, *widths]))


def _in_order(graph: Graph) -> list[Population | Readout | MaxPool]:
    neural = [node for node in graph.nodes if isinstance(node, Population | Readout)]
    if not isinstance(graph.timing, Rate):
        return [*reversed(neural), *graph.of_type(MaxPool)]
    return [node for node in graph.nodes if isinstance(node, Population | Readout | MaxPool)]


def _projections(graph: Graph, views: Views, node: Population | Readout | MaxPool) -> tuple[Projection, ...]:
    if isinstance(node, MaxPool):
        channels = image_shape(graph.types[node.source].shape)[0]
        return tuple(identity(plane, channels) for plane in views.planes(node.source, node.name))
    linears = graph.projections(node)
    return tuple(part for linear in linears for part in projections_of(graph, views, linear))


@dataclass(frozen=True)
class _Units:
    """Makes units; a weight of more than `digit_bits` bits is several scatters with growing gains."""

    graph: Graph
    views: Views
    lanes: int
    digit_bits: int

    def unit(self, node: Population | Readout | MaxPool, read: tuple[Projection, ...]) -> Unit:
        point = SHIFT if isinstance(node, Population) and isinstance(node.neuron, Leaky) else 0
        adds = tuple(add for projection in read for add in self._adds(projection, point))
        shape = image_shape(self.graph.types[node.name].shape)
        if isinstance(node, MaxPool):
            return self._pool(node, adds, shape)
        return Unit(
            name=node.name,
            kind=Kind.READOUT if isinstance(node, Readout) else Kind.POPULATION,
            shape=shape,
            sums=shape,
            adds=adds,
            firing=self._firing(node, shape),
            window_rows=np.arange(shape[1])[:, None],
            window_columns=np.arange(shape[2])[:, None],
            keeps=self._kept(node, adds),
        )

    def _kept(self, node: Population | Readout, adds: tuple[Add, ...]) -> Kept:
        """Neurons whose u does not outlast a step add up their drive in v."""
        match node:
            case Population(neuron=Leaky(du=du)):
                return Kept.NOTHING if du == NO_MEMORY else Kept.U
            case _:
                streams = isinstance(self.graph.timing, Rate) and any(add.from_input for add in adds)
                return Kept.CURRENT if streams else Kept.NOTHING

    def _adds(self, projection: Projection, point: int) -> Iterator[Add]:
        """Drives with `point` bits below their unit."""
        source = self.graph.by_name[projection.map]
        rate = isinstance(self.graph.timing, Rate)
        unit = self.graph.strands[projection.map][0].top if rate and not isinstance(source, Input) else 1
        for digit, weight in enumerate(digits_of(projection, self.digit_bits)):
            part = replace(projection, weight=weight)
            gain = unit << (digit * (self.digit_bits - 1) + point)
            if gain.bit_length() >= PAYLOAD:
                hint = "use fewer weight bits or level bits"
                raise TargetError(
                    f"multiplies spikes by {gain}, which is too wide", where=projection.map, hint=hint
                )
            for scatter in scatters_of(part, self.views.shapes[projection.map], self.lanes):
                yield Add(scatter=scatter, gain=gain, from_input=isinstance(source, Input))

    def _firing(self, node: Population | Readout, shape: Image) -> Firing:
        channels, height, width = shape
        rate = isinstance(self.graph.timing, Rate)
        if isinstance(node, Readout):
            theta, bias, lo, hi = np.ones(channels, dtype=np.int64), node.bias, 0, 0
            values, rows, columns = bias_classes(bias, (height, width))
        elif isinstance(node.neuron, Staircase):
            theta, lo, hi = node.neuron.theta.data, node.neuron.lo, node.neuron.hi
            values, rows, columns = bias_classes(node.neuron.bias, (height, width))
            values = values if rate else values + (theta // 2)[:, None, None]
            theta = theta * max(hi, -lo) if rate else theta
        elif isinstance(node.neuron, Leaky):
            return _leaking(node.neuron, shape)
        else:
            raise TargetError("has a neuron of no kind that the event core runs", where=node.name)
        return Firing(theta=theta, bias=values, rows=rows, columns=columns, lo=lo, hi=hi)

    def _pool(self, node: MaxPool, adds: tuple[Add, ...], shape: Image) -> Unit:
        sums = image_shape(self.graph.types[node.source].shape)
        if any(add.from_input for add in adds):
            raise TargetError(
                "pools the input, which the event core does not",
                where=node.name,
                hint="use a phased code, or pool behind the first layer",
            )
        levels = self.graph.levels(node.name)
        return Unit(
            name=node.name,
            kind=Kind.POOL,
            shape=shape,
            sums=sums,
            adds=tuple(replace(add, gain=1) for add in adds),
            firing=Firing(
                theta=np.ones(shape[0], dtype=np.int64),
                bias=np.zeros((shape[0], 1, 1), dtype=np.int64),
                rows=np.zeros(shape[1], dtype=np.int64),
                columns=np.zeros(shape[2], dtype=np.int64),
                lo=levels.lo,
                hi=levels.hi,
            ),
            window_rows=pool_places(node, 0, shape[1], sums[1]),
            window_columns=pool_places(node, 1, shape[2], sums[2]),
            keeps=Kept.SENT,
        )


def _leaking(neuron: Leaky, shape: Image) -> Firing:
    """v > 64 vth is v >= 64 vth + 1."""
    channels, height, width = shape
    values, rows, columns = bias_classes(neuron.bias, (height, width))
    return Firing(
        theta=np.full(channels, (neuron.vth << SHIFT) + 1),
        bias=values << SHIFT,
        rows=rows,
        columns=columns,
        lo=neuron.lo,
        hi=neuron.hi,
        decay_u=neuron.du + 1,
        decay_v=neuron.dv,
    )
