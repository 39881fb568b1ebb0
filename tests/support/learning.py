"""Random learning networks, their spikes and weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snncc.learn.engine import Engine, Weights
from snncc.learn.network import Conv, Dense, Network, Neuron, Penalty, Readout, Reset, Score, Surrogate
from snncc.learn.trains import Sent, from_spikes
from support.dense_gradients import Run, run

Array = Any

CLEAR = 1e-5
"""Potentials nearer to a threshold or to the edge of its band may fall to either side in float32."""


@dataclass(frozen=True)
class LearningCase:
    """A network with weights, and a batch of images `[N, steps, inputs]` with labels."""

    network: Network
    weights: Weights
    spikes: Array
    labels: Array
    penalty: Penalty | None = None


neurons = st.builds(
    Neuron,
    decay=st.sampled_from([0.5, 0.8, 0.95, 1.0]),
    threshold=st.sampled_from([0.6, 1.0]),
    gain=st.sampled_from([0.5, 1.0]),
    reset=st.sampled_from(Reset),
)
denses = st.builds(Dense, outputs=st.integers(1, 35), neuron=neurons)
sides = st.integers(1, 2)
convs = st.builds(
    Conv,
    outputs=st.integers(1, 18),
    kernel=st.tuples(sides, sides),
    stride=st.tuples(sides, sides),
    padding=st.tuples(*[st.integers(0, 1)] * 4),
    neuron=neurons,
)
readouts = st.builds(
    Readout,
    classes=st.integers(2, 18),
    decay=st.sampled_from([0.7, 1.0]),
    gain=st.sampled_from([0.3, 1.0]),
    score=st.sampled_from([Score.MAXIMUM, Score.SUM]),
)
surrogates = st.builds(
    Surrogate, band=st.sampled_from([0.05, 0.3, 0.7, 1.4, math.inf]), slope=st.sampled_from([0.0, 5.0, 100.0])
)


penalties = st.sampled_from(
    [None, None, Penalty(), Penalty(upper=3.0, most=0.5, lower=0.0), Penalty(upper=0.0, lower=0.5, least=2.5)]
)


@st.composite
def cases(draw: st.DrawFn, most: int = 4) -> LearningCase:
    """Convolutions, then dense layers; at most `most` images."""
    layers = (*draw(st.lists(convs, max_size=2)), *draw(st.lists(denses, max_size=2)))
    network = Network(
        inputs=draw(st.tuples(st.integers(4, 5), st.integers(4, 5), st.integers(1, 2))),
        steps=draw(st.integers(2, 14)),
        layers=layers,
        readout=draw(readouts),
        surrogate=draw(surrogates),
    )
    case = filled(network, draw(st.integers(1, most)), draw(st.integers(0, 2**32 - 1)))
    return replace(case, penalty=draw(penalties))


def filled(network: Network, images: int, seed: int, density: float = 0.3) -> LearningCase:
    """Weights with which neurons fire now and then."""
    rng = np.random.default_rng(seed)
    weights = tuple(
        rng.normal(0.2, 1.6 / math.sqrt(math.prod(shape[:-1]) * density), shape).astype(np.float32)
        for shape in (stage.weight_shape for stage in network.stages)
    )
    spikes = rng.random((images, network.steps, math.prod(network.inputs))) < density
    return LearningCase(network, weights, spikes, rng.integers(0, network.readout.classes, images))


def expected(case: LearningCase) -> list[Run]:
    """The dense reference for all images."""
    pairs = zip(case.spikes, case.labels, strict=True)
    return [run(case.network, list(case.weights), spikes, label, case.penalty) for spikes, label in pairs]


def is_clear(case: LearningCase, runs: list[Run]) -> bool:
    """Whether float32 and float64 must agree on who fires and who is active."""
    band = case.network.surrogate.band
    for found in runs:
        for layer, v in zip(case.network.layers, found.potentials, strict=True):
            away = np.abs(v[1:][v[1:] != 0] - layer.neuron.threshold)
            if min(away.min(initial=1), np.abs(away - band).min(initial=1)) < CLEAR:
                return False
    return True


def check_gradients(case: LearningCase, runs: list[Run], threads: int = 1) -> None:
    """Loss, scores, spikes, active neurons and gradients of a batch equal the reference."""
    trains, chosen = from_spikes(case.spikes), np.arange(len(case.spikes))
    engine = Engine(case.network, threads=threads, penalty=case.penalty)
    found, gradients = engine.gradients(case.weights, trains, chosen, case.labels)
    for k, layer in enumerate(case.network.layers):
        away = [np.abs(r.potentials[k][1:] - layer.neuron.threshold) for r in runs]
        assert found.spikes[k] == sum(r.spikes[k + 1].sum() for r in runs)
        assert found.active[k] == sum((a < case.network.surrogate.band).sum() for a in away)
    np.testing.assert_allclose(found.scores, [r.scores for r in runs], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.losses, [r.loss for r in runs], rtol=1e-4, atol=1e-4)
    for k, gradient in enumerate(gradients):
        reference = np.mean([r.gradients[k] for r in runs], axis=0)
        size = max(float(np.mean([np.abs(r.gradients[k]).max() for r in runs])), 1e-6)
        np.testing.assert_allclose(gradient, reference, rtol=1e-3, atol=2e-4 * size, err_msg=str(k))


def check_threads(case: LearningCase) -> None:
    """Two threads give the bits of one."""
    check_same_bits(case.network, case.weights, from_spikes(case.spikes), case.labels)


def check_same_bits(network: Network, weights: Weights, sent: Sent, labels: Array) -> None:
    """Two threads give the scores and gradients of one, bit for bit."""
    (found, gradients), (expected, others) = (
        Engine(network, threads=n).gradients(weights, sent, np.arange(len(labels)), labels) for n in (2, 1)
    )
    np.testing.assert_array_equal(found.scores, expected.scores)
    for gradient, other in zip(gradients, others, strict=True):
        np.testing.assert_array_equal(gradient, other)


def run_all(examples: int) -> None:
    """So many networks."""
    options = settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    options(given(cases(most=50))(check_threads))()
