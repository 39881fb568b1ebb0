"""Random learning networks of form RATE."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snncc.learn.engine import Engine, Weights
from snncc.learn.network import Conv, Dense, Form, Network, Neuron, Penalty, Readout, Reset, Score, Surrogate
from snncc.learn.trains import Constant, Pixels, Sent, Trains
from support.dense_rates import RateRun, neurons_of, run_rate
from support.learning import CLEAR, check_same_bits, penalties

Array = Any


@dataclass(frozen=True)
class RateCase:
    """A network with what it has learnt, and a batch of images with labels."""

    network: Network
    weights: Weights
    sent: Sent
    labels: Array
    penalty: Penalty | None = None

    def steps_of(self, image: int) -> Array:
        """What the image sends, `[steps, inputs]`."""
        network, sent = self.network, self.sent
        if isinstance(sent, Constant) and not sent.pixels.spiking:
            return np.tile(sent.payloads(np.array([image]))[0], (network.steps, 1))
        if isinstance(sent, Constant):
            reset = network.layers[0].neuron.reset if network.layers else Reset.SUBTRACT
            sent, image = sent.spikes(np.array([image]), network.steps, reset), 0
        return _dense(sent, image)

    def runs(self) -> list[RateRun]:
        """The dense reference for all images."""
        matrices, neurons = list(self.weights[::2]), neurons_of(self.network)
        stages = self.network.stages
        biases = [np.tile(b, (s.positions, 1)) for s, b in zip(stages, self.weights[1::2], strict=True)]
        return [
            run_rate(self.network, matrices, biases, neurons, self.steps_of(i), label, self.penalty)
            for i, label in enumerate(self.labels)
        ]


def _dense(trains: Trains, image: int) -> Array:
    found = np.zeros((trains.steps, trains.inputs))
    for t in range(trains.steps):
        found[t, trains.places[trains.starts[image, t] : trains.starts[image, t + 1]]] = 1
    return found


def is_clear(case: RateCase, runs: list[RateRun]) -> bool:
    """Whether float32 and float64 must agree on who fires and who is active."""
    band = case.network.surrogate.band
    for found in runs:
        for layer, v in zip(case.network.layers, found.potentials, strict=True):
            away = np.abs(v / layer.neuron.threshold - 1)
            if min(away.min(initial=1), np.abs(away - band).min(initial=1)) < 10 * CLEAR:
                return False
    return True


def check_gradients(case: RateCase, runs: list[RateRun]) -> None:
    """Loss, scores, spikes and gradients of a batch equal the reference."""
    engine, chosen = Engine(case.network, penalty=case.penalty), np.arange(len(case.labels))
    found, gradients = engine.gradients(case.weights, case.sent, chosen, case.labels)
    assert found.spikes.tolist() == [
        sum(r.spikes[k + 1].sum() for r in runs) for k in range(len(found.spikes))
    ]
    np.testing.assert_allclose(found.scores, [r.scores for r in runs], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found.losses, [r.loss for r in runs], rtol=1e-4, atol=1e-4)
    for k in range(len(case.network.stages)):
        check_close(gradients[2 * k], [r.weights[k] for r in runs])
        check_close(gradients[2 * k + 1], [r.biases[k].sum(axis=0) for r in runs])


def check_close(gradient: Array, references: list[Array]) -> None:
    """A mean over images, to the rounding of float32."""
    size = max(float(np.mean([np.abs(reference).max() for reference in references])), 1e-6)
    np.testing.assert_allclose(gradient, np.mean(references, axis=0), rtol=1e-3, atol=2e-4 * size)


def check_threads(case: RateCase) -> None:
    """Two threads give the bits of one."""
    check_same_bits(case.network, case.weights, case.sent, case.labels)


def run_all(examples: int) -> None:
    """So many networks."""
    options = settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    options(given(rate_cases(most=50))(check_threads))()


def neurons(decays: list[float], reset: Reset) -> st.SearchStrategy[Neuron]:
    """Of one reset."""
    return st.builds(
        Neuron,
        decay=st.sampled_from(decays),
        threshold=st.sampled_from([0.6, 1.0, 3.0]),
        gain=st.sampled_from([0.5, 1.0]),
        reset=st.just(reset),
    )


@st.composite
def networks(draw: st.DrawFn, decays: list[float]) -> Network:
    """Convolutions, then dense layers, all of one reset."""
    neuron = neurons(decays, draw(st.sampled_from(Reset)))
    side = st.integers(1, 2)
    convs = st.builds(
        Conv,
        outputs=st.integers(1, 18),
        kernel=st.tuples(side, side),
        stride=st.tuples(side, side),
        padding=st.tuples(*[st.integers(0, 1)] * 4),
        neuron=neuron,
    )
    denses = st.builds(Dense, outputs=st.integers(1, 20), neuron=neuron)
    readout = Readout(
        classes=draw(st.integers(2, 18)), decay=1, gain=draw(st.sampled_from([0.5, 2.0])), score=Score.DRIVE
    )
    return Network(
        inputs=draw(st.tuples(st.integers(4, 5), st.integers(4, 5), st.integers(1, 2))),
        steps=draw(st.integers(1, 12)),
        layers=(*draw(st.lists(convs, max_size=2)), *draw(st.lists(denses, max_size=2))),
        readout=readout,
        surrogate=draw(
            st.builds(
                Surrogate, band=st.sampled_from([0.2, 0.7, math.inf]), slope=st.sampled_from([0.0, 5.0])
            )
        ),
        form=Form.RATE,
    )


@st.composite
def rate_cases(draw: st.DrawFn, most: int = 3) -> RateCase:
    """At most `most` images of levels, or of pixels that spike."""
    network = draw(networks([0.8, 1.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pixels = Pixels(top=draw(st.sampled_from([1, 9, 255])), scale=0.01, spiking=draw(st.booleans()))
    images = draw(st.integers(1, most))
    levels = rng.integers(0, pixels.top + 1, (images, *network.inputs))
    return RateCase(
        network,
        learnt(network, rng, pixels),
        Constant(levels=levels, pixels=pixels),
        rng.integers(0, network.readout.classes, images),
        draw(penalties),
    )


def learnt(network: Network, rng: np.random.Generator, pixels: Pixels) -> Weights:
    """Weights and biases with which neurons fire now and then."""
    found: list[Array] = []
    level = 1.0 if pixels.spiking else pixels.scale * pixels.top
    for stage in network.stages:
        shape = stage.weight_shape
        size = 1.5 / level / math.sqrt(math.prod(shape[:-1]))
        found.append(rng.normal(0.2 * size, size, shape).astype(np.float32))
        found.append(rng.normal(0, 0.2, shape[-1:]).astype(np.float32))
        level = 1.0
    return tuple(found)
