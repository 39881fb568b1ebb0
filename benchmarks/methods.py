"""The published rate codes and `stbif` beside the phased codes, on the CIFAR-10 networks of a data folder.

    python benchmarks/methods.py DATA                  128 images, T = 8 to 128
    python benchmarks/methods.py DATA --images 2000 --minutes 60
    python benchmarks/methods.py DATA --network resnet8_cifar10_fp32.onnx --method rueckauer
    python benchmarks/methods.py DATA --speed          the streaming engines against the reference

Images go through all methods block by block; once --minutes are over for a network no further block is taken,
and the table says how many images there were. `rate` rows of one method are one run: a rate code's first T
steps do not depend on how many follow. Exits 1 unless every `stbif` image settles on the levels of the phased
codes, with their predictions, and unless the engine gives the reference's integers.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from cifar import NETWORKS, Network, float_run, float_session, options_for, real_inputs

from snncc import artefact, dataset
from snncc.driver import compile_model
from snncc.passes.published import Published
from snncc.sim.evaluate import Evaluation, evaluate_images
from snncc.sim.native.streams import NativeStreamEngine
from snncc.sim.streams import StreamEngine
from snncc.sim.trace import Trace, every_step, leave_early
from snncc_ir.codes import PHASED_CODES
from snncc_ir.encoding import format_of
from snncc_ir.graph import Graph
from snncc_ir.progress import silent
from snncc_ir.streaming import run_streaming

BLOCK = 128
STEPS = (8, 16, 32, 64, 128)
MARGIN = 1.0
SPEED_IMAGES, SPEED_STEPS = 4, 32


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table, over some images; costs and steps per image."""

    code: str
    images: int
    steps: float
    accuracy: float
    spikes: float
    synops: float
    varies: bool = False

    def __str__(self) -> str:
        steps = f"{self.steps:.1f} (mean)" if self.varies else f"{self.steps:g}"
        return (
            f"{self.code:38} {steps:>13} {100 * self.accuracy:8.2f} {self.spikes:13,.0f} {self.synops:15,.0f}"
        )


def merged(rows: Sequence[Row]) -> Row:
    """One line for all images of several."""
    images = sum(row.images for row in rows)

    def mean(name: str) -> float:
        return sum(getattr(row, name) * row.images for row in rows) / images

    means = {name: mean(name) for name in ("steps", "accuracy", "spikes", "synops")}
    return replace(rows[0], images=images, **means)


class Method(ABC):
    """A way to run a network; `name` chooses it by `--method`."""

    def __init__(self, name: str, **options: object) -> None:
        self.name, self.options = name, options

    @abstractmethod
    def rows(self, bench: Bench, part: slice) -> Iterator[Row]:
        """The rows for some images."""


class PhasedCode(Method):
    """A phased code; its predictions are kept for comparison."""

    def rows(self, bench: Bench, part: slice) -> Iterator[Row]:
        found = bench.run(self, None, part)
        bench.predictions.append((part, found.predictions))
        spikes, synops = (sum(c.values()) / found.images for c in (found.counts.spikes, found.counts.synops))
        accuracy = found.accuracy(bench.labels[part])
        code = f"{self.name}, 4 bits"
        yield Row(
            code=code, images=found.images, steps=found.steps, accuracy=accuracy, spikes=spikes, synops=synops
        )


class RateCode(Method):
    """A rate conversion: a row for each number of steps, and one for leaving early."""

    def __init__(self, name: str, label: str, **options: object) -> None:
        super().__init__(name, steps=STEPS[-1], **options)
        self.label = f"rate, {label}"

    def rows(self, bench: Bench, part: slice) -> Iterator[Row]:
        trace = traced(bench.run(self, None, part))
        labels = bench.labels[part]
        steps = every_step(trace, labels)
        for number in STEPS:
            row = steps[number - 1]
            yield Row(
                code=self.label, images=len(labels), steps=number, accuracy=row.accuracy or 0.0,
                spikes=row.spikes, synops=row.synops,
            )  # fmt: skip
        left = leave_early(trace, labels, MARGIN)
        yield Row(
            code=f"{self.label}, margin {MARGIN:g}", images=len(labels), steps=left.steps,
            accuracy=left.accuracy or 0.0, spikes=left.spikes, synops=left.synops, varies=True,
        )  # fmt: skip


class Settling(Method):
    """`stbif`; its traces are kept for comparison."""

    def rows(self, bench: Bench, part: slice) -> Iterator[Row]:
        trace = traced(bench.run(self, None, part))
        bench.settled.append((part, trace))
        last = every_step(trace, bench.labels[part])[-1]
        yield Row(
            code="stbif, 4 bits", images=len(trace.settled), steps=float(trace.settled.mean()),
            accuracy=last.accuracy or 0.0, spikes=last.spikes, synops=last.synops, varies=True,
        )  # fmt: skip


METHODS: tuple[Method, ...] = (
    *(PhasedCode(code.value, code=code.value) for code in PHASED_CODES),
    Settling("stbif", code="stbif"),
    RateCode("rueckauer", "Rueckauer", published=Published.RUECKAUER),
    RateCode("lu-sengupta", "Lu and Sengupta, 8-bit weights", published=Published.LU_SENGUPTA),
    RateCode(
        "lu-sengupta-1", "Lu and Sengupta, 1-bit weights", published=Published.LU_SENGUPTA, weight_bits=1
    ),
    RateCode("ours", "our thresholds and biases", code="rate"),
)


@dataclass
class Bench:
    """A network, its test images and their labels, and what has been measured of it."""

    data: Path
    network: Network
    pixels: np.ndarray
    labels: np.ndarray
    graphs: dict[str, Graph] = field(default_factory=dict)
    predictions: list[tuple[slice, np.ndarray]] = field(default_factory=list)
    settled: list[tuple[slice, Trace]] = field(default_factory=list)

    def graph(self, **options: object) -> Graph:
        """The network compiled with some options changed."""
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "a.snncc"
            base = options_for(self.data, self.network, out)
            compile_model(self.data / "models" / self.network.file, replace(base, **options))
            return artefact.read(out).graph

    def run(self, method: Method, engine: str | None, part: slice) -> Evaluation:
        """Some images through one engine."""
        if method.name not in self.graphs:
            self.graphs[method.name] = self.graph(**method.options)
        graph = self.graphs[method.name]
        form = format_of(graph.inputs[0])
        images = dataset.fit(self.pixels[part], form.levels.shape, self.data)
        return evaluate_images(graph, form, images, engine, silent)

    def rows(self, methods: Sequence[Method], minutes: float) -> list[Row]:
        """The rows of all methods, on as many blocks of images as the time allows, one at least."""
        start, blocks = time.monotonic(), []
        for first in range(0, len(self.labels), BLOCK):
            if blocks and time.monotonic() - start > 60 * minutes:
                break
            part = slice(first, min(first + BLOCK, len(self.labels)))
            blocks.append([row for method in methods for row in method.rows(self, part)])
        return [merged(rows) for rows in zip(*blocks, strict=True)]

    def is_exact(self) -> bool:
        """True where `stbif` settled on the phased levels, and all exact codes gave the same predictions."""
        if not self.settled:
            return True
        exact = all(trace.exact is not None and bool(trace.exact.all()) for _, trace in self.settled)
        final = {part.start: trace.predictions[-1] for part, trace in self.settled}
        same = all((found == final[part.start]).all() for part, found in self.predictions)
        steps = np.concatenate([trace.settled for _, trace in self.settled])
        print(
            f"stbif settles after {steps.mean():.1f} steps on average, {np.median(steps):g} in the median, "
            f"{steps.max()} at most; on the phased levels: {'yes' if exact else 'NO'}; same predictions as "
            f"every phased code: {'yes' if same else 'NO'}"
        )
        return exact and same


def traced(found: Evaluation) -> Trace:
    """The trace of a streaming run with a readout."""
    if found.trace is None:
        raise ValueError("the run has no trace")
    return found.trace


def table(bench: Bench, methods: Sequence[Method], minutes: float) -> bool:
    """Print one network's rows; False where `stbif` is not the phased codes."""
    rows = bench.rows(methods, minutes)
    count = rows[0].images
    session, name = float_session(bench.data, bench.network)
    scores = float_run(session, name, real_inputs(bench.network, bench.pixels[:count]))
    real = 100 * float((scores.argmax(axis=1) == bench.labels[:count]).mean())
    print(f"\n{bench.network.file}, {count} images, float network {real:.2f} %")
    print(f"{'code':38} {'steps/image':>13} {'accuracy':>8} {'spikes/image':>13} {'synops/image':>15}")
    for row in rows:
        print(row)
    return bench.is_exact()


def speed(bench: Bench) -> bool:
    """Print images per second of both engines beside the reference's; False where any differ."""
    kept = True
    for code, options in (("rate", {"code": "rate", "steps": SPEED_STEPS}), ("stbif", {"code": "stbif"})):
        graph = bench.graph(**options)
        form = format_of(graph.inputs[0])
        images = dataset.fit(bench.pixels[:SPEED_IMAGES], form.levels.shape, bench.data)
        feed = {graph.inputs[0].name: form.to_levels(images)}
        start = time.perf_counter()
        theirs = run_streaming(graph, feed, keep_trains=False)
        seconds, equal = [time.perf_counter() - start], True
        for engine in (StreamEngine(graph), NativeStreamEngine(graph)):
            engine.run(feed)
            start = time.perf_counter()
            ours = engine.run(feed)
            seconds.append(time.perf_counter() - start)
            equal &= all((ours.counts[name] == counts).all() for name, counts in theirs.counts.items())
            equal &= all((ours.outputs[name] == drives).all() for name, drives in theirs.outputs.items())
            equal &= ours.costs == theirs.costs
        kept &= equal
        slow, portable, native = (SPEED_IMAGES / one for one in seconds)
        rates = f"{slow:10.2f} {portable:9.2f} {native:8.2f} {native / portable:9.1f}"
        print(f"{bench.network.file:32} {code:6} {rates}  {'yes' if equal else 'NO'}", flush=True)
    return kept


def main() -> int:
    """Print the table of every network, or the speeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=BLOCK)
    parser.add_argument("--minutes", type=float, default=60.0, help="per network")
    parser.add_argument("--network", choices=[network.file for network in NETWORKS], action="append")
    parser.add_argument("--method", choices=[method.name for method in METHODS], action="append")
    parser.add_argument("--speed", action="store_true")
    chosen = parser.parse_args()
    found = dataset.load(chosen.data / "cifar10.npz")
    methods = [method for method in METHODS if not chosen.method or method.name in chosen.method]
    if chosen.speed:
        print(
            "network                          code    reference  portable   native  speed-up  same integers"
        )
    kept = True
    for network in NETWORKS:
        if chosen.network and network.file not in chosen.network:
            continue
        bench = Bench(chosen.data, network, found.images[: chosen.images], found.labels[: chosen.images])
        kept &= speed(bench) if chosen.speed else table(bench, methods, chosen.minutes)
        sys.stdout.flush()
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
