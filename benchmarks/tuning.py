"""What tune_thresholds gains on the CIFAR-10 networks of a data folder, and what it takes.

    python benchmarks/tuning.py DATA [--subset 0] [--settings 2/8 3/8 4/8 4/4]
        [--networks resnet8 ...] [--hidden 5]

A setting is level bits/weight bits. Calibration sees 256 of the 512 calibration images (chosen by the number
of the subset), never a label; accuracy is that of the integer network on the 2,000 test images.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from cifar import NETWORKS, Network, float_run, float_session, options_for, real_inputs

from snncc import dataset
from snncc.driver import compile_model
from snncc.passes.tune_thresholds import TuneThresholds
from snncc.sim.evaluate import evaluate_images
from snncc_ir.encoding import format_of
from snncc_ir.progress import silent

IMAGES = 256
FAST, SLOW = 0.006, 0.002
"""Learning rates for levels of up to 2 bits, and for finer ones, which start nearer to the float network."""


def pipeline(levels: int, weights: int, hidden: float | None) -> str:
    """Default passes, or, with a weight of the hidden populations, the tuning in place of bias correction."""
    balance = f"balance{{method=mse,level_bits={levels}}}"
    quantize = f"quantize{{weight_bits={weights},level_bits={levels}}}"
    if hidden is not None:
        rate = FAST if levels <= 2 else SLOW
        tune_thresholds = f"tune_thresholds{{rate={rate},hidden={hidden},weight_bits={weights}}}"
        return f"{balance};{tune_thresholds};{quantize};choose_code"
    return f"{balance};{quantize};correct_bias;choose_code"


def compiled(data: Path, calibration: Path, network: Network, passes: str) -> tuple[float, float]:
    """Accuracy in percent and seconds of a compilation."""
    found = dataset.load(data / "cifar10.npz")
    with tempfile.TemporaryDirectory() as folder:
        options = options_for(data, network, Path(folder) / "a.snncc")
        options = replace(options, calibrate=calibration, passes=passes)
        start = time.perf_counter()
        graph = compile_model(data / "models" / network.file, options).graph
        seconds = time.perf_counter() - start
    form = format_of(graph.inputs[0])
    images = dataset.fit(found.images, form.levels.shape, found.path)
    return 100 * evaluate_images(graph, form, images, None, silent).accuracy(found.labels), seconds


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
    chosen = parser.parse_args()
    stored = dataset.load(chosen.data / "cifar10.npz").calibration
    part = np.random.default_rng(chosen.subset).permutation(len(stored))[:IMAGES]
    print("network                          bits  float  untuned  loss  tuned   loss  seconds", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        calibration = Path(folder) / "calibration.npz"
        np.savez(calibration, images=stored[part])
        for network in NETWORKS:
            if not network.file.startswith(tuple(chosen.networks)):
                continue
            real = float_accuracy(chosen.data, network)
            for setting in chosen.settings:
                levels, weights = map(int, setting.split("/"))
                plain, _ = compiled(chosen.data, calibration, network, pipeline(levels, weights, None))
                tuned, seconds = compiled(
                    chosen.data, calibration, network, pipeline(levels, weights, chosen.hidden)
                )
                print(
                    f"{network.file:32} {setting:>4} {real:6.2f}  {plain:6.2f} {real - plain:6.2f} "
                    f"{tuned:6.2f} {real - tuned:6.2f} {seconds:8.0f}",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
