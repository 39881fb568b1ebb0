"""Sparse spiking gradient descent on Fashion-MNIST: accuracy, time and memory beside dense gradients.

    python benchmarks/sparse_gradients.py DATA

DATA is the folder of the four idx files. The network is that of Perez-Nieves and Goodman 2021: 784-200-200-10
leaky neurons, 100 steps, one spike per pixel by latency, the maximum of a leaky readout. `--kept` names a
folder of checkpoints, so that what was interrupted goes on. Exits 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

import fashion_mnist
import learning_speed
from learning_speed import DENSE, EVERY, SPARSE, Cost, Setting
from peer_extras import Goal
from peers import machine

from snncc import console
from snncc.learn.data import Labelled
from snncc.learn.engine import Weights
from snncc.learn.network import Dense, Network, Neuron, Readout, Surrogate
from snncc.learn.recipe import Recipe, Schedule, initial
from snncc.learn.state import State
from snncc.learn.trainer import Trainer
from snncc.learn.trains import latencies
from snncc_ir.errors import SnnccError

STEPS, HIDDEN, CLASSES = 100, 200, 10
DECAY = math.exp(-0.1)
"""Of a time constant of 10 steps."""

SPREAD = 20 * (1 - DECAY)
"""Of the first weights, as in the paper's code."""

PUBLISHED_BAND = 0.2
BANDS = (0.02, 0.05, 0.1, 0.5)


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What the command asks for."""

    recipe: Recipe
    threads: int
    kept: Path | None


def network(band: float) -> Network:
    """The paper's, for a surrogate's band."""
    neuron = Neuron(decay=DECAY)
    return Network(
        inputs=(28, 28, 1),
        steps=STEPS,
        layers=(Dense(outputs=HIDDEN, neuron=neuron), Dense(outputs=HIDDEN, neuron=neuron)),
        readout=Readout(classes=CLASSES, decay=DECAY, gain=1 - DECAY),
        surrogate=Surrogate(band=band),
    )


def first_weights(seed: int) -> Weights:
    """Of every training with this seed."""
    return initial(network(PUBLISHED_BAND), seed, SPREAD)


def trained(data: Labelled, test: Labelled, band: float, seed: int, choices: Choices) -> State:
    """After all epochs, and printed."""
    recipe = Recipe(
        epochs=choices.recipe.epochs,
        batch=choices.recipe.batch,
        rate=choices.recipe.rate,
        schedule=choices.recipe.schedule,
        seed=seed,
    )
    trainer = Trainer(
        network(band), recipe, data, first_weights(seed), held_out=test, threads=choices.threads
    )
    kept = None if choices.kept is None else choices.kept / f"band-{band:g}-seed-{seed}.npz"
    with console.stages() as watch:
        state = trainer.run(kept=kept, watch=watch)
    last = state.history[-1]
    spikes, active = (
        f"{100 * sum(counts) / (2 * HIDDEN * STEPS):.2f} %" for counts in (last.spikes, last.active)
    )
    print(f"| {band:g} | {seed} | {last.held_out:.2%} | {last.loss:.4f} | {spikes} | {active} |", flush=True)
    return state


def accuracies(data: Labelled, test: Labelled, choices: Choices, seeds: int) -> tuple[Weights, list[Goal]]:
    """The table of trainings; the weights of the first sparse one, and the goal."""
    print(
        f"Test accuracy after {choices.recipe.epochs} epochs, batch {choices.recipe.batch}, Adam with rate "
        f"{choices.recipe.rate:g} ({choices.recipe.schedule.value}); band inf is the dense gradient.\n"
    )
    print(
        "| band | seed | accuracy | loss | spikes per neuron and step | active |", "|---" * 6 + "|", sep="\n"
    )
    found = {
        band: [trained(data, test, band, seed, choices) for seed in range(seeds)]
        for band in (PUBLISHED_BAND, math.inf)
    }
    for band in BANDS:
        trained(data, test, band, 0, choices)
    sparse, dense = (
        statistics.mean(state.history[-1].held_out or 0.0 for state in found[band])
        for band in (PUBLISHED_BAND, math.inf)
    )
    goals = [
        Goal(f"points that sparse lacks, {seeds} seeds", 100 * (dense - sparse), 1, most=True),
        Goal("seeds", seeds, 3),
    ]
    return found[PUBLISHED_BAND][0].weights, goals


def costs(data: Labelled, weights: Weights, setting: Setting, when: str) -> list[Goal]:
    """The table of one training step, and its goals."""
    found = learning_speed.measure(data, weights, setting)
    print(
        f"\nA step of {setting.batch} images with {when}, {setting.threads} thread, band {setting.band:g}:\n"
    )
    print("| | forward, ms | backward, ms | Adam, ms | whole, ms | MiB |", "|---" * 6 + "|", sep="\n")
    for engine in EVERY:
        print(_row(engine.name, found[engine]))
    ours = found[SPARSE]
    whole = min(found[engine].whole for engine in DENSE) / ours.whole
    backward = min(found[engine].backward for engine in DENSE) / ours.backward
    memory = 1 - ours.memory / min(found[engine].memory for engine in DENSE)
    print(f"\nTimes as fast as the faster of the two: backward {backward:.1f}, whole {whole:.1f}", flush=True)
    return [
        Goal(f"{when}: backward", backward, 10),
        Goal(f"{when}: whole step", whole, 8),
        Goal(f"{when}: share of memory saved", memory, 0.3),
    ]


def _row(name: str, cost: Cost) -> str:
    times = (cost.forward, cost.backward, cost.update, cost.whole)
    return f"| {name} | " + " | ".join(f"{1e3 * t:.1f}" for t in times) + f" | {cost.memory:.0f} |"


def same_gradients(data: Labelled, setting: Setting) -> list[Goal]:
    """Our dense gradients beside PyTorch's."""
    found = learning_speed.gradients(data, first_weights(0), setting)
    print("\nDense gradients, greatest difference from PyTorch's by layer:", *(f"{x:.1e}" for x in found))
    return [Goal("difference of dense gradients from PyTorch's", max(found), 1e-2, most=True)]


def labelled(folder: Path, part: str) -> Labelled:
    """A part of the data as latencies."""
    images, labels = fashion_mnist.load(folder, part)
    return Labelled(trains=latencies(images, STEPS), labels=labels)


def measured(chosen: argparse.Namespace) -> list[Goal]:
    """All tables."""
    data, test = labelled(chosen.data, "train"), labelled(chosen.data, "t10k")
    recipe = Recipe(
        epochs=chosen.epochs, batch=chosen.batch, rate=chosen.rate, schedule=Schedule(chosen.schedule)
    )
    if chosen.kept is not None:
        chosen.kept.mkdir(parents=True, exist_ok=True)
    weights, goals = accuracies(
        data, test, Choices(recipe=recipe, threads=chosen.threads, kept=chosen.kept), chosen.seeds
    )
    common = {"decay": DECAY, "rate": recipe.rate, "batch": recipe.batch, "rounds": chosen.rounds}
    setting = Setting(band=PUBLISHED_BAND, threads=1, **common)
    goals += costs(data, first_weights(0), setting, "first weights")
    goals += costs(data, weights, setting, "trained weights")
    goals += same_gradients(data, Setting(band=math.inf, threads=1, **common))
    return goals


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--schedule", choices=[s.value for s in Schedule], default=Schedule.COSINE.value)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2, help="of the trainings")
    parser.add_argument("--kept", type=Path, help="folder of checkpoints")
    print(f"{machine()}\n")
    try:
        goals = measured(parser.parse_args())
    except SnnccError as error:
        print(f"sparse_gradients: {error}", file=sys.stderr)
        return 1
    print("\n| figure | reached | goal |", "|---" * 3 + "|", *(goal.row for goal in goals), sep="\n")
    return 0 if all(goal.met for goal in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
