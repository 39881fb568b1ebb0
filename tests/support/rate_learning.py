"""Random learning networks of form RATE, and random integer chains of the code `rate`."""

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
from snncc_ir import nodes
from snncc_ir.codes import Code
from snncc_ir.codes import Reset as RateReset
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate
from snncc_ir.types import Levels
from support.dense_rates import RateRun, neurons_of, run_rate
from support.learning import CLEAR, penalties

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
    chosen = np.arange(len(case.labels))
    (found, gradients), (expected, others) = (
        Engine(case.network, threads=n).gradients(case.weights, case.sent, chosen, case.labels)
        for n in (2, 1)
    )
    np.testing.assert_array_equal(found.scores, expected.scores)
    for gradient, other in zip(gradients, others, strict=True):
        np.testing.assert_array_equal(gradient, other)


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


@st.composite
def chains(draw: st.DrawFn) -> Graph:
    """Integer `rate` graphs: pixel neurons or none, convolutions, dense layers, a readout."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    made: list[nodes.AnyNode] = []
    shape = draw(st.sampled_from([(2, 5, 4), (1, 6, 6), (7,)]))
    low = draw(st.sampled_from([0, 0, -3]))
    kind = Levels(shape, low, draw(st.sampled_from([1, 15, 255])))
    made.append(nodes.Input(name="input", type=kind))
    source = "input"
    reset = draw(st.sampled_from(RateReset))
    if low == 0 and draw(st.booleans()):
        weight = Tensor.integer(rng.integers(1, 3, shape[0]))
        made.append(nodes.Scale(name="pixels_bias", source=source, weight=weight))
        made.append(_population("pixels", "pixels_bias", rng, shape[0], kind.hi, 1))
        source = "pixels"
    for i in range(draw(st.integers(0, 2)) if len(shape) == 3 else 0):
        channels, bits = draw(st.integers(1, 18)), draw(st.sampled_from([1, 3, 8]))
        conv = nodes.Conv(
            name=f"conv{i}",
            source=source,
            weight=_weight(rng, (channels, shape[0], *draw(st.tuples(*[st.integers(1, 3)] * 2))), bits),
            stride=draw(st.sampled_from([(1, 1), (2, 1)])),
            padding=draw(st.sampled_from([((0, 0), (0, 0)), ((1, 1), (1, 0))])),
        )
        size = _size(shape, conv)
        if min(size) < 1:
            continue
        shape = (channels, *size)
        made += [
            conv,
            _population(
                f"p{i}", conv.name, rng, channels, *draw(_reach), size if draw(st.booleans()) else ()
            ),
        ]
        source = f"p{i}"
    if len(shape) == 3:
        made.append(nodes.Reshape(name="flat", source=source, shape=(math.prod(shape),)))
        source, shape = "flat", (math.prod(shape),)
    for i in range(draw(st.integers(0, 2))):
        outputs = draw(st.integers(1, 20))
        made.append(nodes.Dense(name=f"dense{i}", source=source, weight=_weight(rng, (outputs, *shape), 8)))
        made.append(_population(f"q{i}", f"dense{i}", rng, outputs, *draw(_reach)))
        source, shape = f"q{i}", (outputs,)
    classes = draw(st.integers(2, 18))
    made.append(nodes.Dense(name="last", source=source, weight=_weight(rng, (classes, *shape), 4)))
    bias = Bias(values=Tensor.integer(rng.integers(-9, 10, classes)))
    made.append(nodes.Readout(name="scores", drives=("last",), bias=bias, scale=0.125))
    timing = Rate(draw(st.integers(1, 9)), reset)
    return Graph(name="chain", nodes=tuple(made), outputs=("scores",), timing=timing)


_reach = st.tuples(st.sampled_from([3, 60, 900]), st.sampled_from([1, 3]))


def _weight(rng: np.random.Generator, shape: tuple[int, ...], bits: int) -> Tensor:
    if bits == 1:
        return Tensor.integer(rng.choice([-1, 1], shape), 1)
    return Tensor.integer(rng.integers(-(2 ** (bits - 1)) + 1, 2 ** (bits - 1), shape), bits)


def _size(shape: tuple[int, ...], conv: nodes.Conv) -> tuple[int, ...]:
    axes = zip(shape[1:], conv.weight.shape[2:], conv.stride, conv.padding, strict=True)
    return tuple((size + sum(pad) - kernel) // stride + 1 for size, kernel, stride, pad in axes)


def _population(
    name: str,
    drive: str,
    rng: np.random.Generator,
    channels: int,
    reach: int,
    top: int,
    borders: tuple[int, ...] = (),
) -> nodes.Population:
    theta = Tensor.integer(rng.integers(1, reach + 1, channels))
    rows = tuple(int(y > 0) for y in range(borders[0])) if borders else ()
    columns = (0,) * borders[1] if borders else ()
    size = (channels, 2, 1) if borders else (channels,)
    spread = max(reach // 3, 1)
    bias = Bias(values=Tensor.integer(rng.integers(-spread, spread + 1, size)), rows=rows, columns=columns)
    neuron = Staircase(theta=theta, bias=bias, lo=0, hi=top)
    return nodes.Population(name=name, drives=(drive,), neuron=neuron, code=Code.RATE)


def random_chain(rng: np.random.Generator, timing: Rate, classes: int, *, shared: bool = False) -> Graph:
    """A convolution and two dense layers for images 1x6x6 of levels 0 to 15."""
    conv = nodes.Conv(
        name="conv",
        source="input",
        weight=_weight(rng, (4, 1, 3, 3), 8),
        stride=(2, 2),
        padding=((1, 1), (1, 1)),
    )
    size = math.prod((4, *_size((1, 6, 6), conv)))
    made = (
        nodes.Input(name="input", type=Levels((1, 6, 6), 0, 15)),
        conv,
        _fixed("p0", "conv", rng, 4, 900, shared),
        nodes.Reshape(name="flat", source="p0", shape=(size,)),
        nodes.Dense(name="dense", source="flat", weight=_weight(rng, (12, size), 8)),
        _fixed("p1", "dense", rng, 12, 200, shared),
        nodes.Dense(name="last", source="p1", weight=_weight(rng, (classes, 12), 8)),
        nodes.Readout(
            name="scores",
            drives=("last",),
            bias=Bias(values=Tensor.integer(np.zeros(classes))),
            scale=0.05,
        ),
    )
    return Graph(name="chain", nodes=made, outputs=("scores",), timing=timing)


def _fixed(
    name: str, drive: str, rng: np.random.Generator, channels: int, theta: int, shared: bool
) -> nodes.Population:
    thetas = np.full(channels, theta) + (0 if shared else rng.integers(-9, 10, channels))
    bias = Bias(values=Tensor.integer(rng.integers(-9, 10, channels)))
    neuron = Staircase(theta=Tensor.integer(thetas), bias=bias, lo=0, hi=1)
    return nodes.Population(name=name, drives=(drive,), neuron=neuron, code=Code.RATE)
