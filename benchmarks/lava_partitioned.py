"""Networks cut to cores, run by Lava: a process for each slice, and every spike that of the reference.

    python benchmarks/lava_partitioned.py          the digits network of examples/digits
    python benchmarks/lava_partitioned.py DATA     that, and ResNet-8 with images of the data folder
    python benchmarks/lava_partitioned.py --images 5 --code count

Exits 1 unless spikes and sums of every population and readout are equal.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snncc import artefact, dataset
from snncc.driver import compile_model
from snncc.emitted import machine_of
from snncc.options import CompileOptions, PixelScaling
from snncc_backends.lava import backend
from snncc_ir.backend import EngineRun
from snncc_ir.encoding import format_of
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.progress import silent
from snncc_ir.spiking import run_phased

DIGITS = Path(__file__).resolve().parents[1] / "examples" / "digits"


@dataclass(frozen=True)
class Network:
    """A model, its images, and what a pixel stands for."""

    model: Path
    data: Path
    pixels: PixelScaling


def networks(data: Path | None) -> Iterator[Network]:
    """The digits network, and that of a data folder."""
    yield Network(DIGITS / "digits.onnx", DIGITS / "digits.npz", PixelScaling(scale=255))
    if data is not None:
        yield Network(data / "models" / "resnet8_cifar10_fp32.onnx", data / "cifar10.npz", PixelScaling())


@dataclass(frozen=True)
class Cut:
    """A network that was compiled slice by slice."""

    found: artefact.Artefact
    cores: int
    processes: int


def compiled(network: Network, code: str) -> Cut:
    """The artefact, and the cores and processes that it takes."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "a.snncc"
        options = CompileOptions(
            output=out,
            target="lava",
            partition=True,
            code=code,
            calibrate=network.data,
            pixels=network.pixels,
        )
        made = compile_model(network.model, options)
        cells = json.loads((out / "lava" / "network.json").read_text(encoding="utf-8"))["cells"]
        return Cut(artefact.read(out), made.summary["fit"]["cores"], len(cells))


def row(network: Network, code: str, images: int) -> bool:
    """Compile, run and compare one network; print its row."""
    cut = compiled(network, code)
    graph, data = cut.found.graph, dataset.load(network.data)
    form = format_of(graph.inputs[0])
    levels = form.to_levels(dataset.fit(data.images[:images], form.levels.shape, data.path))
    inputs = {graph.inputs[0].name: levels}
    start = time.perf_counter()
    run = backend.engines[0].run(graph, machine_of(cut.found), inputs, silent)
    seconds, same = time.perf_counter() - start, is_reference(graph, inputs, run)
    spikes = sum(int((train != 0).sum()) for train in run.trains.values())
    print(
        f"{network.model.stem:22} {code:7} {cut.cores:5} {cut.processes:9} {len(levels):6} {run.steps:5} "
        f"{seconds:7.1f} {spikes:8,} {'yes' if same else 'NO'}",
        flush=True,
    )
    return same


def is_reference(graph: Graph, inputs: dict[str, np.ndarray], run: EngineRun) -> bool:
    """True where Lava sent the spikes of the reference and added up its sums."""
    wanted = run_phased(graph, {name: levels[None] for name, levels in inputs.items()})
    trains = {name: train[0] for name, train in wanted.trains.items()}
    sums = {name: values[0] for name, values in wanted.outputs.items()}
    return _same(run.trains, trains) and _same(run.outputs, sums)


def _same(got: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> bool:
    return got.keys() == wanted.keys() and all(np.array_equal(got[name], wanted[name]) for name in wanted)


def main() -> int:
    """Print the table; 1 where a network differs from the reference, or Lava is not there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--images", type=int, default=3)
    parser.add_argument("--code", default="radix")
    chosen = parser.parse_args()
    missing = backend.engines[0].missing()
    if missing:
        print(f"not run: {missing}", file=sys.stderr)
        return 1
    print("network                code    cores processes images steps seconds   spikes equal")
    try:
        same = [row(network, chosen.code, chosen.images) for network in networks(chosen.data)]
    except SnnccError as error:
        print(f"not run: {error}", file=sys.stderr)
        return 1
    return 0 if all(same) else 1


if __name__ == "__main__":
    sys.exit(main())
