"""Neurons that leak: the reference, the engines, the model of Lava's neuron and Lava agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray
from stock_networks import everything, leaking, leaky_chains

from snncc.sim.streams import StreamEngine
from snncc_backends.lava import backend
from snncc_ir.backend import EngineRun
from snncc_ir.certificates import certify_widths
from snncc_ir.graph import Graph
from snncc_ir.lif import SHIFT, decayed
from snncc_ir.linear import drive
from snncc_ir.neurons import Leaky
from snncc_ir.progress import silent
from snncc_ir.streaming import run_streaming

Case = tuple[Graph, dict[str, NDArray[Any]]]

LOIHI1 = backend.machines["loihi1"]
LAVA, LIF = backend.engines


def compare(case: Case, run: EngineRun) -> None:
    reference = run_streaming(*case)
    for name, train in reference.trains.items():
        np.testing.assert_array_equal(run.trains[name], np.moveaxis(train, 0, 1), err_msg=name)
    for name, output in reference.outputs.items():
        np.testing.assert_array_equal(run.outputs[name], output[-1], err_msg=name)


@settings(max_examples=100)
@given(case=leaky_chains())
def test_the_model_of_lavas_neuron_gives_the_reference(case: Case) -> None:
    """Where no register overflows, which is when there is no refusal."""
    if not backend.refusals(case[0], LOIHI1):
        compare(case, LIF.run(case[0], LOIHI1, case[1], silent))


@settings(max_examples=60)
@given(case=leaky_chains())
def test_the_portable_engine_gives_the_reference(case: Case) -> None:
    reference, run = run_streaming(*case), StreamEngine(case[0]).run(case[1])
    for name, output in reference.outputs.items():
        np.testing.assert_array_equal(run.outputs[name], output)
    assert run.costs == reference.costs


@settings(max_examples=100)
@given(case=leaky_chains())
def test_u_and_v_stay_within_the_certificate(case: Case) -> None:
    graph, inputs = case
    trains, widths = run_streaming(graph, inputs).trains, certify_widths(graph)
    for node in graph.populations:
        if not isinstance(node.neuron, Leaky):
            continue
        neuron, (projection,), bounds = node.neuron, graph.projections(node), widths[node.name].membrane
        u = v = np.zeros_like(trains[node.name][0])
        for spikes, fired in zip(trains[projection.source], trains[node.name], strict=True):
            u = decayed(u, neuron.du + 1) + (drive(projection, spikes) << SHIFT)
            v = decayed(v, neuron.dv) + u + (neuron.bias.values.data << SHIFT)
            for register in (u, v):
                assert (register >= bounds.low).all()
                assert (register <= bounds.high).all()
            np.testing.assert_array_equal(v > neuron.vth << SHIFT, fired)
            v = np.where(fired, 0, v)


def images(count: int) -> dict[str, NDArray[Any]]:
    return {"x": np.random.default_rng(3).integers(0, 16, (count, 2, 6, 6))}


def network() -> Graph:
    graph = leaking(everything(), 4)
    assert backend.refusals(graph, LOIHI1) == ()
    return graph


def test_every_kind_of_synapse_in_the_model() -> None:
    run = LIF.run(network(), LOIHI1, images(4), silent)
    for name, train in run.trains.items():
        assert 0 < np.mean(train != 0) < 1, f"{name} fires never or always: the test is vacuous"
    compare((network(), images(4)), run)


@pytest.mark.usefixtures("lava_python")
def test_every_kind_of_synapse_in_lava() -> None:
    compare((network(), images(2)), LAVA.run(network(), LOIHI1, images(2), silent))


@pytest.mark.slow
@pytest.mark.usefixtures("lava_python")
@settings(max_examples=12, deadline=None)
@given(case=leaky_chains())
def test_lava_gives_the_reference_on_random_networks(case: Case) -> None:
    if not backend.refusals(case[0], LOIHI1):
        compare(case, LAVA.run(case[0], LOIHI1, case[1], silent))
