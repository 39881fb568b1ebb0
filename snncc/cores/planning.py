"""From an integer graph to a plan: refused where the chip cannot express it, else cut, packed and placed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from snncc.cores.bounds import lower_bounds
from snncc.cores.chips import Room, Traffic, assign_chips
from snncc.cores.demand import neurons_read
from snncc.cores.partials import split_sums
from snncc.cores.partition import Partition, limits_of, partition
from snncc.cores.place import Placement, place
from snncc.cores.units import Network, delay_of, network_of
from snncc_ir.certificates import certify_widths
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine, Mesh
from snncc_ir.nodes import MaxPool, Population, Readout
from snncc_ir.plan import CoreUse, Plan, Resource
from snncc_ir.progress import Progress, silent

Rates = NDArray[np.float32]
Homes = NDArray[np.int64]

TRIES = 8
"""Plans that are made until no core has too many axons that leave its chip; then all count as if they did."""

LEAST_CHARGE = 0.02
"""What a unit's axons are charged more, at least, from one try to the next."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A plan, how well its cores are placed, the spikes between them, and what bound the cut of each unit."""

    plan: Plan
    network: Network
    placement: Placement
    traffic: Traffic
    arriving: float
    limits: dict[str, Resource]
    crossing: tuple[int, ...]
    """Entries of each core for axons that leave its chip."""


def refusals(graph: Graph, machine: Machine) -> tuple[str, ...]:
    """Why the cores of a chip cannot hold the graph, whatever their number."""
    if machine.core is None:
        return (f"{machine.name} has no cores",)
    core = machine.core
    found = []
    for node in graph.nodes:
        if isinstance(node, MaxPool) and not core.pool_compartments.value:
            found.append(
                f"{node.name}: {machine.name} has no max-pooling; use strided convolutions or average pooling"
            )
        if isinstance(node, Population) and graph.levels(node.name).lo < 0 and not core.signed_spikes.value:
            found.append(f"{node.name}: its levels go below 0, and the spikes of {machine.name} have no sign")
        if isinstance(node, Population | Readout):
            found += _delays(graph, node, machine)
    return tuple(found)


def _delays(graph: Graph, node: Population | Readout, machine: Machine) -> Iterator[str]:
    most = machine.core.delay.value if machine.core else 0
    for projection in graph.projections(node):
        delay = delay_of(graph, node, projection)
        if delay > most:
            yield (
                f"{projection.name}: waits {delay} steps for the longest path, {delay - most} more than "
                f"{machine.name} can delay a spike; use a phased code"
            )


def make_plan(
    graph: Graph, machine: Machine, rates: dict[str, Rates] | None = None, progress: Progress = silent
) -> Planned:
    """Map an integer graph; `rates` are spikes per image of every neuron of inputs, populations and pools.

    Raises TargetError where the chip cannot hold the graph.
    """
    reasons = refusals(graph, machine)
    if reasons or machine.core is None or machine.mesh is None:
        raise TargetError("; ".join(reasons) or f"{machine.name} has no cores")
    whole = network_of(graph, machine)
    bounds = lower_bounds(whole, limits_of(whole))
    network = _split(graph, machine, whole)
    spikes = _rates(network, rates)
    charges: dict[str, float] = {}
    for _ in range(TRIES):
        cut = partition(network, spikes, charges, bounds, progress)
        planned = _placed(network, machine.name, machine.mesh, cut, spikes)
        progress(1, 1)
        crowded = _crowded(planned, network.core.output_axons.value, charges)
        if not crowded:
            return planned
        charges |= crowded
    charges = dict.fromkeys(network.by_name, 1.0 + network.core.crossing_axons.value)
    cut = partition(network, spikes, charges, bounds)
    return _placed(network, machine.name, machine.mesh, cut, spikes)


def _split(graph: Graph, machine: Machine, network: Network) -> Network:
    """With partial sums where a sum has too many inputs, if the chip can send them."""
    bits = network.core.partial_bits.value
    split = split_sums(network) if bits else network
    if not split.partials:
        return network
    widths = certify_widths(graph)
    for owner in {part.owner for part in split.partials}:
        if widths[owner].bits > bits:
            raise TargetError(
                f"its sum is split over cores: {widths[owner].bits} bits, {machine.name} sends {bits}",
                where=owner,
                hint="use fewer weight bits or level bits",
            )
    return split


def _rates(network: Network, rates: dict[str, Rates] | None) -> Rates:
    """Spikes of every neuron; partial sums are sent once, and so is what was not measured."""
    found = np.ones(network.neurons, dtype=np.float32)
    for unit in network.units:
        if rates and unit.name in rates:
            found[unit.first : unit.first + unit.size] = rates[unit.name].ravel()
    return found


def _placed(network: Network, chip: str, mesh: Mesh, cut: Partition, spikes: Rates) -> Planned:
    order = {unit.name: number for number, unit in enumerate(network.units)}
    cores = sorted(cut.cores, key=lambda core: order[max(core.slices, key=lambda item: item.size).unit])
    home = _homes(network, cores)
    traffic = _traffic(network, cores, home, spikes)
    within = [_with_axons(network, core, cut.fan_out) for core in cores]
    core = network.core
    room = Room(np.array([c.usage[3] for c in within]), core.output_axons.value, core.crossing_axons.value)
    chips = assign_chips(len(cores), mesh.cores, traffic, room)
    placement = place(chips, traffic, mesh)
    leaving = _crossings(network, cores, home, chips)
    plan = Plan(
        chip=chip,
        cores=tuple(_with_axons(network, core, cut.fan_out + leaving) for core in cores),
        places=placement.places,
        partials=network.partials,
        bounds=cut.bounds,
    )
    return Planned(
        plan=plan,
        network=network,
        placement=placement,
        traffic=traffic,
        arriving=cut.traffic,
        limits=cut.limits,
        crossing=tuple(_axons(network, core, leaving) for core in cores),
    )


def _homes(network: Network, cores: list[CoreUse]) -> Homes:
    """The core of every neuron, -1 where it lies on none."""
    home = np.full(network.neurons, -1, dtype=np.int64)
    for index, core in enumerate(cores):
        for item in core.slices:
            unit = network.by_name[item.unit]
            own = home[unit.first : unit.first + unit.size].reshape(unit.shape)
            own[tuple(slice(*axis) for axis in item.box)] = index
    return home


def _traffic(network: Network, cores: list[CoreUse], home: Homes, spikes: Rates) -> Traffic:
    sources, targets, amounts, axons = [], [], [], []
    for index, core in enumerate(cores):
        load, number = np.zeros(len(cores) + 1), np.zeros(len(cores) + 1, dtype=np.int64)
        for item in core.slices:
            for read in network.by_name[item.unit].reads:
                ids = neurons_read(read, item.box)
                load += np.bincount(home[ids] + 1, weights=spikes[ids], minlength=len(load))
                number += np.bincount(home[ids] + 1, minlength=len(load))
        number[index + 1] = 0
        there = np.flatnonzero(number[1:])
        sources.append(there)
        targets.append(np.full(len(there), index))
        amounts.append(load[1:][there])
        axons.append(number[1:][there])
    joined = (np.concatenate(parts) for parts in (sources, targets, amounts, axons))
    return Traffic(*joined)


def _crossings(network: Network, cores: list[CoreUse], home: Homes, chips: Homes) -> Homes:
    """Entries of every neuron for its axons that leave their chip."""
    leaving = np.zeros(network.neurons, dtype=np.int64)
    if int(chips.max()) == 0:
        return leaving
    for index, core in enumerate(cores):
        for item in core.slices:
            for read in network.by_name[item.unit].reads:
                ids = neurons_read(read, item.box)
                crosses = (home[ids] >= 0) & (chips[home[ids]] != chips[index])
                np.add.at(leaving, ids[crosses], network.core.crossing_axons.value)
    return leaving


def _axons(network: Network, core: CoreUse, of_neuron: Homes) -> int:
    """Axons of all neurons of a core."""
    found = 0
    for item in core.slices:
        unit = network.by_name[item.unit]
        own = of_neuron[unit.first : unit.first + unit.size].reshape(unit.shape)
        found += int(own[tuple(slice(*axis) for axis in item.box)].sum())
    return found


def _with_axons(network: Network, core: CoreUse, of_neuron: Homes) -> CoreUse:
    """A core with the output axons that it takes now that the places are known."""
    selves = sum(item.size * network.by_name[item.unit].selves for item in core.slices)
    used = core.usage
    axons = _axons(network, core, of_neuron) + selves
    return replace(core, usage=(*used[:3], axons, *used[4:]))


def _crowded(planned: Planned, most: int, charges: Mapping[str, float]) -> dict[str, float]:
    """What axons of units must be charged more, as too many of them leave a chip."""
    found: dict[str, float] = {}
    for core, crossing in zip(planned.plan.cores, planned.crossing, strict=True):
        if core.usage[3] > most:
            charge = core.usage[3] / (core.usage[3] - crossing)
            for item in core.slices:
                least = charges.get(item.unit, 1.0) + LEAST_CHARGE
                found[item.unit] = max(found.get(item.unit, 1.0), charge, least)
    return found
