"""Form RATE: the gradients of the dense reference, and the integers of the reference semantics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from snncc.learn.engine import Engine
from snncc.learn.network import Dense, Form, Network, Neuron, Readout, Reset, Score
from snncc.learn.trains import Constant, Pixels
from snncc.tuning.streaming import StreamingLearner
from snncc_ir.graph import Graph
from snncc_ir.streaming import run_streaming
from support.native import KERNEL_NAMES, needs_native, with_kernels
from support.rate_chains import chains
from support.rate_learning import RateCase, check_gradients, is_clear, rate_cases

pytestmark = needs_native


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(rate_cases())
def test_gradients_are_those_of_the_dense_reference(case: RateCase) -> None:
    runs = case.runs()
    assume(is_clear(case, runs))
    check_gradients(case, runs)


@settings(max_examples=20, deadline=None)
@given(rate_cases(most=40), st.integers(2, 9))
def test_threads_and_kernels_do_not_change_a_bit(case: RateCase, threads: int) -> None:
    results = []
    for name in KERNEL_NAMES:
        for workers in (1, threads):
            with with_kernels(name):
                engine = Engine(case.network, threads=workers)
                chosen = np.arange(len(case.labels))
                found, gradients = engine.gradients(case.weights, case.sent, chosen, case.labels)
            arrays = (found.scores, found.losses, found.spikes, found.active, *gradients)
            results.append([found.rounded, *(array.tobytes() for array in arrays)])
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("kernels", KERNEL_NAMES)
@settings(max_examples=100, deadline=None)
@given(chains(), st.integers(0, 2**32 - 1))
def test_integers_are_those_of_the_reference(kernels: str, graph: Graph, seed: int) -> None:
    kind = graph.levels("input")
    levels = np.random.default_rng(seed).integers(kind.lo, kind.hi + 1, (3, *kind.shape))
    expected = run_streaming(graph, {"input": levels})
    with with_kernels(kernels):
        learner = StreamingLearner(graph)
        found = learner.forward(learner.start(), levels)
    assert found.rounded == 0
    np.testing.assert_array_equal(found.scores, expected.outputs["scores"][-1])
    populations = [node.name for node in graph.populations if node.name != "pixels"]
    assert found.spikes.tolist() == [int(expected.counts[name].sum()) for name in populations]


def _sums(level: int, steps: int, weight: float = 1.0) -> tuple[float, int]:
    """The score of one pixel without neurons, and how many potentials were beyond exact integers."""
    network = Network(
        inputs=(1, 1, 1),
        steps=steps,
        layers=(),
        readout=Readout(classes=2, decay=1, score=Score.DRIVE),
        form=Form.RATE,
    )
    weights = (np.array([[weight, 0]], np.float32), np.zeros(2, np.float32))
    sent = Constant(levels=np.array([[level]]), pixels=Pixels(top=2**15 - 1, scale=1.0))
    found = Engine(network).scores(weights, sent)
    return float(found.scores[0, 0]), found.rounded


def test_sums_beyond_exact_integers_are_counted() -> None:
    level = 2**15 - 1
    assert _sums(level, 511) == (511 * level, 0)
    assert _sums(level, 513)[1] == 2  # 512 steps are nearer to 2^24 than a step is great
    assert _sums(level, 1, weight=512.0) == (512.0 * level, 1)


@pytest.mark.parametrize(
    ("reset", "spikes"),
    [
        (Reset.SUBTRACT, 4),  # V = 0.5 + 0.7: 1.2, 0.9, 1.6, 1.3, 1.0: it fires at the threshold
        (Reset.ZERO, 3),  # 1.2, 0.7, 1.4, 0.7, 1.4
    ],
)
def test_neurons_begin_at_half_and_fire_at_their_threshold(reset: Reset, spikes: int) -> None:
    network = Network(
        inputs=(1, 1, 1),
        steps=5,
        layers=(Dense(outputs=1, neuron=Neuron(decay=1, threshold=10.0, reset=reset)),),
        readout=Readout(classes=2, decay=1, score=Score.DRIVE),
        form=Form.RATE,
    )
    weights = tuple(np.array(x, np.float32) for x in ([[5.0]], [2.0], [[1, 2]], [0, 1]))
    sent = Constant(levels=np.array([[1]]), pixels=Pixels(top=1, scale=1.0))
    found = Engine(network).scores(weights, sent)
    assert found.spikes.tolist() == [spikes]
    np.testing.assert_array_equal(found.scores, [[spikes, 2 * spikes + 5]])


def test_pixels_that_spike_are_neurons() -> None:
    sent = Constant(levels=np.array([[0, 3, 7, 10]]), pixels=Pixels(top=10, spiking=True))
    trains = sent.spikes(np.array([0]), 10, Reset.SUBTRACT)
    assert np.bincount(trains.places, minlength=4).tolist() == [0, 3, 7, 10]
    zero = sent.spikes(np.array([0]), 10, Reset.ZERO)
    assert np.bincount(zero.places, minlength=4).tolist() == [0, 3, 5, 10]
