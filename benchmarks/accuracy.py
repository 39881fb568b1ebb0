"""Loss of three CIFAR-10 networks without retraining, against the promises of docs/accuracy.md.

    python benchmarks/accuracy.py DATA [--subsets N] [--tuned] [--only NAME]

Each figure is a mean over N calibration subsets of 256 images; accuracy is that on the 2,000 test images.
Settings are chosen on calibration images alone. `uniform` has thresholds by `mse` (`max` for levels of 8
bits, which need not clip), `mixed` gives each population its own level bits, at most K in the mean over the
neurons; `chosen` is the one whose outputs lie nearer to the float network's on the calibration images.
`--tuned` adds the pass tune_thresholds, which updates weights, biases and thresholds by gradient on the
same unlabelled images, for levels of 2 and 3 bits; other rows of that column repeat `chosen`. Exits 1 where
no column keeps a promise: the mean over the networks, and each network at most twice that.

DATA holds cifar10.npz and models/*.onnx.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from cifar import NETWORKS, Network, float_run, float_session, options_for, real_inputs

from snncc import dataset
from snncc.driver import Prepared, context_of, float_outputs_of, prepare, run_passes
from snncc.passes.balance import print_widths
from snncc.passes.base import Context
from snncc.passes.pipeline import parse
from snncc.passes.widths import LEVEL_BITS, Widths
from snncc.sim.evaluate import evaluate_images
from snncc.width_search import WidthSearch
from snncc_ir.graph import Graph
from snncc_ir.progress import no_watch, silent

SUBSET = 256

RATES = {2: 0.006, 3: 0.002}
"""Learning rates of tune_thresholds by level bits."""


@dataclass(frozen=True)
class Promise:
    """The largest mean loss, in percentage points, for level and weight bits.

    `rounding` is that of the weights: it is felt where levels are fine or weights narrow.
    """

    levels: int
    weights: int
    points: float
    rounding: str


PROMISES = (
    Promise(8, 8, 0.1, "gptq"),
    Promise(6, 8, 0.2, "gptq"),
    Promise(4, 8, 0.5, "nearest"),
    Promise(3, 8, 2.0, "nearest"),
    Promise(2, 8, 8.0, "nearest"),
    Promise(4, 4, 1.5, "refit"),
)


@dataclass
class Column:
    """Losses by promise and network, one per subset, and the seconds that the passes took."""

    losses: dict[tuple[Promise, str], list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    def add(self, promise: Promise, network: str, loss: float, seconds: float) -> None:
        """Add the figure of one subset."""
        self.losses.setdefault((promise, network), []).append(loss)
        self.seconds.append(seconds)

    def mean(self, promise: Promise, network: str) -> float:
        """Mean loss over the subsets."""
        return statistics.mean(self.losses[promise, network])

    def keeps(self, promise: Promise, networks: list[str]) -> bool:
        """True where the mean over the networks is within the promise, and each within twice that."""
        means = [self.mean(promise, network) for network in networks]
        return statistics.mean(means) <= promise.points + 1e-9 and max(means) <= 2 * promise.points + 1e-9


@dataclass(frozen=True)
class Subject:
    """One network with one calibration subset."""

    prepared: Prepared
    context: Context
    wanted: np.ndarray
    search: WidthSearch
    settings: tuple[Widths, ...]

    def mixed(self, bits: int) -> str:
        """Widths of at most `bits` in the mean, as an option of balance."""
        widest = next(widths for widths in self.settings if widths.mean <= bits + 1e-9)
        uniform = dict.fromkeys(widest.bits, bits)
        start = min((widest.bits, uniform), key=self.search.error)
        return print_widths(self.search.refined(start, bits).bits)

    def built(self, promise: Promise, method: str, widths: str) -> tuple[Graph, float]:
        """The integer network without any gradient, and how long its passes took."""
        return self._run(
            f"balance{{method={method},level_bits={promise.levels},widths={widths}}};"
            f"quantize{{weight_bits={promise.weights},rounding={promise.rounding}}};correct_bias"
        )

    def tuned(self, promise: Promise) -> tuple[Graph, float]:
        """The integer network of tuned thresholds and mixed widths, and how long its passes took."""
        return self._run(
            f"balance{{level_bits={promise.levels},widths={self.mixed(promise.levels)}}};"
            f"tune_thresholds{{rate={RATES[promise.levels]},weight_bits={promise.weights}}};"
            f"quantize{{weight_bits={promise.weights}}}"
        )

    def _run(self, text: str) -> tuple[Graph, float]:
        start = time.perf_counter()
        graph = run_passes(self.prepared, parse(text), self.context).graph
        return graph, time.perf_counter() - start

    def distance(self, graph: Graph) -> float:
        """Mean squared distance of the outputs to the float network's on the calibration images."""
        samples = self.prepared.samples
        found = next(
            iter(evaluate_images(graph, samples.form, samples.images, None, silent).outputs.values())
        )
        return float(np.square(_centred(found) - _centred(self.wanted)).mean())


def _centred(outputs: np.ndarray) -> np.ndarray:
    """Outputs up to a constant per image, which changes no class; a softmax is undone."""
    flat = outputs.reshape(len(outputs), -1).astype(np.float64)
    if flat.min() >= 0 and np.allclose(flat.sum(axis=1), 1, atol=1e-3):
        flat = np.log(np.maximum(flat, 1e-12))
    return flat - flat.mean(axis=1, keepdims=True)


def subject(data: Path, network: Network, subset: int, folder: Path) -> Subject:
    """The network prepared on its `subset`-th random calibration subset."""
    prepared = prepare(data / "models" / network.file, options_for(data, network, folder / "unused"))
    order = np.random.default_rng(subset).permutation(len(prepared.samples.images))
    samples = prepared.samples.chosen(np.sort(order[:SUBSET]))
    prepared = replace(prepared, samples=samples)
    context = context_of(prepared, samples)
    wanted = float_outputs_of(prepared, samples)[0]
    search = WidthSearch(prepared.lowered.graph, context)
    return Subject(prepared, context, wanted, search, search.settings(no_watch))


def measure(data: Path, network: Network, subsets: int, columns: dict[str, Column], folder: Path) -> None:
    """Fill in the columns of one network."""
    found = dataset.load(data / "cifar10.npz")
    session, name = float_session(data, network)
    scores = float_run(session, name, real_inputs(network, found.images))
    real = 100 * float((scores.argmax(axis=1) == found.labels).mean())

    def loss(graph: Graph, case: Subject) -> float:
        form = case.prepared.samples.form
        images = dataset.fit(found.images, form.levels.shape, found.path)
        return real - 100 * evaluate_images(graph, form, images, None, silent).accuracy(found.labels)

    for subset in range(subsets):
        case = subject(data, network, subset, folder)
        for promise in PROMISES:
            settings = _settings(case, promise)
            built = {setting: case.built(promise, *setting) for setting in set(settings.values())}
            tried = {kind: built[setting] for kind, setting in settings.items()}
            tried["chosen"] = min(tried.values(), key=lambda one: case.distance(one[0]))
            if "tuned" in columns:
                tunes = promise.levels in RATES
                tried["tuned"] = case.tuned(promise) if tunes else tried["chosen"]
            for kind, (graph, seconds) in tried.items():
                columns[kind].add(promise, network.file, loss(graph, case), seconds)
        last = columns.get("tuned", columns["chosen"])
        latest = " ".join(
            f"{promise.levels}/{promise.weights} {last.losses[promise, network.file][-1]:.2f}"
            for promise in PROMISES
        )
        print(f"# {network.file}: subset {subset + 1} of {subsets}: {latest}", file=sys.stderr, flush=True)


def _settings(case: Subject, promise: Promise) -> dict[str, tuple[str, str]]:
    """Method and widths of balance."""
    if promise.levels == max(LEVEL_BITS):
        return {"uniform": ("max", ""), "mixed": ("max", "")}  # nothing is left to mix
    return {"uniform": ("mse", ""), "mixed": ("mse", case.mixed(promise.levels))}


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--subsets", type=int, default=5)
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--only", help="networks whose file name holds this")
    chosen = parser.parse_args()
    networks = [network for network in NETWORKS if (chosen.only or "") in network.file]
    names = ["uniform", "mixed", "chosen", *(["tuned"] if chosen.tuned else [])]
    columns = {name: Column() for name in names}
    with tempfile.TemporaryDirectory() as folder:
        for network in networks:
            measure(chosen.data, network, chosen.subsets, columns, Path(folder))
    return report(columns, [network.file for network in networks])


def report(columns: dict[str, Column], networks: list[str]) -> int:
    """Print the losses; 1 where a promise is kept by no column."""
    kept = True
    print(f"{'levels/weights  network':48}" + "".join(f"{name:>10}" for name in columns) + "   promised")
    for promise in PROMISES:
        title = f"{promise.levels}/{promise.weights}"
        for network in networks:
            means = "".join(f"{column.mean(promise, network):10.2f}" for column in columns.values())
            print(f"{title:16}{network:32}{means}   {2 * promise.points:.1f}")
        mean = [statistics.mean(column.mean(promise, n) for n in networks) for column in columns.values()]
        print(
            f"{title:16}{'mean':32}"
            + "".join(f"{value:10.3f}" for value in mean)
            + f"   {promise.points:.1f}"
        )
        kept &= any(column.keeps(promise, networks) for column in columns.values())
    longest = "".join(f"{max(column.seconds):10.1f}" for column in columns.values())
    print(f"{'longest passes, seconds':48}{longest}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
