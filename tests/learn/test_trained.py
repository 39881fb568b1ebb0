"""Networks that were trained here as graphs and artefacts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snncc.learn.data import Labelled
from snncc.learn.engine import Engine, Weights
from snncc.learn.graph import to_graph
from snncc.learn.network import (
    Conv,
    Dense,
    Form,
    Layer,
    Network,
    Neuron,
    Readout,
    Reset,
    Score,
    Surrogate,
)
from snncc.learn.recipe import Recipe, initial
from snncc.learn.trainer import Trainer, accuracy
from snncc.learn.trains import Constant, Pixels
from snncc.trained import Trained, compile_trained
from snncc.verify import Rung, Status, verify
from snncc_ir.graph import Graph
from snncc_ir.neurons import Leaky, Staircase
from snncc_ir.nodes import Readout as ReadoutNode
from snncc_ir.streaming import run_streaming
from support.native import needs_native
from support.rate_learning import networks
from support.tools import skip_or_fail

pytestmark = needs_native

IF = Neuron(decay=1, reset=Reset.ZERO)
LIF = Neuron(decay=0.9, reset=Reset.ZERO)
SOFT = Neuron(decay=1)
CLASSES = 3


def _network(neuron: Neuron) -> Network:
    layers: tuple[Layer, ...] = (
        Conv(outputs=6, kernel=(3, 3), neuron=neuron, padding=(1, 1, 0, 0), stride=(1, 2)),
        Dense(outputs=16, neuron=neuron),
    )
    return Network(
        inputs=(5, 5, 1),
        steps=16,
        layers=layers,
        readout=Readout(classes=CLASSES, decay=1, gain=4.0, score=Score.DRIVE),
        surrogate=Surrogate(band=0.5, slope=4.0),
        form=Form.RATE,
    )


def _data(pixels: Pixels, images: int = 120) -> Labelled:
    """Every class has a picture of its own, with noise."""
    rng = np.random.default_rng(3)
    labels = np.arange(images) % CLASSES
    pictures = np.random.default_rng(0).integers(0, pixels.top + 1, (CLASSES, 5, 5))
    noise = rng.integers(-pixels.top // 4, pixels.top // 4 + 1, (images, 5, 5))
    levels = np.clip(pictures[labels] + noise, 0, pixels.top).astype(np.uint8)
    return Labelled(trains=Constant(levels=levels, pixels=pixels), labels=labels)


def _trained(network: Network, data: Labelled, epochs: int = 8) -> Weights:
    recipe = Recipe(epochs=epochs, batch=40, rate=0.02, seed=1)
    return Trainer(network, recipe, data, initial(network, seed=2, spread=1.5)).run().weights


def _predictions(graph: Graph, data: Labelled) -> list[int]:
    assert isinstance(data.trains, Constant)
    levels = data.trains.levels.reshape(len(data), *graph.levels("input").shape)
    run = run_streaming(graph, {"input": levels}, keep_trains=False)
    return [int(k) for k in run.outputs["scores"][-1].argmax(axis=1)]


@pytest.mark.parametrize("neuron", [IF, SOFT, LIF])
@pytest.mark.parametrize("spiking", [False, True])
def test_it_learns_and_its_graph_has_learnt_as_much(neuron: Neuron, spiking: bool) -> None:
    network, data = _network(neuron), _data(Pixels(spiking=spiking))
    weights = _trained(network, data)
    assert isinstance(data.trains, Constant)
    graph = to_graph(network, weights, data.trains.pixels)
    assert accuracy(Engine(network), weights, data) > 0.9
    assert np.mean(_predictions(graph, data) == data.labels) > 0.85


@settings(max_examples=60, deadline=None)
@given(networks([1.0]), st.integers(0, 2**32 - 1), st.booleans())
def test_integers_stay_as_they_are(network: Network, seed: int, spiking: bool) -> None:
    """Where a unit is 1 the graph has the network's own numbers, and so its spikes."""
    layers = tuple(replace(x, neuron=replace(x.neuron, threshold=600.0, gain=1.0)) for x in network.layers)
    if not layers:
        return
    network, rng = replace(network, layers=layers), np.random.default_rng(seed)
    pixels = Pixels(top=9, scale=1.0, spiking=spiking)
    weights = tuple(rng.integers(-40, 60, shape).astype(np.float32) for shape in network.parameter_shapes)
    for weight in weights[::2]:
        weight.reshape(-1, weight.shape[-1])[0] = 127
    levels = rng.integers(0, 10, (4, *network.inputs))
    found = Engine(network).scores(weights, Constant(levels=levels, pixels=pixels))
    graph = to_graph(network, weights, pixels)
    run = run_streaming(graph, {"input": np.moveaxis(levels, -1, 1).reshape(4, *graph.levels("input").shape)})
    np.testing.assert_array_equal(found.scores, run.outputs["scores"][-1])
    assert found.spikes.tolist() == [int(run.counts[f"layer{k}"].sum()) for k in range(len(layers))]


def test_the_graph_of_a_network() -> None:
    network = Network(
        inputs=(2, 2, 1),
        steps=4,
        layers=(Dense(outputs=2, neuron=IF),),
        readout=Readout(classes=2, decay=1, gain=2.0, score=Score.DRIVE),
        form=Form.RATE,
    )
    first = np.array([[1.27, 0], [-0.5, 0.254], [0, 0], [0.01, 0.127]], np.float32)
    weights = (first, np.array([0.1, 0.2], np.float32), np.eye(2, dtype=np.float32), np.zeros(2, np.float32))
    graph = to_graph(network, weights, Pixels(top=255, scale=0.1))
    (node,) = graph.populations
    assert isinstance(node.neuron, Staircase)
    assert [w.weight.data.tolist() for w in graph.linears] == [
        [[127, -50, 0, 1], [0, 127, 0, 64]],
        [[127, 0], [0, 127]],
    ]
    assert node.neuron.theta.data.tolist() == [1000, 5000]
    assert node.neuron.bias.values.data.tolist() == [100, 1000]
    (population,) = to_graph(network, weights, Pixels(scale=0.1), shared=True).populations
    shared = population.neuron
    assert isinstance(shared, Staircase)
    assert shared.theta.data.tolist() == [1000, 1000]
    assert [readout.scale for readout in graph.of_type(ReadoutNode)] == [2 / 127]


def test_neurons_that_leak_have_whole_decays() -> None:
    network = replace(_network(LIF), layers=(Dense(outputs=4, neuron=LIF),))
    graph = to_graph(network, initial(network, 0), Pixels())
    (node,) = graph.populations
    assert isinstance(node.neuron, Leaky)
    assert (node.neuron.du, node.neuron.dv) == (4095, 410)
    assert max(abs(x) for x in graph.linears[0].weight.range) == 127


def _rung(rungs: tuple[Rung, ...], engine: str) -> Rung:
    return next(rung for rung in rungs if rung.engine == engine)


def _compiled(
    folder: Path, neuron: Neuron, target: str, *engines: str, chip: str | None = None, spiking: bool = False
) -> None:
    """Train a little, compile, and compare all engines; those named must have run."""
    pixels = Pixels(spiking=spiking)
    network, data = _network(neuron), _data(pixels)
    weights = _trained(network, data, epochs=1)
    trained = Trained(network=network, weights=weights, pixels=pixels)
    compiled = compile_trained(trained, folder / "trained.snncc", target=target, chip=chip)
    ladder = verify(compiled.path)
    for name in engines:
        rung = _rung(ladder.rungs, name)
        if rung.status is Status.NOT_RUN:
            skip_or_fail(rung.detail)
        assert rung.status is Status.EQUAL
    assert ladder.equal, ladder


@pytest.mark.parametrize("neuron", [IF, SOFT, LIF])
def test_every_engine_of_this_machine_computes_the_same(tmp_path: Path, neuron: Neuron) -> None:
    _compiled(tmp_path, neuron, "sim", "spikes")


@pytest.mark.slow
@pytest.mark.parametrize("neuron", [IF, SOFT, LIF])
def test_the_fpga_computes_the_same(tmp_path: Path, neuron: Neuron) -> None:
    _compiled(tmp_path, neuron, "fpga", "cycles", "rtl")


@pytest.mark.slow
@pytest.mark.parametrize("neuron", [IF, LIF])
def test_lava_computes_the_same(tmp_path: Path, neuron: Neuron) -> None:
    _compiled(tmp_path, neuron, "lava", "lava", chip="loihi1", spiking=True)
