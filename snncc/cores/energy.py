"""Energy and time of an inference, estimated from counted events and the chip's figures for one event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.cores.activity import Activity
from snncc.cores.demand import outputs_by_channel, sources_of
from snncc.cores.planning import Planned
from snncc.cores.units import Read, compartments_of
from snncc_ir.graph import Graph
from snncc_ir.machine import Events, Machine, Mesh
from snncc_ir.plan import Box

Array = NDArray[Any]

NANO = 1e-3
"""Nanojoules in a picojoule."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Events of one image at a unit: what enters it, and what it costs in nanojoules.

    `hops` are spikes times hops along rows and columns, `links` spikes times links between chips; `macs` are
    the multiply-accumulates of the same layer of the network that does not spike.
    """

    synops: float
    updates: float
    spikes: float
    hops: float
    links: float
    energy: float
    macs: float
    mac_energy: float


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Costs by unit; steps of an image from start to end, and the time that they take in microseconds.

    `interval` is the time after which the next image can enter.
    """

    units: dict[str, Cost]
    steps: int
    latency: float
    interval: float

    @property
    def total(self) -> Cost:
        """All units together."""
        names = Cost.__dataclass_fields__
        return Cost(**{name: sum(getattr(cost, name) for cost in self.units.values()) for name in names})


def estimate(planned: Planned, graph: Graph, machine: Machine, activity: Activity) -> Estimate:
    """What an image costs on average on the cores of a plan, with the codes of `graph`."""
    if machine.events is None or machine.mesh is None:
        raise ValueError(f"{machine.name} has no figures")
    compartments = {unit.name: unit.compartments for unit in planned.network.units}
    compartments |= {
        node.name: compartments_of(graph, node, planned.network.core) for node in graph.populations
    }
    meter = _Meter(planned, machine.events, machine.mesh, activity, compartments)
    units = {unit.name: meter.cost(unit.name) for unit in planned.network.units if unit.compartments}
    step = meter.step_time()
    return Estimate(
        units=units,
        steps=activity.steps,
        latency=step * activity.steps * NANO,
        interval=step * activity.window * NANO,
    )


class _Meter:
    """Counts the events of slices, and adds them up by unit and by core."""

    def __init__(
        self,
        planned: Planned,
        events: Events,
        mesh: Mesh,
        activity: Activity,
        compartments: Mapping[str, int],
    ) -> None:
        self.planned, self.events, self.activity = planned, events, activity
        self.compartments = compartments
        network, plan = planned.network, planned.plan
        self.rates = np.ones(network.neurons, dtype=np.float64)
        for unit in network.units:
            if unit.name in activity.spikes:
                self.rates[unit.first : unit.first + unit.size] = activity.spikes[unit.name].ravel()
        self.chip, self.column, self.row = (np.full(network.neurons, -1, dtype=np.int64) for _ in range(3))
        self.busy = np.zeros(len(plan.cores))
        self.farthest = 0.0
        self.counted: dict[str, NDArray[np.float64]] = {}
        for core, place in zip(plan.cores, plan.places, strict=True):
            for item in core.slices:
                unit = network.by_name[item.unit]
                box = tuple(slice(*axis) for axis in item.box)
                own = slice(unit.first, unit.first + unit.size)
                column = place.chip * mesh.columns.value + place.column
                self.chip[own].reshape(unit.shape)[box] = place.chip
                self.column[own].reshape(unit.shape)[box] = column
                self.row[own].reshape(unit.shape)[box] = place.row
        for index, core in enumerate(plan.cores):
            for item in core.slices:
                self._count(index, item.unit, item.box)

    def _count(self, core: int, name: str, box: Box) -> None:
        """Synaptic operations, updates, spikes, hops along rows and columns, and links of a slice."""
        unit, events = self.planned.network.by_name[name], self.events
        size = int(np.prod([stop - start for start, stop in box]))
        found = np.zeros(6)
        found[1] = size * self.compartments[name] * self.activity.window
        here = unit.first + int(np.ravel_multi_index(tuple(start for start, _ in box), unit.shape))
        for read in unit.reads:
            ids, targets = _arriving(read, box)
            spikes = self.rates[ids]
            found[0] += float((spikes * targets).sum())
            found[2] += float(spikes.sum())
            placed = self.column[ids] >= 0
            ways = [np.abs(axis[ids] - axis[here]) * placed for axis in (self.column, self.row, self.chip)]
            found[3:] += [float((spikes * way).sum()) for way in ways]
            across, along, links = ways
            times = (across + along) * events.hop_time.value + links * events.link_time.value
            self.farthest = max(self.farthest, float(times.max(initial=0.0)))
        self.counted[name] = self.counted.get(name, np.zeros(6)) + found
        work = (events.synapse_time.value, events.update_time.value, events.spike_time.value)
        self.busy[core] += float(found[:3] @ np.array(work))

    def cost(self, name: str) -> Cost:
        """The costs of a unit."""
        events, found = self.events, self.counted[name]
        energies = (
            events.synapse_energy,
            events.update_energy,
            events.spike_energy,
            events.column_energy,
            events.row_energy,
            events.link_energy,
        )
        picojoules = float(found @ np.array([energy.value for energy in energies]))
        macs = self._macs(name)
        return Cost(
            synops=float(found[0]),
            updates=float(found[1]),
            spikes=float(found[2]),
            hops=float(found[3] + found[4]),
            links=float(found[5]),
            energy=picojoules * NANO,
            macs=macs,
            mac_energy=macs * events.mac_energy.value * NANO,
        )

    def _macs(self, name: str) -> float:
        """Synapses of a unit, each of which is one multiply-accumulate without spikes."""
        unit = self.planned.network.by_name[name]
        whole: Box = ((0, unit.shape[0]), (0, unit.shape[1]), (0, unit.shape[2]))
        return float(sum(_arriving(read, whole)[1].sum() for read in unit.reads if not read.same))

    def step_time(self) -> float:
        """Nanoseconds of a step: the busiest core, the way of the farthest spike, and the barrier."""
        busiest = float(self.busy.max(initial=0.0)) / self.activity.window
        return busiest + self.farthest + self.events.step_time.value


def _arriving(read: Read, box: Box) -> tuple[Array, Array]:
    """The neurons that send into a box, and the synapses that a spike of each passes there."""
    channels, rows, columns = sources_of(read, box)
    ids = read.elements[channels][:, rows.positions][:, :, columns.positions]
    down = np.array([len(kind) for kind in rows.kinds])[rows.kind]
    along = np.array([len(kind) for kind in columns.kinds])[columns.kind]
    targets = outputs_by_channel(read, box)[:, None, None] * down[:, None] * along
    there = ids >= 0
    return ids[there], np.broadcast_to(targets, ids.shape)[there]
