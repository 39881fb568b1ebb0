"""Training: it learns, the same bits come out however it runs, and it can be interrupted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from snncc.learn import checkpoint
from snncc.learn.data import Labelled
from snncc.learn.engine import Weights
from snncc.learn.network import Conv, Dense, Network, Neuron, Penalty, Readout
from snncc.learn.recipe import Recipe, Schedule, initial
from snncc.learn.state import State
from snncc.learn.trainer import Trainer, accuracy
from snncc.learn.trains import from_times
from snncc_ir.progress import Progress
from support.native import KERNEL_NAMES, needs_native, with_kernels

pytestmark = needs_native

LIF = Neuron(decay=0.9)
CONV = Conv(outputs=8, kernel=(3, 3), neuron=LIF, padding=(1, 1, 1, 1))
NETWORK = Network(
    inputs=(4, 4, 1),
    steps=25,
    layers=(CONV, Dense(outputs=20, neuron=LIF)),
    readout=Readout(classes=3, decay=0.9, gain=0.1),
)
RECIPE = Recipe(epochs=3, batch=32, rate=3e-3, schedule=Schedule.COSINE, seed=5)


def _data(images: int, seed: int) -> Labelled:
    """Every class has latencies of its own, with noise."""
    rng = np.random.default_rng(seed)
    means = np.random.default_rng(0).integers(0, NETWORK.steps, (3, 16))
    labels = rng.integers(0, 3, images)
    labels[:3] = 0, 1, 2
    times = np.maximum(means[labels] + rng.integers(-4, 5, (images, 16)), 0)
    return Labelled(trains=from_times(times, NETWORK.steps), labels=labels)


DATA, HELD_OUT = _data(150, 1), _data(60, 2)


def _weights() -> Weights:
    return initial(NETWORK, 0)


def _trainer(threads: int = 1, recipe: Recipe = RECIPE, data: Labelled = DATA) -> Trainer:
    return Trainer(NETWORK, recipe, data, _weights(), held_out=HELD_OUT, threads=threads)


def _same(a: State, b: State) -> None:
    assert (a.updates, a.history, a.sums) == (b.updates, b.history, b.sums)
    for kind in checkpoint.KINDS:
        for x, y in zip(getattr(a, kind), getattr(b, kind), strict=True):
            assert x.tobytes() == y.tobytes()


def test_it_learns() -> None:
    recipe = Recipe(epochs=25, batch=32, rate=3e-3, seed=1)
    trainer = _trainer(recipe=recipe)
    state = trainer.run()
    first, last = state.history[0], state.history[-1]
    assert last.loss < 0.5 * first.loss
    assert last.accuracy > 0.9
    assert last.held_out is not None
    assert last.held_out > 0.85
    assert last.held_out == accuracy(trainer.engine, state.weights, HELD_OUT)
    assert all(0 < spikes < NETWORK.steps * 128 for spikes in last.spikes)
    assert all(active > 0 for active in last.active)
    assert state.updates == 25 * 5


def test_threads_and_kernels_give_the_same_bits() -> None:
    expected = _trainer().run()
    _same(_trainer(threads=3).run(), expected)
    for name in KERNEL_NAMES:
        with with_kernels(name):
            _same(_trainer(threads=2).run(), expected)


def test_another_seed_gives_other_weights() -> None:
    other = Recipe(epochs=3, batch=32, rate=3e-3, schedule=Schedule.COSINE, seed=6)
    assert (_trainer().run().weights[0] != _trainer(recipe=other).run().weights[0]).any()


def test_a_penalty_keeps_spikes_few() -> None:
    long = replace(RECIPE, epochs=12)
    few = replace(long, penalty=Penalty(upper=20.0, most=0.2))
    free, kept = (_trainer(recipe=recipe).run().history[-1].spikes for recipe in (long, few))
    assert sum(kept) < 0.8 * sum(free)


class _Interrupt(Exception):
    pass


def _interrupted_after(updates: int) -> Callable[[str], Progress]:
    def report(done: int, total: int) -> None:
        if done == updates:
            raise _Interrupt

    return lambda stage: report


@pytest.mark.parametrize("after", [1, 5, 7, 12])
def test_an_interrupted_training_goes_on_to_the_same_bits(tmp_path: Path, after: int) -> None:
    kept = tmp_path / "state.npz"
    with pytest.raises(_Interrupt):
        _trainer().run(kept=kept, every=3, watch=_interrupted_after(after))
    assert kept.exists() == (after >= 3)
    resumed: list[int] = []

    def watch(stage: str) -> Progress:
        assert stage == "training"
        return lambda done, total: resumed.append(done)

    _same(_trainer(threads=2).run(kept=kept, every=3, watch=watch), _trainer().run())
    kept_at = after // 3 * 3 if after % 5 else after
    assert resumed == list(range(kept_at + 1, 16))


def test_a_finished_training_is_read_and_not_repeated(tmp_path: Path) -> None:
    kept = tmp_path / "state.npz"
    state = _trainer().run(kept=kept)
    before = kept.read_bytes()
    _same(_trainer().run(kept=kept), state)
    assert kept.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]


def test_the_rate_falls_along_a_cosine() -> None:
    assert [Schedule.COSINE.factor(done, 4) for done in (0, 2)] == [1.0, 0.5]
    assert Schedule.COSINE.factor(4, 4) == 0.0
    assert Schedule.CONSTANT.factor(3, 4) == 1.0


def test_the_weights_given_stay_as_they_are() -> None:
    weights = _weights()
    before = [weight.tobytes() for weight in weights]
    trainer = Trainer(NETWORK, RECIPE, DATA, weights)
    _same(trainer.run(), trainer.run())
    assert [weight.tobytes() for weight in weights] == before
