"""Single-step networks of Fashion-MNIST: accuracy beside ReLU, and the same scores in every engine.

    python benchmarks/single_step.py MODELS DATA

MODELS holds relu.onnx, step.onnx and binary.onnx, as the commands of examples/single_step/README.md write
them, DATA the four idx files. Every network is compiled for each target without calibration; all engines must
give the same scores, number by number. Accuracy is that of all 10,000 test images. Exits 1 where a goal is
missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import fashion_mnist
import numpy as np
import onnxruntime
from peer_extras import Goal
from peers import machine

import snncc
from snncc.api import Network
from snncc.simulate import Simulation
from snncc_ir.errors import DataError, SnnccError
from snncc_ir.nodes import Conv, Dense

Array = np.ndarray

BATCH = 500
LANES = 64

STEP, BINARY, RELU = "step", "binary", "relu"

ENGINES = (
    ("sim", "levels", 10_000),
    ("sim", "spikes", 1_000),
    ("sim", "reference", 100),
    ("fpga", "cycles", 100),
    ("fpga", "csim", 20),
    ("fpga", "rtl", 3),
    ("lava", "lava", 5),
)
"""Target, engine and images; the native engine, which runs all 10,000, is what they are compared with."""


@dataclass(frozen=True)
class Test:
    """Images `[N, 28, 28]` and labels `[N]`."""

    images: Array
    labels: Array


@dataclass(frozen=True)
class Found:
    """A network on all test images, and how many engines gave other scores."""

    native: Simulation
    network: Network
    differing: int

    @property
    def accuracy(self) -> float:
        """Per cent of the test images."""
        return 100 * (self.native.accuracy or 0.0)

    @property
    def bits(self) -> tuple[int, ...]:
        """Of the weights, layer by layer."""
        layers = self.network.graph.linears
        return tuple(node.weight.bits for node in layers if isinstance(node, Conv | Dense))

    @property
    def extra_steps(self) -> int:
        """Time steps beside one per layer of neurons."""
        return self.native.evaluation.steps - len(self.network.graph.populations)


def file_accuracy(model: Path, test: Test) -> float:
    """Per cent of the test images that the file itself has right, in ONNX Runtime."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    pixels = np.divide(test.images[:, None], 255, dtype=np.float32)
    scores = [session.run(None, {given.name: pixels[i : i + BATCH]})[0] for i in range(0, len(pixels), BATCH)]
    return 100 * float((np.concatenate(scores).argmax(axis=1) == test.labels).mean())


def targets(model: Path, folder: Path) -> Iterator[tuple[str, Network]]:
    """The network for each target."""
    for target in dict.fromkeys(target for target, _, _ in ENGINES):
        lanes = LANES if target == "fpga" else None
        out = folder / f"{model.stem}.{target}"
        yield target, snncc.compile(model, out, target=target, scale=255, lanes=lanes)


def run(model: Path, test: Test, folder: Path) -> Found:
    """All engines, a row of the table each."""
    networks = dict(targets(model, folder))
    native = networks["sim"].simulate(test.images, test.labels, engine="native")
    differing = 0
    for target, engine, count in ENGINES:
        found = networks[target].simulate(test.images[:count], engine=engine)
        equal = same(found, native, count)
        differing += equal < count
        seconds = found.evaluation.seconds
        print(f"| {model.stem} | {engine} | {equal} of {count} | {seconds:.2f} |", flush=True)
    return Found(native, networks["sim"], differing)


def same(found: Simulation, native: Simulation, count: int) -> int:
    """Images whose scores are those of the native engine, to the last bit."""
    (ours,), (theirs,) = found.outputs.values(), native.outputs.values()
    return int((ours == theirs[:count]).all(axis=1).sum())


def summary(files: dict[str, float], found: dict[str, Found]) -> None:
    """The table of accuracies and costs."""
    print("\n| network | file | compiled | weight bits | spikes | synaptic operations | time steps |")
    print("|---" * 7 + "|")
    print(f"| {RELU} | {files[RELU]:.2f} % | | | | | |")
    for name, network in found.items():
        run = network.native.evaluation
        bits = ", ".join(map(str, network.bits))
        spikes, synops = (
            f"{sum(counts.values()) / run.images:,.0f}" for counts in (run.counts.spikes, run.counts.synops)
        )
        accuracies = f"{files[name]:.2f} % | {network.accuracy:.2f} %"
        print(f"| {name} | {accuracies} | {bits} | {spikes} | {synops} | {run.steps} |")


def goals(files: dict[str, float], found: dict[str, Found]) -> list[Goal]:
    """What must hold."""
    return [
        Goal("points that step lacks, compiled", files[RELU] - found[STEP].accuracy, 1.5, most=True),
        Goal("runs with other scores", sum(one.differing for one in found.values()), 0, most=True),
        Goal("time steps beside one per layer", max(one.extra_steps for one in found.values()), 1, most=True),
        Goal("bits of binary's hidden weights", max(found[BINARY].bits[1:-1]), 1, most=True),
    ]


def measured(models: Path, test: Test) -> list[Goal]:
    """All tables."""
    names = (RELU, STEP, BINARY)
    missing = [name for name in names if not (models / f"{name}.onnx").is_file()]
    if missing:
        hint = "train them, as examples/single_step/README.md says"
        raise DataError(f"has no {', '.join(missing)}", where=str(models), hint=hint)
    files = {name: file_accuracy(models / f"{name}.onnx", test) for name in names}
    print("| network | engine | scores of the native engine | seconds |", "|---" * 4 + "|", sep="\n")
    with tempfile.TemporaryDirectory() as folder:
        found = {name: run(models / f"{name}.onnx", test, Path(folder)) for name in (STEP, BINARY)}
        summary(files, found)
        return goals(files, found)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path)
    parser.add_argument("data", type=Path)
    chosen = parser.parse_args()
    print(f"{machine()}\n")
    try:
        met = measured(chosen.models, Test(*fashion_mnist.load(chosen.data, "t10k")))
    except SnnccError as error:
        print(f"single_step: {error}", file=sys.stderr)
        return 1
    print("\n| figure | reached | goal |", "|---" * 3 + "|", *(goal.row for goal in met), sep="\n")
    return 0 if all(goal.met for goal in met) else 1


if __name__ == "__main__":
    sys.exit(main())
