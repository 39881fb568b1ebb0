"""Every mistake is one message that says what to change."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snncc.learn import checkpoint
from snncc.learn.data import Labelled
from snncc.learn.engine import Engine
from snncc.learn.network import Conv, Dense, Network, Neuron, Penalty, Readout, Surrogate
from snncc.learn.recipe import Recipe, initial
from snncc.learn.trainer import Trainer
from snncc.learn.trains import Trains, from_spikes, from_times, latencies
from snncc_ir.errors import ArtefactError, SnnccError
from support.native import needs_native

LIF = Neuron(decay=0.9)
NETWORK = Network(
    inputs=(2, 2, 1),
    steps=6,
    layers=(Dense(outputs=3, neuron=LIF),),
    readout=Readout(classes=3, decay=0.9),
)
TIMES = np.random.default_rng(0).integers(0, 9, (12, 4))
LABELS = np.arange(12) % 3
DATA = Labelled(trains=from_times(TIMES, 6), labels=LABELS)
RECIPE = Recipe(epochs=2, batch=6)


def _train(
    data: Labelled = DATA, recipe: Recipe = RECIPE, scale: float = 1.0, kept: Path | None = None
) -> None:
    weights = tuple(scale * weight for weight in initial(NETWORK, 0))
    Trainer(NETWORK, recipe, data, weights, held_out=DATA).run(kept=kept)


def _trains(**changes: Any) -> Trains:
    return replace(DATA.trains, **changes)


CASES: list[tuple[str, Callable[[], object]]] = [
    ("neuron: decay must be above 0 and at most 1, not 0", lambda: Neuron(decay=0)),
    ("neuron: gain must be positive, not -1", lambda: Neuron(decay=1, gain=-1)),
    ("neuron: threshold must be positive, not nan", lambda: Neuron(decay=1, threshold=math.nan)),
    ("dense layer: outputs must be positive, not 0", lambda: Dense(outputs=0, neuron=LIF)),
    ("convolution: outputs must be positive, not 0", lambda: Conv(outputs=0, kernel=(1, 1), neuron=LIF)),
    ("convolution: kernel must be positive, not (0, 1)", lambda: Conv(outputs=1, kernel=(0, 1), neuron=LIF)),
    (
        "convolution: stride must be positive, not (1, 0)",
        lambda: Conv(outputs=1, kernel=(1, 1), stride=(1, 0), neuron=LIF),
    ),
    (
        "convolution: padding must not be negative, as (0, 0, 0, -1) is",
        lambda: Conv(outputs=1, kernel=(1, 1), padding=(0, 0, 0, -1), neuron=LIF),
    ),
    ("readout: classes must be at least 2, not 1", lambda: Readout(classes=1, decay=1)),
    ("readout: decay must be above 0 and at most 1, not 2", lambda: Readout(classes=2, decay=2)),
    ("surrogate: band must be positive, not 0", lambda: Surrogate(band=0)),
    ("surrogate: slope must not be negative, as -1 is", lambda: Surrogate(slope=-1)),
    ("network: steps must be 2 to 65535, not 1", lambda: replace(NETWORK, steps=1)),
    ("network: inputs must be positive, not (0, 2, 1)", lambda: replace(NETWORK, inputs=(0, 2, 1))),
    (
        "network: kernel (3, 1) is larger than its map (2, 2, 1)",
        lambda: replace(NETWORK, layers=(Conv(outputs=1, kernel=(3, 1), neuron=LIF),)),
    ),
    ("penalty: least must not be negative, as -1 is", lambda: Penalty(least=-1)),
    ("recipe: epochs must be at least 1, not 0", lambda: Recipe(epochs=0)),
    ("recipe: batch must be at least 1, not 0", lambda: Recipe(batch=0)),
    ("recipe: rate must be positive, not nan", lambda: Recipe(rate=math.nan)),
    ("recipe: decays must be 0 or more and below 1, not (0.9, 1.0)", lambda: Recipe(decays=(0.9, 1.0))),
    ("recipe: seed must not be negative, as -1 is", lambda: Recipe(seed=-1)),
    (
        "spike trains: starts must be contiguous and int64",
        lambda: _trains(starts=DATA.trains.starts.astype(np.int32)),
    ),
    (
        "spike trains: starts must be [images, steps + 1] and places [spikes]",
        lambda: _trains(starts=DATA.trains.starts[0]),
    ),
    (
        "spike trains: spike times must be [images, inputs] and not negative",
        lambda: from_times(np.array([[-1]]), 6),
    ),
    (
        "spike trains: spikes must be [images, steps, inputs] of zeros and ones",
        lambda: from_spikes(np.full((1, 2, 3), 2)),
    ),
    ("latencies: images must be [images, ...], not (4,)", lambda: latencies(np.zeros(4), 6)),
    ("latencies: images must hold values 0 to 1, or be uint8", lambda: latencies(np.full((1, 4), 2.0), 6)),
    (
        "latencies: tau must be positive, least between 0 and 1",
        lambda: latencies(np.zeros((1, 4)), 6, tau=-1),
    ),
]

TRAINING_CASES: list[tuple[str, Callable[[], object]]] = [
    (
        "data: spike trains of 4 inputs and 7 steps, for a network of 4 inputs and 6 steps",
        lambda: _train(replace(DATA, trains=from_times(TIMES, 7))),
    ),
    (
        "labels: labels must be 12 integers, one for each image",
        lambda: _train(replace(DATA, labels=LABELS[1:])),
    ),
    (
        "labels: labels must be 12 integers, one for each image",
        lambda: _train(replace(DATA, labels=LABELS / 1)),
    ),
    ("labels: label 3 is outside 0 to 2", lambda: _train(replace(DATA, labels=LABELS + 1))),
    ("labels: label -1 is outside 0 to 2", lambda: _train(replace(DATA, labels=LABELS - 1))),
    (
        "data: no image of class 1, 2; give images of all 3 classes, or a readout of fewer",
        lambda: _train(replace(DATA, labels=0 * LABELS)),
    ),
    (
        "data: has no images",
        lambda: _train(Labelled(trains=from_times(TIMES[:0], 6), labels=LABELS[:0])),
    ),
    (
        "training: loss or weights are no longer finite after update 1; train with a lower rate than 0.0002, "
        "or begin with smaller weights",
        lambda: _train(scale=math.nan),
    ),
    (
        "training: the loss of update 1 is 2.25e+06, more than 110; train with a lower rate than 0.0002, "
        "or begin with smaller weights",
        lambda: _train(scale=1e6),
    ),
    (
        "batch: the images chosen must be 0 to 11, one at least",
        lambda: Engine(NETWORK).scores(initial(NETWORK, 0), DATA.trains, np.array([12])),
    ),
    (
        "network: weights must have the shapes [(4, 3), (3, 3)]",
        lambda: Engine(NETWORK).scores(initial(NETWORK, 0)[:1], DATA.trains),
    ),
    (
        "network: weights must be contiguous and float32",
        lambda: Engine(NETWORK).scores(tuple(w.astype(float) for w in initial(NETWORK, 0)), DATA.trains),
    ),
    (
        "spikes out of order",
        lambda: Engine(NETWORK).scores(
            initial(NETWORK, 0), _trains(starts=DATA.trains.starts[:, ::-1].copy())
        ),
    ),
    (
        "spikes outside their array",
        lambda: Engine(NETWORK).scores(initial(NETWORK, 0), _trains(places=DATA.trains.places[:3])),
    ),
    (
        "a spike of no input",
        lambda: Engine(NETWORK).scores(initial(NETWORK, 0), _trains(places=DATA.trains.places + 9)),
    ),
    (
        "a layer has too many neurons",
        lambda: Engine(replace(NETWORK, layers=(Dense(outputs=2**20, neuron=LIF),), steps=60000)),
    ),
]


@pytest.mark.parametrize(("message", "mistake"), CASES)
def test_mistakes(message: str, mistake: Callable[[], object]) -> None:
    with pytest.raises(SnnccError) as found:
        mistake()
    assert str(found.value) == message


@needs_native
@pytest.mark.parametrize(("message", "mistake"), TRAINING_CASES)
def test_mistakes_in_training(message: str, mistake: Callable[[], object]) -> None:
    with pytest.raises(SnnccError) as found:
        mistake()
    assert str(found.value).startswith(message)


def _rewritten(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    with np.load(path) as archive:
        arrays = dict(archive)
    change(arrays)
    np.savez(path, **arrays)


def _text(arrays: dict[str, Any], **changes: Any) -> None:
    plain = json.loads(arrays["state"].tobytes()) | changes
    arrays["state"] = np.frombuffer(json.dumps(plain).encode(), np.uint8)


DAMAGES: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("'There is no item named 'first1.npy' in the archive'", lambda a: a.pop("first1")),
    ("weights0 has another shape or type", lambda a: a.update(weights0=np.zeros((3, 4), np.float32))),
    ("weights0 has another shape or type", lambda a: a.update(weights0=a["weights0"].astype(np.float64))),
    ("second are not finite", lambda a: a["second0"].fill(np.nan)),
    ("updates is no count", lambda a: _text(a, updates=-1)),
    ("sums has other entries", lambda a: _text(a, sums={"images": 0})),
    ("epoch has other entries", lambda a: _text(a, history=[3])),
    ("Expecting value: line 1 column 1 (char 0)", lambda a: a.update(state=np.zeros(3, np.uint8))),
]


@needs_native
@pytest.mark.parametrize(("why", "change"), DAMAGES)
def test_a_damaged_checkpoint_is_refused(
    tmp_path: Path, why: str, change: Callable[[dict[str, Any]], object]
) -> None:
    kept = tmp_path / "state.npz"
    _train(kept=kept)
    _rewritten(kept, change)
    with pytest.raises(ArtefactError) as found:
        _train(kept=kept)
    text = str(found.value).replace('"', "'")
    assert text == f"{kept}: is no checkpoint, or a damaged one ({why.strip()}); remove it to start again"


@needs_native
@pytest.mark.parametrize("cut", [0, 100, 700])
def test_half_a_checkpoint_is_refused(tmp_path: Path, cut: int) -> None:
    kept = tmp_path / "state.npz"
    _train(kept=kept)
    kept.write_bytes(kept.read_bytes()[:cut])
    with pytest.raises(ArtefactError, match=r"is no checkpoint, or a damaged one"):
        _train(kept=kept)


@needs_native
def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    kept = tmp_path / "state.npz"
    _train(kept=kept)
    others = (
        lambda: _train(kept=kept, recipe=replace(RECIPE, seed=1)),
        lambda: _train(kept=kept, scale=2),
        lambda: _train(kept=kept, data=replace(DATA, labels=LABELS[::-1].copy())),
    )
    for other in others:
        with pytest.raises(ArtefactError) as found:
            other()
        assert str(found.value) == (
            f"{kept}: is of a training with another network, recipe, data, first weights or version; "
            "name another file, or remove this one to start again"
        )


@needs_native
def test_a_checkpoint_that_cannot_be_written_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError) as found:
        _train(kept=tmp_path / "nowhere" / "state.npz")
    assert str(found.value) == f"{tmp_path}/nowhere/state.npz: cannot be written (No such file or directory)"


@needs_native
def test_too_high_a_rate_is_noticed() -> None:
    network = replace(NETWORK, layers=())
    message = (
        r"^training: the loss of update [2-4] is .*, more than 110; train with a lower rate than 10000, or"
    )
    with pytest.raises(SnnccError, match=message):
        Trainer(network, replace(RECIPE, rate=1e4), DATA, initial(network, 0)).run()


def _objects() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([object()]), allow_pickle=True)
    return buffer.getvalue()


def _terabytes() -> bytes:
    buffer = io.BytesIO()
    shape = {"descr": "<f4", "fortran_order": False, "shape": (2**40,)}
    np.lib.format.write_array_header_1_0(buffer, shape)
    return buffer.getvalue()


@needs_native
@pytest.mark.parametrize("make", [_objects, _terabytes])
def test_nothing_is_loaded_or_allocated_that_does_not_belong(
    tmp_path: Path, make: Callable[[], bytes]
) -> None:
    kept = tmp_path / "state.npz"
    _train(kept=kept)
    with zipfile.ZipFile(kept) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(kept, "w") as archive:
        for name, data in (content | {"weights0.npy": make()}).items():
            archive.writestr(name, data)
    with pytest.raises(ArtefactError, match="weights0 has another shape or type"):
        _train(kept=kept)


def test_names_of_trainings_differ() -> None:
    names = {
        checkpoint.name_of(network, recipe, data, held_out, initial(NETWORK, seed))
        for network in (NETWORK, replace(NETWORK, surrogate=Surrogate(band=math.inf)))
        for recipe in (RECIPE, replace(RECIPE, epochs=3))
        for data in (DATA, replace(DATA, labels=LABELS[::-1].copy()))
        for held_out in (None, DATA)
        for seed in (0, 1)
    }
    assert len(names) == 32
