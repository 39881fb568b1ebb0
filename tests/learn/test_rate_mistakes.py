"""Every mistake with networks of form RATE, and with what becomes of them, is one message."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snncc.learn.data import Labelled
from snncc.learn.graph import to_graph
from snncc.learn.network import Dense, Form, Network, Neuron, Readout, Reset, Score
from snncc.learn.recipe import Recipe, initial
from snncc.learn.trainer import Trainer
from snncc.learn.trains import Constant, Pixels
from snncc.trained import Trained, compile_trained
from snncc_ir.errors import SnnccError, TargetError
from support.native import needs_native

LIF = Neuron(decay=0.9)
IF = Neuron(decay=1)
RATE = Network(
    inputs=(2, 2, 1),
    steps=6,
    layers=(Dense(outputs=3, neuron=IF),),
    readout=Readout(classes=3, decay=1, score=Score.DRIVE),
    form=Form.RATE,
)
TRAINS = replace(RATE, form=Form.TRAINS, readout=Readout(classes=3, decay=0.9))
RECIPE = Recipe(epochs=2, batch=6)
LABELS = np.arange(12) % 3
CONSTANT = Constant(levels=np.random.default_rng(0).integers(0, 256, (12, 4)))
DATA = Labelled(trains=CONSTANT, labels=LABELS)


def _train(scale: float = 1.0, **changes: Any) -> None:
    data = replace(DATA, **changes)
    weights = tuple(scale * weight for weight in initial(RATE, 0))
    Trainer(RATE, RECIPE, data, weights).run()


def _graph(network: Network = RATE, **neuron: Any) -> None:
    layers = tuple(replace(x, neuron=replace(x.neuron, **neuron)) for x in network.layers)
    network = replace(network, layers=layers)
    to_graph(network, initial(network, 0), Pixels())


CASES: list[tuple[str, Callable[[], object]]] = [
    ("network: steps must be 1 to 65535, not 0", lambda: replace(RATE, steps=0)),
    ("readout: form RATE needs the score DRIVE", lambda: replace(TRAINS, form=Form.RATE)),
    ("readout: the score DRIVE needs form RATE", lambda: replace(RATE, form=Form.TRAINS)),
    (
        "readout: decay must be 1 in form RATE, not 0.9",
        lambda: replace(RATE, readout=replace(RATE.readout, decay=0.9)),
    ),
    ("pixels: top must be 1 to 32767, not 0", lambda: Pixels(top=0)),
    ("pixels: scale must be positive, not nan", lambda: Pixels(scale=math.nan)),
    (
        "pixels: least must be 0 where pixels spike, else 0 or less, not -1",
        lambda: Pixels(least=-1, spiking=True),
    ),
    ("levels: levels must be integers [images, ...]", lambda: Constant(levels=np.zeros((2, 3)))),
    ("levels: levels must be 0 to 255", lambda: Constant(levels=np.full((2, 3), 256))),
    (
        "network: spikes that say something by their times have no place in a graph, whose input are levels; "
        "train a network of form RATE on constant levels",
        lambda: _graph(TRAINS),
    ),
    ("network: has no neurons; give it a layer", lambda: _graph(replace(RATE, layers=()))),
    (
        "network: weights must have the shapes [(4, 3), (3,), (3, 3), (3,)]",
        lambda: to_graph(RATE, initial(TRAINS, 0), Pixels()),
    ),
    (
        "network: weights hold NaN or infinity; train with a lower rate",
        lambda: to_graph(RATE, tuple(x * math.nan for x in initial(RATE, 0)), Pixels()),
    ),
    (
        "network: its neurons leak, and reset by subtract; train with Reset.ZERO",
        lambda: _graph(decay=0.9),
    ),
    (
        "network: layers differ in their reset; use one for all",
        lambda: _graph(
            replace(RATE, layers=(*RATE.layers, Dense(outputs=2, neuron=replace(IF, reset=Reset.ZERO))))
        ),
    ),
    (
        "network: some layers leak, others do not; use one kind of neuron for all",
        lambda: _graph(replace(RATE, layers=(*RATE.layers, Dense(outputs=2, neuron=LIF)))),
    ),
    (
        "layer0: a decay of 0.99999 is 1 in 4096ths; train with decay 1, or with a shorter time constant",
        lambda: _graph(decay=0.99999, reset=Reset.ZERO),
    ),
    (
        "layer0: a weight of channel 0 is more than 254 times the threshold, which would be 0 "
        "beside weights of 8 bits; train with a lower rate, or begin with smaller weights",
        lambda: _graph(threshold=1e-6),
    ),
]

TRAINING_CASES: list[tuple[str, Callable[[], object]]] = [
    (
        "data: constant levels are for networks of form RATE",
        lambda: Trainer(TRAINS, RECIPE, DATA, initial(TRAINS, 0)),
    ),
    (
        "data: levels of 3 inputs, for a network of 4 inputs",
        lambda: _train(trains=Constant(levels=CONSTANT.levels[:, 1:])),
    ),
    ("labels: label 3 is outside 0 to 2", lambda: _train(labels=LABELS + 1)),
    (
        "data: no image of class 1, 2; give images of all 3 classes, or a readout of fewer",
        lambda: _train(labels=0 * LABELS),
    ),
    (
        "training: loss or weights are no longer finite after update 0; train with a lower rate than 0.0002, "
        "or begin with smaller weights",
        lambda: _train(scale=math.nan),
    ),
    (
        "training: the loss of update 1 is",
        lambda: _train(scale=1e6),
    ),
]


@pytest.mark.parametrize(("message", "mistake"), CASES)
def test_rate_mistakes(message: str, mistake: Callable[[], object]) -> None:
    with pytest.raises(SnnccError) as found:
        mistake()
    assert str(found.value) == message


@needs_native
@pytest.mark.parametrize(("message", "mistake"), TRAINING_CASES)
def test_rate_mistakes_in_training(message: str, mistake: Callable[[], object]) -> None:
    with pytest.raises(SnnccError) as found:
        mistake()
    assert str(found.value).startswith(message)


def test_pixels_that_a_chip_cannot_send(tmp_path: Path) -> None:
    trained = Trained(network=RATE, weights=initial(RATE, 0), pixels=Pixels())
    with pytest.raises(TargetError) as found:
        compile_trained(trained, tmp_path / "out.snncc", target="lava", chip="loihi1")
    assert str(found.value) == (
        "loihi1: its spikes have no payload, which the pixels need; train with Pixels(spiking=True)"
    )
    assert not (tmp_path / "out.snncc").exists()
