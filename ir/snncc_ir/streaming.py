"""The reference semantics of the streaming codes, `rate` and `stbif` (ir/SPEC.md, section 7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_ir.codes import Code, Reset, Strand
from snncc_ir.costs import NO_COUNTS, Counts, fan_out
from snncc_ir.errors import GraphError
from snncc_ir.graph import Graph
from snncc_ir.lif import SHIFT, decayed
from snncc_ir.linear import drive, wire
from snncc_ir.neurons import Leaky, Staircase, Table, per_channel
from snncc_ir.nodes import (
    AnyNode,
    Concat,
    Input,
    Linear,
    MaxPool,
    Population,
    Readout,
)
from snncc_ir.semantics import check_input, potential
from snncc_ir.senders import Breakpoints
from snncc_ir.strands import Spikes, join_strands
from snncc_ir.timing import Phased, Rate

Array = NDArray[Any]
DriveMap = Callable[[Linear, Array], Array]


@dataclass(frozen=True)
class StreamRun:
    """What a streaming run of N images over T steps gave.

    `trains[name][T, N, *shape]` are the spikes of populations and the payloads of inputs. `counts[name]
    [N, *shape]` are their signed sums (levels for `stbif`), and those of outputs that are wiring.
    `outputs[name][T, N, *shape]` is each readout's drive after every step (for `rate` the running sum over
    the steps, biases included). `settled[N]` is the number of steps after which nothing happened any more
    (T for `rate`), `costs` the spikes and synaptic operations.
    """

    trains: dict[str, Array]
    counts: dict[str, Array]
    outputs: dict[str, Array]
    settled: Array
    costs: Counts


def settle_bound(graph: Graph) -> int:
    """Steps within which a `stbif` graph settles: 1 + the longest path's sum of (hi - lo)."""
    reach: dict[str, int] = {}
    for node in graph.nodes:
        before = max((reach[source] for source in node.sources), default=0)
        match node:
            case Population(neuron=Staircase(lo=lo, hi=hi) | Table(lo=lo, hi=hi)):
                own = hi - lo
            case _:
                own = 0
        reach[node.name] = before + own
    return 1 + max(reach.values())


def run_streaming(
    graph: Graph, inputs: Mapping[str, Array], drive_map: DriveMap = drive, *, keep_trains: bool = True
) -> StreamRun:
    """Run images `inputs[name][N, *shape]` through a streaming graph, each on its own.

    A `rate` graph runs its number of steps, layer-synchronously. A `stbif` graph runs with a synaptic
    delay of one step until every image has had a step without any event after its input. `drive_map`
    may stand in for `linear.drive`, if it gives the same integers; without `keep_trains` no train is kept.
    """
    if isinstance(graph.timing, Phased) or not graph.is_integer:
        raise GraphError("only an integer graph with a streaming code runs step by step", where=graph.name)
    levels = {node.name: check_input(node, inputs[node.name]) for node in graph.inputs}
    stream = _Stream(graph, levels, drive_map, keep_trains)
    if isinstance(graph.timing, Rate):
        for step in range(graph.timing.steps):
            stream.step(step)
    else:
        step = 0
        while stream.step(step) or step == 0:
            step += 1
    return stream.result()


@dataclass
class _Stream:
    """Membrane potentials, running sums and records of a running graph."""

    graph: Graph
    inputs: Mapping[str, Array]
    drive_map: DriveMap
    keep_trains: bool
    potentials: dict[str, Array] = field(default_factory=dict)
    currents: dict[str, Array] = field(default_factory=dict)
    counts: dict[str, dict[Strand, Array]] = field(default_factory=dict)
    previous: dict[str, Spikes] = field(default_factory=dict)
    trains: dict[str, list[Array]] = field(default_factory=dict)
    outputs: dict[str, list[Array]] = field(default_factory=dict)
    events: list[Array] = field(default_factory=list)
    costs: Counts = NO_COUNTS
    tables: dict[str, Breakpoints] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fan_outs = {
            node.name: fan_out(node, self.graph.types[node.source].shape) for node in self.graph.linears
        }
        self.images = len(next(iter(self.inputs.values())))
        self.rate = self.graph.timing if isinstance(self.graph.timing, Rate) else None
        for node in self.graph.nodes:
            if isinstance(node, Population) and isinstance(node.neuron, Staircase):
                self.potentials[node.name] = self._start(node.neuron, self._zeros(node.name))
            elif isinstance(node, Population) and isinstance(node.neuron, Table):
                self.potentials[node.name] = self._zeros(node.name)
                self.tables[node.name] = Breakpoints(node.neuron, self.graph.types[node.name].shape)
            elif isinstance(node, Population) and isinstance(node.neuron, Leaky):
                self.currents[node.name] = self.potentials[node.name] = self._zeros(node.name)
            elif isinstance(node, Readout):
                zero = self._zeros(node.name)
                self.potentials[node.name] = zero if self.rate else zero + node.bias.spread(zero.shape[1:])

    def _zeros(self, name: str) -> Array:
        return np.zeros((self.images, *self.graph.types[name].shape), dtype=np.int64)

    def _start(self, neuron: Staircase, zero: Array) -> Array:
        """v before the first step: half a threshold for `rate`, b + half a threshold for `stbif`."""
        if self.rate:
            return np.asarray(zero + _rate_theta(neuron, zero.ndim - 1) // 2)
        return potential(neuron, zero)

    def step(self, step: int) -> bool:
        """Run one step of every node; True where anything happened in it."""
        values: dict[str, Spikes] = {}
        for node in self.graph.nodes:
            spikes = self._value(node, values, step)
            if spikes is not None:
                values[node.name] = spikes
                self._count(node.name, spikes)
        self.previous = values
        return self._record(values)

    def _value(self, node: AnyNode, values: Mapping[str, Spikes], step: int) -> Spikes | None:
        match node:
            case Input():
                sent = self.inputs[node.name] if self.rate or step == 0 else self._zeros(node.name)
                return {self.graph.strand(node.name): sent}
            case Population():
                return {self.graph.strand(node.name): self._fire(node, values)}
            case Readout():
                self._integrate(node, values)
                self.outputs.setdefault(node.name, []).append(self.potentials[node.name])
                return None
            case MaxPool():
                return {s: self._pool(node, s) for s in values[node.source]}
            case Concat():
                return join_strands(node, values, self._zeros)
            case Linear():
                return None
            case _:
                return {s: wire(node, x) for s, x in values[node.sources[0]].items()}

    def _integrate(self, node: Population | Readout, values: Mapping[str, Spikes]) -> Array:
        """Add this step's drive (`rate`) or the last step's (`stbif`, synaptic delay 1) to v."""
        v = self.potentials[node.name] + self._arriving(node, values)
        if self.rate:
            bias = node.bias if isinstance(node, Readout) else _staircase(node).bias
            v = v + bias.spread(v.shape[1:])
        self.potentials[node.name] = v
        return v

    def _arriving(self, node: Population | Readout, values: Mapping[str, Spikes]) -> Array:
        """The drives of a step together."""
        sent = values if self.rate else self.previous
        parts = [self._projected(projection, sent) for projection in self.graph.projections(node)]
        return np.asarray(sum(parts))

    def _projected(self, projection: Linear, values: Mapping[str, Spikes]) -> Array:
        """W s, with W_r = W * L of the source where it sends `rate` spikes."""
        total: Array = self._zeros(projection.name)
        for strand, spikes in values.get(projection.source, {}).items():
            gain = strand.top if strand.code is Code.RATE else 1
            total = total + gain * self.drive_map(projection, spikes)
        return total

    def _fire(self, node: Population, values: Mapping[str, Spikes]) -> Array:
        if isinstance(node.neuron, Leaky):
            return self._fire_leaky(node.name, node.neuron, self._arriving(node, values))
        v = self._integrate(node, values)
        if node.name in self.tables:
            return self._compare(node.name, v)
        neuron = _staircase(node)
        if self.rate:
            spikes, v = _fire_rate(v, _rate_theta(neuron, v.ndim - 1), neuron.lo < 0, self.rate.reset)
        else:
            sent = self._sent(node.name)
            theta = per_channel(neuron.theta.data, v.ndim - 1)
            spikes = ((v >= theta) & (sent < neuron.hi)).astype(np.int64) - ((v < 0) & (sent > neuron.lo))
            v = v - theta * spikes
        self.potentials[node.name] = v
        return spikes

    def _fire_leaky(self, name: str, neuron: Leaky, drive: Array) -> Array:
        """Decay u and v, both in 64ths of a drive, add what arrives, and fire."""
        u = decayed(self.currents[name], neuron.du + 1) + (drive << SHIFT)
        bias = neuron.bias.spread(drive.shape[1:]) << SHIFT
        v = decayed(self.potentials[name], neuron.dv) + u + bias
        fired = v > neuron.vth << SHIFT
        self.currents[name], self.potentials[name] = u, np.where(fired, 0, v)
        return fired.astype(np.int64)

    def _sent(self, name: str) -> Array:
        """S, the running sum of a population's spikes."""
        return np.asarray(self.counts.get(name, {}).get(self.graph.strand(name), self._zeros(name)))

    def _compare(self, name: str, drive: Array) -> Array:
        """A table's step of `stbif`: S moves towards the level of U."""
        sent, table = self._sent(name), self.tables[name]
        up, down = table.reached(drive, sent + 1), ~table.reached(drive, sent)
        return up.astype(np.int64) - down

    def _pool(self, node: MaxPool, strand: Strand) -> Array:
        """The greatest running sum of each window, minus what the pool has sent."""
        best = wire(node, self.counts[node.source][strand])
        sent = self.counts.get(node.name, {}).get(strand, np.zeros_like(best))
        return best - sent

    def _count(self, name: str, spikes: Spikes) -> None:
        counts = self.counts.setdefault(name, {})
        for strand, value in spikes.items():
            counts[strand] = counts.get(strand, np.int64(0)) + value

    def _record(self, values: Mapping[str, Spikes]) -> bool:
        happened = np.zeros(self.images, dtype=bool)
        for node in (*self.graph.inputs, *self.graph.populations):
            (spikes,) = values[node.name].values()
            if self.keep_trains:
                self.trains.setdefault(node.name, []).append(spikes)
            happened |= spikes.reshape(self.images, -1).any(axis=1)
        self.events.append(happened)
        self.costs = self.costs + self._cost(values)
        return bool(happened.any())

    def _cost(self, values: Mapping[str, Spikes]) -> Counts:
        """Spikes that were sent and synapses that they passed in this step."""
        fired = {
            name: sum((x != 0).astype(np.int64) for x in spikes.values()) for name, spikes in values.items()
        }
        senders = (*self.graph.inputs, *self.graph.populations)
        return Counts(
            {node.name: int(np.sum(fired[node.name])) for node in senders},
            {
                node.name: int((fired[node.source] * self.fan_outs[node.name]).sum())
                for node in self.graph.linears
            },
        )

    def result(self) -> StreamRun:
        """Everything that was recorded."""
        trains = {name: np.stack(steps) for name, steps in self.trains.items()}
        counted = (*(node.name for node in self.graph.inputs), *self.graph.reported)
        events = np.stack(self.events)
        last = len(events) - np.argmax(events[::-1], axis=0)
        return StreamRun(
            trains=trains,
            counts={name: np.asarray(sum(self.counts[name].values())) for name in counted},
            outputs={name: np.stack(steps) for name, steps in self.outputs.items()},
            settled=np.where(events.any(axis=0), last, 0),
            costs=self.costs,
        )


def _staircase(node: Population) -> Staircase:
    if not isinstance(node.neuron, Staircase):
        raise GraphError("streaming codes need staircase neurons", where=node.name)
    return node.neuron


def _rate_theta(neuron: Staircase, rank: int) -> Array:
    """theta_r = theta * L of the population itself."""
    return np.asarray(per_channel(neuron.theta.data, rank) * max(neuron.hi, -neuron.lo))


def _fire_rate(v: Array, theta: Array, signed: bool, reset: Reset) -> tuple[Array, Array]:
    """Spikes and the potential after them."""
    up = v >= theta
    if reset is Reset.ZERO:
        return up.astype(np.int64), np.where(up, 0, v)
    spikes = up.astype(np.int64) - ((v < 0) if signed else 0)
    return spikes, v - theta * spikes
