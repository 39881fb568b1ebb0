"""snncc beside spiking frameworks and ONNX Runtime, and the goals of its engine: benchmarks/RESULTS.md.

    python benchmarks/peers.py DATA            every network, batch and number of threads
    python benchmarks/peers.py DATA --quick    what the goals need

`make peers` makes the environments. The engines run in turn, each in a process of its own; figures are
medians of rounds: with one thread processor time, with two elapsed time. A framework with two ways to run
a network (step by step, layer by layer) is timed in the faster one. Exits 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import peer_extras
from peer_engines import (
    ENVIRONMENTS,
    EVERY,
    FLOAT,
    FULL,
    INT8,
    LEVELS,
    PEERS,
    QUICK,
    RATE,
    STATIC,
    Engine,
    Setting,
    Timing,
    measure,
    workers,
)  # fmt: skip
from peer_extras import Goal
from peer_networks import RANDOM, STEPS, TRAINED_NETWORKS, Network, trained, write

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
MAIN = Setting(64, 1)
SETTINGS = (MAIN, Setting(1, 1), Setting(64, 2), Setting(1, 2))
CLOSE = 0.005
"""Points of accuracy, as a share, that a rate code may lack."""


@dataclass(frozen=True)
class Row:
    """A network's timings in one setting."""

    network: str
    setting: Setting
    times: Mapping[Engine, Timing]

    def ratio(self, engine: Engine, to: Engine) -> float:
        """How many times as long `engine` takes as `to`."""
        return self.times[engine].seconds / self.times[to].seconds

    def fastest_peer(self) -> Engine:
        """Of the spiking frameworks and plain PyTorch."""
        return min(PEERS, key=lambda peer: self.times[peer].seconds)


def rows(net: Network, folder: Path, quick: bool) -> Iterator[Row]:
    """A network in all settings; a quick run times the frameworks where a goal speaks of them alone."""
    engines = EVERY if not quick or net.name in ("vgg9", "lenet5") else STATIC
    settings = SETTINGS if not quick else (MAIN, Setting(1, 1)) if engines is STATIC else (MAIN,)
    with workers(engines) as running:
        for setting in settings:
            if takes(folder, setting.batch):
                yield Row(net.name, setting, measure(running, folder, setting, QUICK if quick else FULL))


def takes(folder: Path, batch: int) -> bool:
    """Whether the ONNX file takes this batch: some have one of their own."""
    size = peer_extras.batch_of(folder / "float.onnx")
    return size in (None, batch)


def table(found: Sequence[Row]) -> list[str]:
    """Milliseconds per image; below, how many times as long as `levels`."""
    names = [engine.name for engine in EVERY]
    lines = [
        "| network | batch | threads | density | " + " | ".join(names) + " |",
        "|---" * (4 + len(names)) + "|",
    ]
    for row in found:
        density = row.times[RATE].density if RATE in row.times else None
        head = f"| {row.network} | {row.setting.batch} | {row.setting.threads} | "
        head += "- | " if density is None else f"{density:.0%} | "
        cells = [_cell(row, engine) for engine in EVERY]
        lines.append(head + " | ".join(cells) + " |")
    return lines


def _cell(row: Row, engine: Engine) -> str:
    if engine not in row.times:
        return "-"
    shown = f"{1e3 * row.times[engine].seconds:.3g}"
    return shown if engine is LEVELS else f"{shown} ({row.ratio(engine, LEVELS):.3g})"


def memory(found: Sequence[Row]) -> list[str]:
    """Of every engine's process on VGG-9 at batch 64."""
    (row,) = (row for row in found if row.network == "vgg9" and row.setting == MAIN)
    cells = [f"{engine.name} {row.times[engine].memory:,.0f}" for engine in EVERY]
    ways = [f"{peer.name} {row.times[peer].way}" for peer in PEERS]
    return [
        f"MiB of a process that ran VGG-9 at batch 64, at most: {', '.join(cells)}.",
        f"The faster way there: {', '.join(ways)}.",
    ]


def goals(found: Sequence[Row]) -> list[Goal]:
    """What the rows must show."""
    at = {row.network: row for row in found if row.setting == MAIN}
    vgg, lenet = at["vgg9"], at["lenet5"]
    whole = [row for row in at.values() if INT8 in row.times]
    return [
        *(Goal(f"VGG-9: {p.name} at T = {STEPS} / levels", vgg.ratio(p, LEVELS), 30) for p in PEERS),
        Goal("LeNet-5: fastest peer / levels", lenet.ratio(lenet.fastest_peer(), LEVELS), 10),
        Goal("VGG-9: fastest peer / rate", vgg.ratio(vgg.fastest_peer(), RATE), 6),
        Goal("LeNet-5: fastest peer / rate", lenet.ratio(lenet.fastest_peer(), RATE), 3),
        Goal(f"geometric mean of {len(whole)} networks: ORT int8 / levels", _mean(whole, INT8), 1),
        Goal(f"geometric mean of {len(whole)} networks: ORT float32 / levels", _mean(whole, FLOAT), 3.2),
    ]


def _mean(found: Sequence[Row], engine: Engine) -> float:
    return math.exp(sum(math.log(row.ratio(engine, LEVELS)) for row in found) / len(found))


def same_accuracy(net: Network, folder: Path) -> str | None:
    """The peers at the steps that `rate` needs to come within half a point of `levels`, one round."""
    accuracy, steps = peer_extras.steps_needed(net, folder, CLOSE)
    start = f"| {net.name} | {accuracy:.2%} | "
    if steps is None:
        return f"{start}more than {peer_extras.LONGEST} | " + " | ".join("-" for _ in (RATE, *PEERS)) + " |"
    engines = (LEVELS, RATE, *PEERS)
    with workers(engines) as running:
        row = Row(net.name, MAIN, measure(running, folder, Setting(MAIN.batch, 1, steps), QUICK))
    return f"{start}{steps} | " + " | ".join(_cell(row, engine) for engine in engines[1:]) + " |"


def machine() -> str:
    """Processor, threads, and load at the start."""
    name = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else ():
        if line.startswith("model name"):
            name = line.partition(":")[2].strip()
            break
    return f"{name}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"


def main() -> int:
    """Measure, print, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--results", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    lacking = [
        peer.name for peer in EVERY if peer.environment and not (ENVIRONMENTS / peer.environment).is_dir()
    ]
    if lacking:
        print(f"peers: {', '.join(lacking)} have no environment; run make peers", file=sys.stderr)
        return 1
    lines = [
        "# Engines compared",
        "",
        f"`python benchmarks/peers.py DATA{' --quick' if chosen.quick else ''}` on {machine()}.",
        "",
    ]
    found: list[Row] = []
    steps: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        for name in (*RANDOM, *TRAINED_NETWORKS):
            folder = Path(place) / name
            folder.mkdir()
            net = RANDOM[name]() if name in RANDOM else trained(TRAINED_NETWORKS[name], chosen.data)
            write(net, folder)
            for row in rows(net, folder, chosen.quick):
                found.append(row)
                print(table([row])[-1], flush=True)
            if not chosen.quick and net.labels is not None and net.pixels is not None:
                steps.append(same_accuracy(net, folder) or "")
        reached = [*goals(found), *peer_extras.goals(Path(place))]
        lines += [INTRODUCTION, "", *table(found), "", *memory(found), "", *_steps_table(steps)]
        lines += peer_extras.sizes(Path(place), quick=chosen.quick)
    lines += [
        "",
        "## Goals",
        "",
        "| figure | reached | goal |",
        "|---|---|---|",
        *(goal.row for goal in reached),
        "",
    ]
    chosen.results.write_text("\n".join(lines))
    print("\n".join(lines[-len(reached) - 4 :]))
    return 0 if all(goal.met for goal in reached) else 1


INTRODUCTION = f"""\
Milliseconds per image, and in brackets how many times as long as `levels` that is. `levels` and `rate` are
snncc's native engine on the same network, at 4-bit levels with spikes and synaptic operations counted, and at
T = {STEPS} steps of the classic rate code. The frameworks and plain PyTorch run that rate network in
float32; ONNX Runtime (ORT) runs the float network once. One thread: processor time; two: elapsed time.
Medians of rounds in which the engines take turns; what takes seconds has fewer rounds. `density` is spikes
per neuron and step of `rate`. lenet5, vgg9 and resnet18 have random weights."""


def _steps_table(steps: Sequence[str]) -> list[str]:
    if not steps:
        return []
    names = ["rate", *(peer.name for peer in PEERS)]
    return [
        "At the accuracy of `levels`: from T on the rate code, simulated by snncc, stays within half a point "
        "of it. Batch 64, one thread.",
        "",
        "| network | accuracy of levels | T | " + " | ".join(names) + " |",
        "|---" * (3 + len(names)) + "|",
        *steps,
        "",
    ]


if __name__ == "__main__":
    sys.exit(main())
