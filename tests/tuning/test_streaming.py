"""`rate` graphs whose integers learn."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from snncc.learn.chain import chain_of
from snncc.learn.network import Surrogate
from snncc.passes.variables import Adam
from snncc.tuning.streaming import StreamingLearner
from snncc_ir.codes import Code, Reset
from snncc_ir.errors import GraphError, SnnccError
from snncc_ir.graph import Graph
from snncc_ir.nodes import Conv, Dense, MaxPool, Population, Readout, Reshape
from snncc_ir.streaming import run_streaming
from snncc_ir.timing import Phased, Rate
from support.dense_rates import Neurons, RateRun, run_rate
from support.native import needs_native
from support.rate_chains import chains, random_chain
from support.rate_learning import check_close

pytestmark = needs_native

SURROGATE = Surrogate(band=0.37, slope=3.0)


def _levels(graph: Graph, images: int, seed: int) -> np.ndarray:
    kind = graph.levels("input")
    return np.random.default_rng(seed).integers(kind.lo, kind.hi + 1, (images, *kind.shape))


@settings(max_examples=60, deadline=None)
@given(chains(), st.integers(0, 2**32 - 1))
def test_the_start_is_the_graph_itself(graph: Graph, seed: int) -> None:
    learner = StreamingLearner(graph)
    assert learner.graph(learner.start()) == graph
    assert learner.rates.shape == learner.start().shape
    vector = np.random.default_rng(seed).normal(0, 1, learner.rates.shape)
    moved = learner.graph(vector)
    assert [node.name for node in moved.nodes] == [node.name for node in graph.nodes]
    for before, after in zip(graph.linears, moved.linears, strict=True):
        assert after.weight.bits == before.weight.bits
    for node in moved.populations:
        assert node.neuron.theta.range[0] >= 1
    levels = _levels(graph, 2, seed)
    found, expected = learner.forward(vector, levels), run_streaming(moved, {"input": levels})
    assume(found.rounded == 0)
    np.testing.assert_array_equal(found.scores, expected.outputs["scores"][-1])


def _neurons(graph: Graph, node: Population) -> Neurons:
    space = graph.types[node.name].shape[1:]
    theta = np.tile(node.neuron.theta.data * node.neuron.hi, (math.prod(space), 1)).ravel()
    return Neurons(theta.astype(float), (theta // 2).astype(float))


def _references(graph: Graph, levels: np.ndarray, labels: np.ndarray) -> list[RateRun]:
    """The dense reference on the graph's own numbers, in the layout of the learner's network."""
    chain = chain_of(graph, SURROGATE)
    readers = [link.reader for link in chain.links]
    neurons = [_neurons(graph, node) for node in readers if isinstance(node, Population)]
    weights = [link.to_stage(link.linear.weight.data) for link in chain.links]
    biases = [link.potentials(link.bias, None).biases for link in chain.links]
    found = []
    for image, label in zip(levels, labels, strict=True):
        trains = run_streaming(graph, {"input": image[None]}).trains
        sent = trains["pixels" if chain.pixels else "input"][:, 0]
        moved = (np.moveaxis(sent, 1, -1) if sent.ndim == 4 else sent).reshape(len(sent), -1)
        found.append(run_rate(chain.network, weights, biases, neurons, moved, label))
    return found


def _is_clear(runs: list[RateRun], graph: Graph) -> bool:
    """Whether float32 and float64 must agree on who is active."""
    nodes = [node for node in graph.populations if node.name != "pixels"]
    for run in runs:
        for node, v in zip(nodes, run.potentials, strict=True):
            theta = _neurons(graph, node).thresholds
            if np.abs(np.abs(v / theta - 1) - SURROGATE.band).min() < 1e-5:
                return False
    return True


@settings(max_examples=60, deadline=None)
@given(chains(), st.integers(0, 2**32 - 1))
def test_gradients_are_those_of_the_dense_reference(graph: Graph, seed: int) -> None:
    """By weights and biases in their units, by thresholds through their logarithms."""
    levels = _levels(graph, 2, seed)
    (readout,) = graph.of_type(Readout)
    labels = np.random.default_rng(seed).integers(0, readout.bias.values.shape[0], 2)
    runs = _references(graph, levels, labels)
    assume(_is_clear(runs, graph))
    learner = StreamingLearner(graph, surrogate=SURROGATE)
    loss, gradient = learner.gradient(learner.start(), levels, labels)
    np.testing.assert_allclose(loss, np.mean([run.loss for run in runs]), rtol=1e-4, atol=1e-5)
    place = 0
    for k, link in enumerate(chain_of(graph, SURROGATE).links):
        weight = link.linear.weight.data
        rms = np.sqrt(np.square(weight).reshape(len(weight), -1).mean(axis=1)).clip(1e-3)
        spread = rms.reshape(-1, *(1,) * (weight.ndim - 1))
        wanted = [(link.from_stage(run.weights[k]) * spread).ravel() for run in runs]
        check_close(gradient[place : place + weight.size], wanted)
        place += weight.size
        theta = None if link.neuron is None else link.neuron.theta.data
        unit = 1 / readout.scale if theta is None else theta
        check_close(gradient[place : place + len(weight)], [run.biases[k].sum(axis=0) * unit for run in runs])
        place += len(weight)
        if theta is None or link.neuron is None:
            continue
        logs = [
            (run.thresholds[k].reshape(-1, len(theta)).sum(axis=0)) * theta * link.neuron.hi for run in runs
        ]
        shared = len(set(theta.tolist())) == 1
        wanted = [log.sum(keepdims=True) for log in logs] if shared else logs
        sizes = [np.abs(gradient[place - len(weight) - weight.size : place]).max(), 1e-6]
        np.testing.assert_allclose(
            gradient[place : place + len(wanted[0])],
            np.mean(wanted, axis=0),
            rtol=2e-3,
            atol=1e-3 * max(*sizes, np.abs(logs).max()),
        )
        place += len(wanted[0])
    assert place == len(gradient)


def _accuracy(graph: Graph, levels: np.ndarray, labels: np.ndarray) -> float:
    drives = run_streaming(graph, {"input": levels}, keep_trains=False).outputs["scores"][-1]
    return float(np.mean(drives.argmax(axis=1) == labels))


@pytest.mark.parametrize("reset", Reset)
def test_integers_learn(reset: Reset) -> None:
    """A network of random integers learns classes of noisy pictures, and its integers know them."""
    rng = np.random.default_rng(1)
    labels = np.arange(90) % 3
    pictures = rng.integers(0, 16, (3, 1, 6, 6))
    levels = np.clip(pictures[labels] + rng.integers(-4, 5, (90, 1, 6, 6)), 0, 15)
    graph = random_chain(rng, Rate(12, reset), classes=3)
    learner = StreamingLearner(graph, surrogate=Surrogate(band=0.5, slope=4.0))
    vector, adam, losses = learner.start(), Adam(len(learner.rates)), []
    for _ in range(40):
        loss, gradient = learner.gradient(vector, levels, labels)
        losses.append(loss)
        vector = vector + learner.rates * adam.step(gradient, 0.05)
    assert losses[-1] < 0.5 * losses[0]
    assert _accuracy(learner.graph(vector), levels, labels) > max(0.9, _accuracy(graph, levels, labels))


def test_one_threshold_stays_one() -> None:
    rng = np.random.default_rng(1)
    graph = random_chain(rng, Rate(4, Reset.ZERO), classes=3, shared=True)
    learner = StreamingLearner(graph)
    vector = rng.normal(0, 1, learner.rates.shape)
    moved = learner.graph(vector)
    assert [node.neuron.theta.range for node in moved.populations] != [
        node.neuron.theta.range for node in graph.populations
    ]
    for node in moved.populations:
        assert node.neuron.theta.range[0] == node.neuron.theta.range[1]


HINT = "; convolutions in one group, dense layers and flattening behind each other learn in the code rate"


GRAPH = random_chain(np.random.default_rng(0), Rate(4), classes=3)
CONV, DENSE = next(GRAPH.of_type(Conv)), next(GRAPH.of_type(Dense))
FIRST, SECOND = GRAPH.populations


def _pooled() -> Graph:
    pool = MaxPool(name="pool", source=FIRST.name, kernel=(1, 1))
    nodes = [replace(node, source="pool") if isinstance(node, Reshape) else node for node in GRAPH.nodes]
    place = nodes.index(FIRST) + 1
    return replace(GRAPH, nodes=(*nodes[:place], pool, *nodes[place:]))


def _added() -> Graph:
    again = replace(DENSE, name="again")
    nodes = [replace(node, drives=(DENSE.name, "again")) if node is SECOND else node for node in GRAPH.nodes]
    place = nodes.index(DENSE)
    return replace(GRAPH, nodes=(*nodes[:place], again, *nodes[place:]))


def _phased() -> Graph:
    nodes = [replace(n, code=Code.RADIX) if isinstance(n, Population) else n for n in GRAPH.nodes]
    return replace(GRAPH, nodes=tuple(nodes), timing=Phased())


def _dilated() -> Graph:
    """The same sizes with a larger padding."""
    padding = ((2, 2), (2, 2))
    return GRAPH.with_nodes([replace(CONV, dilation=(2, 2), padding=padding)])


REFUSALS: list[tuple[str, Callable[[], Graph]]] = [
    ("pool: is a maxpool that has no part in a chain", _pooled),
    ("flat: is not read by one node alone", _added),
    ("chain: is no integer graph of the code rate", _phased),
    ("chain: has several inputs or outputs", lambda: replace(GRAPH, outputs=(*GRAPH.outputs, FIRST.name))),
    ("conv: is a conv that has no part in a chain", _dilated),
    (
        f"{FIRST.name}: its neurons leak, or send spikes of both signs",
        lambda: GRAPH.with_nodes([replace(FIRST, neuron=replace(FIRST.neuron, lo=-1))]),
    ),
]


@pytest.mark.parametrize(("message", "make"), REFUSALS)
def test_what_is_no_chain_is_refused(message: str, make: Callable[[], Graph]) -> None:
    with pytest.raises(GraphError) as found:
        StreamingLearner(make())
    assert str(found.value) == message + HINT


VARIABLES = sum(w.weight.data.size + 2 * len(w.weight.data) for w in GRAPH.linears) - 3
"""A weight has one, a channel a bias and a threshold, but the readout's 3 have no threshold."""

LEVELS, LABELS = np.zeros((4, 1, 6, 6), int), np.arange(4) % 3

MISTAKES: list[tuple[str, Callable[[StreamingLearner], object]]] = [
    (
        "labels: a network of the code rate learns from labels; give some",
        lambda learner: learner.gradient(learner.start(), LEVELS, None),
    ),
    (
        "labels: label 3 is outside 0 to 2",
        lambda learner: learner.gradient(learner.start(), LEVELS, LABELS + 1),
    ),
    (
        "labels: labels must be 4 integers, one for each image",
        lambda learner: learner.gradient(learner.start(), LEVELS, LABELS[1:]),
    ),
    (
        "input: levels must be integers [images, 1, 6, 6]",
        lambda learner: learner.gradient(learner.start(), LEVELS[:, 0], LABELS),
    ),
    (
        "input: levels must be integers [images, 1, 6, 6]",
        lambda learner: learner.gradient(learner.start(), LEVELS / 2, LABELS),
    ),
    ("levels: levels must be 0 to 15", lambda learner: learner.forward(learner.start(), LEVELS + 16)),
    (
        "batch: the images chosen must be 0 to -1, one at least",
        lambda learner: learner.forward(learner.start(), LEVELS[:0]),
    ),
    (
        f"tune: variables must be {VARIABLES} finite numbers",
        lambda learner: learner.graph(learner.start() * math.nan),
    ),
    (
        f"tune: variables must be {VARIABLES} finite numbers",
        lambda learner: learner.graph(learner.start()[1:]),
    ),
]


@pytest.mark.parametrize(("message", "mistake"), MISTAKES)
def test_mistakes(message: str, mistake: Callable[[StreamingLearner], object]) -> None:
    with pytest.raises(SnnccError) as found:
        mistake(StreamingLearner(GRAPH))
    assert str(found.value) == message
