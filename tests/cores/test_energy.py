"""Events of an image on a chip: sums are those of the cost counters, energy and time are counted by hand."""

from __future__ import annotations

from collections import Counter as Multiset
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from snncc.cores.activity import phased_activity, recoded, streamed_activity
from snncc.cores.energy import estimate
from snncc.cores.planning import make_plan
from snncc_backends.chips import load_machine
from snncc_ir.codes import PHASED_CODES, Code
from snncc_ir.costs import Counter, Counts, count_trains, fan_out, spread, trains_sent
from snncc_ir.graph import Graph
from snncc_ir.machine import Limit, Machine, Quantity
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import Input, Linear, MaxPool, Population, Readout, Scale
from snncc_ir.pixels import bias_inputs
from snncc_ir.semantics import evaluate
from snncc_ir.streaming import run_streaming
from snncc_ir.tensors import Tensor
from snncc_ir.types import Levels, Shape
from support.graphs import Case, cases, rate_cases


def chip(**changed: int) -> Machine:
    """A small chip that holds every random network."""
    machine = load_machine("template")
    assert machine.core is not None
    wide = dict.fromkeys(("input_axons", "output_axons", "list_words"), 4000)
    limits = {**wide, "compartments": 40, "signed_spikes": 1, **changed}
    limited = {name: Limit(value, "a test") for name, value in limits.items()}
    return replace(machine, core=replace(machine.core, **limited))


def synops_on_chip(graph: Graph, counted: Counts) -> int:
    """All but those of pixels that are biases, as they are on a chip without payloads."""
    biases = bias_inputs(graph)
    return sum(counted.synops[node.name] for node in graph.linears if node.source not in biases)


def is_plain(graph: Graph) -> bool:
    """No pool, which has synapses of its own on a chip; no drive and no train that counts twice."""
    drives = Multiset(
        name for node in graph.nodes if isinstance(node, Population | Readout) for name in node.drives
    )
    pools = any(isinstance(node, MaxPool) for node in graph.nodes)
    return not pools and max(drives.values()) == 1 and max(trains_sent(graph).values()) == 1


@settings(max_examples=50)
@given(cases())
def test_spikes_and_synaptic_operations_are_those_of_the_counter(case: Case) -> None:
    planned = make_plan(case.graph, chip())
    for graph in (case.graph, *(recoded(case.graph, code) for code in PHASED_CODES)):
        values = evaluate(graph, case.batch)
        levels = {node.name: values[node.name] for node in (*graph.inputs, *graph.populations)}
        activity = phased_activity(graph, levels)
        assert (activity.steps, activity.window) == (graph.latency * graph.window, graph.window)
        counted = Counter(graph).count(spread(graph, levels))
        images = len(next(iter(levels.values())))
        for name in levels:
            assert activity.spikes[name].sum() == pytest.approx(counted.spikes[name] / images, rel=1e-5)
        found = estimate(planned, graph, chip(), activity).total
        if is_plain(graph):
            assert found.synops == pytest.approx(synops_on_chip(graph, counted) / images, rel=1e-4, abs=1e-6)
            macs = sum(
                int(np.broadcast_to(fan_out(node, shape), shape).sum()) for node, shape in reads(graph)
            )
            assert found.macs <= macs  # what reads padding is no work on the chip


def reads(graph: Graph) -> list[tuple[Linear, Shape]]:
    return [(node, graph.types[node.source].shape) for node in graph.linears]


def synapses(read: tuple[Linear, Shape]) -> int:
    return int(np.broadcast_to(fan_out(*read), read[1]).sum())


@settings(max_examples=50)
@given(rate_cases())
def test_a_rate_network_has_the_spikes_of_its_trains(case: Case) -> None:
    graph = case.graph
    run = run_streaming(graph, case.batch)
    activity = streamed_activity(graph, run.counts, case.batch, graph.timing.steps, payloads=True)
    counted = count_trains(graph, {name: np.moveaxis(train, 0, 1) for name, train in run.trains.items()})
    images = len(next(iter(case.batch.values())))
    unsigned = all(graph.levels(node.name).lo == 0 for node in graph.populations)
    assert activity.window == graph.timing.steps
    for node in graph.populations:
        sent = counted.spikes[node.name] / images
        if unsigned:
            assert activity.spikes[node.name].sum() == pytest.approx(sent, rel=1e-5)
    planned = make_plan(graph, chip())
    found = estimate(planned, graph, chip(), activity)
    if unsigned and is_plain(graph):
        assert found.total.synops == pytest.approx(
            synops_on_chip(graph, counted) / images, rel=1e-4, abs=1e-6
        )


@settings(max_examples=20)
@given(cases())
def test_energy_and_time_are_events_times_figures(case: Case) -> None:
    machine = chip(input_compartments=1)
    events = machine.events
    values = evaluate(case.graph, case.batch)
    activity = phased_activity(
        case.graph, {n.name: values[n.name] for n in (*case.graph.inputs, *case.graph.populations)}
    )
    planned = make_plan(case.graph, machine, dict(activity.spikes))
    found = estimate(planned, case.graph, machine, activity)
    total = found.total
    updates = sum(unit.size * unit.compartments for unit in planned.network.units) * activity.window
    assert total.updates == updates
    picojoules = (
        total.synops * events.synapse_energy.value
        + total.updates * events.update_energy.value
        + total.spikes * events.spike_energy.value
        + total.hops * events.column_energy.value  # rows and columns cost the same there
        + total.links * events.link_energy.value
    )
    assert total.energy == pytest.approx(picojoules / 1000)
    assert total.mac_energy == pytest.approx(total.macs * events.mac_energy.value / 1000)
    assert total.spikes == pytest.approx(planned.arriving, rel=1e-4, abs=1e-6)
    assert found.latency * activity.window == pytest.approx(found.interval * activity.steps)
    assert found.interval >= activity.window * events.step_time.value / 1000


def test_a_link_between_chips_costs_energy_and_time() -> None:
    """One core a chip: each spike crosses as many links as there are chips between."""
    machine = chip(compartments=8)
    machine = replace(
        machine,
        mesh=replace(machine.mesh, **dict.fromkeys(("columns", "rows", "router_cores"), Limit(1, "a test"))),
    )
    graph = chain()
    levels = {name: np.ones((1, *graph.types[name].shape), dtype=np.int64) for name in ("x", "p", "q")}
    planned = make_plan(graph, machine)
    assert [place.chip for place in planned.plan.places] == [0, 1, 2]
    found = estimate(planned, graph, machine, phased_activity(graph, levels))
    assert (found.total.links, found.total.hops) == (16, 16)  # 8 spikes of p to q, 8 of q to y
    free = replace(
        machine,
        events=replace(
            machine.events, link_energy=Quantity(0.0, "a test"), link_time=Quantity(0.0, "a test")
        ),
    )
    without = estimate(planned, graph, free, phased_activity(graph, levels))
    assert found.total.energy - without.total.energy == pytest.approx(16 * 12.0 / 1000)
    assert found.interval - without.interval == pytest.approx(graph.window * 25.0 / 1000)


def chain() -> Graph:
    """Two layers of eight neurons and a readout, each neuron with one synapse."""
    ones = Tensor.integer(np.ones(8, dtype=np.int64), 8)
    zeros = Bias(values=Tensor.integer(np.zeros(8, dtype=np.int64)))
    neuron = Staircase(theta=ones, bias=zeros, lo=0, hi=3)
    return Graph(
        name="chain",
        nodes=(
            Input(name="x", type=Levels((8,), 0, 3), code=Code.RADIX),
            Scale(name="s1", source="x", weight=ones),
            Population(name="p", drives=("s1",), neuron=neuron, code=Code.RADIX),
            Scale(name="s2", source="p", weight=ones),
            Population(name="q", drives=("s2",), neuron=neuron, code=Code.RADIX),
            Scale(name="s3", source="q", weight=ones),
            Readout(name="y", drives=("s3",), bias=zeros),
        ),
        outputs=("y",),
    )
