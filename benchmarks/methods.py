"""The published rate codes and `stbif` beside the phased codes, on the CIFAR-10 networks of a data folder.

    python benchmarks/methods.py DATA                  128 images, T = 8 to 128
    python benchmarks/methods.py DATA --images 500 --network resnet8_cifar10_fp32.onnx
    python benchmarks/methods.py DATA --speed          the streaming engine against the reference

`rate` rows of one method are one run: a rate code's first T steps do not depend on how many follow. Exits 1
unless every `stbif` image settles on the levels of the phased codes, with their predictions, and unless
the engine gives the reference's integers.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from cifar import NETWORKS, Network, float_run, float_session, options_for, real_inputs

from snncc import artefact, dataset
from snncc.driver import compile_model
from snncc.passes.published import Published
from snncc.sim.evaluate import Evaluation, evaluate_images
from snncc.sim.streams import StreamEngine
from snncc.sim.trace import Trace, every_step, leave_early
from snncc_ir.codes import PHASED_CODES
from snncc_ir.encoding import format_of
from snncc_ir.graph import Graph
from snncc_ir.progress import silent
from snncc_ir.streaming import run_streaming

STEPS = (8, 16, 32, 64, 128)
MARGIN = 1.0
SPEED_IMAGES, SPEED_STEPS = 4, 32


@dataclass(frozen=True)
class Row:
    """A line of the table; costs and steps per image."""

    code: str
    steps: str
    accuracy: float
    spikes: float
    synops: float

    def __str__(self) -> str:
        return (
            f"{self.code:38} {self.steps:>13} {100 * self.accuracy:8.2f} {self.spikes:13,.0f} "
            f"{self.synops:15,.0f}"
        )


@dataclass(frozen=True)
class Bench:
    """A network, its test images and their labels."""

    data: Path
    network: Network
    pixels: np.ndarray
    labels: np.ndarray

    def graph(self, **options: object) -> Graph:
        """The network compiled with some options changed."""
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "a.snncc"
            base = options_for(self.data, self.network, out)
            compile_model(self.data / "models" / self.network.file, replace(base, **options))
            return artefact.read(out).graph

    def run(self, graph: Graph, engine: str) -> Evaluation:
        """All images through one engine."""
        form = format_of(graph.inputs[0])
        images = dataset.fit(self.pixels, form.levels.shape, self.data)
        return evaluate_images(graph, form, images, engine, silent)

    def phased(self) -> Iterator[tuple[Row, np.ndarray]]:
        """A row for every phased code, with its predictions."""
        for code in PHASED_CODES:
            found = self.run(self.graph(code=code.value), "levels")
            costs = (sum(part.values()) / found.images for part in (found.counts.spikes, found.counts.synops))
            accuracy = found.accuracy(self.labels)
            yield Row(f"{code.value}, 4 bits", str(found.steps), accuracy, *costs), found.predictions

    def rate(self, name: str, **options: object) -> Iterator[Row]:
        """A row for each number of steps, and one for leaving early."""
        trace = traced(self.run(self.graph(steps=STEPS[-1], **options), "spikes"))
        rows = every_step(trace, self.labels)
        for steps in STEPS:
            row = rows[steps - 1]
            yield Row(f"rate, {name}", str(steps), row.accuracy or 0.0, row.spikes, row.synops)
        left = leave_early(trace, self.labels, MARGIN)
        label = f"rate, {name}, margin {MARGIN:g}"
        yield Row(label, f"{left.steps:.1f} (mean)", left.accuracy or 0.0, left.spikes, left.synops)

    def stbif(self) -> tuple[Row, Trace]:
        """The row of `stbif`, with its trace."""
        trace = traced(self.run(self.graph(code="stbif"), "spikes"))
        last = every_step(trace, self.labels)[-1]
        steps = f"{trace.settled.mean():.1f} (mean)"
        return Row("stbif, 4 bits", steps, last.accuracy or 0.0, last.spikes, last.synops), trace


def traced(found: Evaluation) -> Trace:
    """The trace of a streaming run with a readout."""
    if found.trace is None:
        raise ValueError("the run has no trace")
    return found.trace


def table(bench: Bench) -> bool:
    """Print one network's rows; False where `stbif` is not the phased codes."""
    session, name = float_session(bench.data, bench.network)
    scores = float_run(session, name, real_inputs(bench.network, bench.pixels))
    real = 100 * float((scores.argmax(axis=1) == bench.labels).mean())
    print(f"\n{bench.network.file}, {len(bench.labels)} images, float network {real:.2f} %")
    print(f"{'code':38} {'steps/image':>13} {'accuracy':>8} {'spikes/image':>13} {'synops/image':>15}")
    predictions = []
    for row, predicted in bench.phased():
        print(row, flush=True)
        predictions.append(predicted)
    row, trace = bench.stbif()
    print(row, flush=True)
    for name, options in (
        ("Rueckauer", {"published": Published.RUECKAUER}),
        ("Lu and Sengupta, 8-bit weights", {"published": Published.LU_SENGUPTA}),
        ("our thresholds and biases", {"code": "rate"}),
    ):
        for line in bench.rate(name, **options):
            print(line, flush=True)
    exact = trace.exact is not None and bool(trace.exact.all())
    same = all((predicted == trace.predictions[-1]).all() for predicted in predictions)
    settled = trace.settled
    print(
        f"stbif settles after {settled.mean():.1f} steps on average, {np.median(settled):g} in the median, "
        f"{settled.max()} at most; on the phased levels: {'yes' if exact else 'NO'}; same predictions as "
        f"every phased code: {'yes' if same else 'NO'}"
    )
    return exact and same


def speed(bench: Bench) -> bool:
    """Print the streaming engine's images per second beside the reference's; False where they differ."""
    kept = True
    for code, options in (("rate", {"code": "rate", "steps": SPEED_STEPS}), ("stbif", {"code": "stbif"})):
        graph = bench.graph(**options)
        form = format_of(graph.inputs[0])
        images = dataset.fit(bench.pixels[:SPEED_IMAGES], form.levels.shape, bench.data)
        feed = {graph.inputs[0].name: form.to_levels(images)}
        engine = StreamEngine(graph)
        engine.run(feed)
        start = time.perf_counter()
        ours = engine.run(feed)
        middle = time.perf_counter()
        theirs = run_streaming(graph, feed, keep_trains=False)
        end = time.perf_counter()
        equal = all((ours.counts[name] == counts).all() for name, counts in theirs.counts.items())
        equal &= all((ours.outputs[name] == drives).all() for name, drives in theirs.outputs.items())
        equal &= ours.costs == theirs.costs
        kept &= equal
        fast, slow = SPEED_IMAGES / (middle - start), SPEED_IMAGES / (end - middle)
        print(
            f"{bench.network.file:32} {code:6} {slow:10.2f} {fast:8.2f} {fast / slow:8.1f}  "
            f"{'yes' if equal else 'NO'}",
            flush=True,
        )
    return kept


def main() -> int:
    """Print the table of every network, or the speeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--network", choices=[network.file for network in NETWORKS], action="append")
    parser.add_argument("--speed", action="store_true")
    chosen = parser.parse_args()
    found = dataset.load(chosen.data / "cifar10.npz")
    if chosen.speed:
        print("network                          code    reference   engine  speed-up  same integers")
    kept = True
    for network in NETWORKS:
        if chosen.network and network.file not in chosen.network:
            continue
        bench = Bench(chosen.data, network, found.images[: chosen.images], found.labels[: chosen.images])
        kept &= speed(bench) if chosen.speed else table(bench)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
