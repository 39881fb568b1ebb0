"""What tune_thresholds gains on the CIFAR-10 networks of a data folder, and what it takes.

    python benchmarks/tuning.py DATA [--subset 0] [--settings 2/8 3/8 4/8 4/4]
        [--networks resnet8 ...] [--hidden 5] [--rate 0]

A setting is level bits/weight bits. Calibration sees 256 of the 512 calibration images (chosen by the number
of the subset), never a label; accuracy is that of the integer network on the 2,000 test images. `distance`
is the mean squared distance of the outputs to the float network's on the other 256 calibration images, on
which options may be compared without a look at the test images.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from cifar import NETWORKS, Network, distance, float_run, float_session, options_for, real_inputs

from snncc import dataset
from snncc.driver import compile_model
from snncc.passes.tune_thresholds import TuneThresholds
from snncc.sim.evaluate import evaluate_images
from snncc_ir.encoding import format_of
from snncc_ir.progress import silent

IMAGES = 256


@dataclass(frozen=True)
class Tuning:
    """Options of tune_thresholds."""

    hidden: float
    rate: float


@dataclass(frozen=True)
class Measured:
    """A compiled network on the images that it has not seen, and the seconds that compiling took."""

    accuracy: float
    distance: float
    seconds: float


def pipeline(levels: int, weights: int, tuning: Tuning | None) -> str:
    """Default passes, or the tuning in place of bias correction."""
    balance = f"balance{{method=mse,level_bits={levels}}}"
    quantize = f"quantize{{weight_bits={weights},level_bits={levels}}}"
    if tuning is not None:
        options = f"rate={tuning.rate},hidden={tuning.hidden},weight_bits={weights}"
        return f"{balance};tune_thresholds{{{options}}};{quantize};choose_code"
    return f"{balance};{quantize};correct_bias;choose_code"


def compiled(data: Path, images: Path, network: Network, passes: str) -> Measured:
    """The network calibrated on the key `calibration` of `images`, and measured."""
    found, held = dataset.load(data / "cifar10.npz"), dataset.load(images).images
    with tempfile.TemporaryDirectory() as folder:
        options = options_for(data, network, Path(folder) / "a.snncc")
        options = replace(options, calibrate=images, passes=passes)
        start = time.perf_counter()
        graph = compile_model(data / "models" / network.file, options).graph
        seconds = time.perf_counter() - start
    form = format_of(graph.inputs[0])
    tests, others = (dataset.fit(part, form.levels.shape, found.path) for part in (found.images, held))
    right = evaluate_images(graph, form, tests, None, silent).accuracy(found.labels)
    (outputs,) = evaluate_images(graph, form, others, None, silent).outputs.values()
    session, name = float_session(data, network)
    wanted = float_run(session, name, real_inputs(network, held))
    return Measured(100 * right, distance(outputs, wanted), seconds)


def float_accuracy(data: Path, network: Network) -> float:
    """Accuracy of the float network in percent."""
    found = dataset.load(data / "cifar10.npz")
    session, name = float_session(data, network)
    scores = float_run(session, name, real_inputs(network, found.images))
    return 100 * float((scores.argmax(axis=1) == found.labels).mean())


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--subset", type=int, default=0)
    parser.add_argument("--settings", nargs="+", default=["2/8", "3/8", "4/8", "4/4"])
    parser.add_argument("--networks", nargs="+", default=["resnet8", "resnet20", "mobilenet"])
    parser.add_argument("--hidden", type=float, default=TuneThresholds.hidden)
    parser.add_argument("--rate", type=float, default=TuneThresholds.rate)
    chosen = parser.parse_args()
    stored = dataset.load(chosen.data / "cifar10.npz").calibration
    order = np.random.default_rng(chosen.subset).permutation(len(stored))
    print(
        f"{'network':32} bits  float  untuned  loss  distance  tuned   loss  distance  seconds",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / "images.npz"
        np.savez(images, calibration=stored[order[:IMAGES]], images=stored[order[IMAGES:]])
        for network in NETWORKS:
            if not network.file.startswith(tuple(chosen.networks)):
                continue
            real = float_accuracy(chosen.data, network)
            for setting in chosen.settings:
                levels, weights = map(int, setting.split("/"))
                plain, tuned = (
                    compiled(chosen.data, images, network, pipeline(levels, weights, tuning))
                    for tuning in (None, Tuning(chosen.hidden, chosen.rate))
                )
                print(
                    f"{network.file:32} {setting:>4} {real:6.2f}  {plain.accuracy:6.2f} "
                    f"{real - plain.accuracy:6.2f} {plain.distance:9.3f} {tuned.accuracy:6.2f} "
                    f"{real - tuned.accuracy:6.2f} {tuned.distance:9.3f} {tuned.seconds:8.0f}",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
