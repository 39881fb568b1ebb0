"""Sparse gradients against dense back-propagation through time on the same active neurons."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from snncc.learn.engine import Engine
from snncc.learn.network import Dense, Network, Neuron, Readout, Reset, Score, Surrogate
from snncc.learn.recipe import initial
from snncc.learn.trains import from_spikes
from support.learning import LearningCase, cases, check_gradients, expected, filled, is_clear
from support.native import KERNEL_NAMES, needs_native, with_kernels

pytestmark = needs_native

LIF = Neuron(decay=0.9)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(cases())
def test_gradients_are_those_of_the_dense_reference(case: LearningCase) -> None:
    runs = expected(case)
    assume(is_clear(case, runs))
    check_gradients(case, runs)


def test_a_long_deep_network() -> None:
    layers = tuple(Dense(outputs=n, neuron=LIF) for n in (40, 33, 20))
    network = Network(inputs=(1, 1, 60), steps=60, layers=layers, readout=Readout(classes=7, decay=0.9))
    case = filled(network, 3, seed=4, density=0.1)
    runs = expected(case)
    assert is_clear(case, runs)
    check_gradients(case, runs, threads=2)


@settings(max_examples=25, deadline=None)
@given(cases(most=50), st.integers(2, 9))
def test_threads_and_kernels_do_not_change_a_bit(case: LearningCase, threads: int) -> None:
    trains, chosen = from_spikes(case.spikes), np.arange(len(case.spikes))
    results = []
    for name in KERNEL_NAMES:
        for workers in (1, threads):
            with with_kernels(name):
                engine = Engine(case.network, threads=workers)
                found, gradients = engine.gradients(case.weights, trains, chosen, case.labels)
            arrays = (found.scores, found.losses, found.spikes, found.active, *gradients)
            results.append([array.tobytes() for array in arrays])
    assert all(result == results[0] for result in results)


def test_scores_need_no_labels_and_are_the_same() -> None:
    network = Network(
        inputs=(1, 1, 30),
        steps=20,
        layers=(Dense(outputs=9, neuron=LIF),),
        readout=Readout(classes=4, decay=0.9),
    )
    case = filled(network, 40, seed=1)
    trains, engine = from_spikes(case.spikes), Engine(network, threads=2)
    chosen = np.array([3, 3, 39, 0])
    found, _ = engine.gradients(case.weights, trains, chosen, case.labels)
    plain = engine.scores(case.weights, trains, chosen)
    np.testing.assert_array_equal(plain.scores, found.scores)
    np.testing.assert_array_equal(plain.scores, engine.scores(case.weights, trains).scores[chosen])
    assert (plain.spikes == found.spikes).all()


def _single(weight: float, neuron: Neuron, band: float) -> tuple[int, int]:
    """Spikes and active steps of one neuron with a spike in steps 0 and 2 of 5."""
    network = Network(
        inputs=(1, 1, 1),
        steps=5,
        layers=(Dense(outputs=1, neuron=neuron),),
        readout=Readout(classes=2, decay=1.0),
        surrogate=Surrogate(band=band),
    )
    weights = (np.full((1, 1), weight, np.float32), np.ones((1, 2), np.float32))
    trains = from_spikes(np.array([1, 0, 1, 0, 0]).reshape(1, 5, 1))
    found, _ = Engine(network).gradients(weights, trains, np.array([0]), np.array([0]))
    return int(found.spikes[0]), int(found.active[0])


@pytest.mark.parametrize(
    ("weight", "neuron", "band", "spikes", "active"),
    [
        (1.0, Neuron(decay=0.5), 0.5, 1, 2),  # V = 1, 0.5, 1.25, -0.375: at the threshold it does not fire,
        (1.0, Neuron(decay=0.5), 0.51, 1, 3),  # and at the edge of the band it is not active
        (2.0, Neuron(decay=1.0), 0.5, 3, 1),  # 2, 1, 3, 2: the threshold is subtracted in the next step
        (2.0, Neuron(decay=1.0, reset=Reset.ZERO), math.inf, 2, 4),  # 2, 0, 2, 0
    ],
)
def test_limits_belong_to_neither_side(
    weight: float, neuron: Neuron, band: float, spikes: int, active: int
) -> None:
    assert _single(weight, neuron, band) == (spikes, active)


def test_a_readout_alone_learns_from_the_first_of_equal_maxima() -> None:
    # U = 0, 1, 1, 1: step 1 is the maximum, and only the spike of step 0 was there by then.
    network = Network(inputs=(1, 1, 2), steps=4, layers=(), readout=Readout(classes=2, decay=1.0))
    spikes = np.array([[1, 0], [0, 1], [0, 0], [0, 0]])[None]
    weights = (np.array([[1, -1], [0, 0]], np.float32),)
    found, (gradient,) = Engine(network).gradients(weights, from_spikes(spikes), np.array([0]), np.array([1]))
    share = 1 / (1 + math.exp(-1))
    np.testing.assert_array_equal(found.scores, [[1, 0]])
    np.testing.assert_allclose(gradient, [[share, 0], [0, 0]], rtol=1e-6)


def test_tiny_values_are_no_trouble() -> None:
    layers = (Dense(outputs=20, neuron=Neuron(decay=0.01)),)
    network = Network(
        inputs=(1, 1, 20),
        steps=400,
        layers=layers,
        readout=Readout(classes=3, decay=0.5, score=Score.SUM),
        surrogate=Surrogate(band=math.inf),
    )
    case = filled(network, 2, seed=0)
    _, gradients = Engine(network).gradients(
        initial(network, 0), from_spikes(case.spikes), np.arange(2), case.labels
    )
    assert all(np.isfinite(gradient).all() for gradient in gradients)
