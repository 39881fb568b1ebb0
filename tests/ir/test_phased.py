"""Phased codes, spike by spike: any graph in any mix of codes gives the reference's levels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from snncc_ir.codes import PHASED_CODES, Code, Strand
from snncc_ir.costs import spikes_per_level
from snncc_ir.nodes import Input, Population, Readout
from snncc_ir.semantics import evaluate
from snncc_ir.spiking import run_phased
from support import naive
from support.graphs import Case, cases

RANGES = ((0, 1), (-1, 1), (0, 6), (-3, 5), (-5, 2), (-4, 0), (-7, 7), (0, 15))


def check_phased(case: Case) -> None:
    """Levels, outputs, trains and number of steps of a spike-by-spike run."""
    graph = case.graph
    streams, images = next(iter(case.inputs.values())).shape[:2]
    run = run_phased(graph, case.inputs)
    expected = evaluate(graph, case.batch)
    assert run.steps == (images - 1) * graph.window + graph.latency * graph.window
    for node in graph.nodes:
        want = expected[node.name].reshape(streams, images, *graph.types[node.name].shape)
        if isinstance(node, Input | Population):
            np.testing.assert_array_equal(run.levels[node.name], want, err_msg=node.name)
            check_trains(graph.strands[node.name][0], run.trains[node.name], want)
        elif isinstance(node, Readout):
            np.testing.assert_array_equal(run.outputs[node.name], want, err_msg=node.name)


def check_trains(strand: Strand, trains: np.ndarray, levels: np.ndarray) -> None:
    """Every train is the one canonical train of its level."""
    code, lo, hi = strand.code, strand.lo, strand.hi
    table = np.array([naive.train(code, lo, hi, n) for n in range(lo, hi + 1)])
    np.testing.assert_array_equal(np.moveaxis(trains, 2, -1), table[levels - lo])
    spikes = np.abs(np.sign(trains)).sum(axis=2)
    if code is not Code.GRADED:
        assert set(np.unique(trains)) <= {-1, 0, 1}
    if code is Code.TTFS:
        assert spikes.max() <= 1
    np.testing.assert_array_equal(spikes, spikes_per_level(code, lo, hi)[levels - lo])


@settings(max_examples=300)
@given(cases())
def test_spikes_give_the_levels(case: Case) -> None:
    check_phased(case)


@given(cases(layers_max=2))
def test_levels_equal_the_neuron_by_neuron_evaluation(case: Case) -> None:
    net, values = naive.Net(case.graph), evaluate(case.graph, case.batch)
    for i in range(len(next(iter(case.batch.values())))):
        expected = naive.evaluate(net, {name: x[i] for name, x in case.batch.items()})
        for name, want in expected.items():
            assert values[name][i].ravel().tolist() == want, name


@pytest.mark.slow
@settings(max_examples=4000, suppress_health_check=list(HealthCheck))
@given(cases(layers_max=6))
def test_spikes_give_the_levels_of_deep_graphs(case: Case) -> None:
    check_phased(case)


@pytest.mark.parametrize("code", PHASED_CODES)
@pytest.mark.parametrize(("lo", "hi"), RANGES)
def test_a_train_stands_for_its_level_alone(code: Code, lo: int, hi: int) -> None:
    table = [naive.train(code, lo, hi, n) for n in range(lo, hi + 1)]
    assert len({tuple(train) for train in table}) == hi - lo + 1
    if code is not Code.GRADED:
        decoded = [
            sum(s * naive.spike_value(code, lo, hi, t) for t, s in enumerate(train)) for train in table
        ]
        assert decoded == list(range(lo, hi + 1))
