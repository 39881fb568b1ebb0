"""The digits network in every phased code, spike by spike: accuracy, spikes, synaptic operations, steps.

    python benchmarks/codes.py                  both widths, all 1,000 digits
    python benchmarks/codes.py --bits 4 --limit 100

Exits 1 unless every code gives the same levels of every population, and the same outputs, for every image.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from snncc import artefact, dataset
from snncc.driver import CompileOptions, PixelScaling, compile_model
from snncc.frontend.calibrate import float_outputs
from snncc.frontend.load import load
from snncc.sim.spikes import PhasedRun, SpikeEngine
from snncc_ir.codes import PHASED_CODES
from snncc_ir.costs import NO_COUNTS
from snncc_ir.encoding import format_of
from snncc_ir.graph import Graph
from snncc_ir.nodes import Readout

DIGITS = Path(__file__).resolve().parents[1] / "examples" / "digits"
BATCH = 50


def compiled(model: Path, data: Path, bits: int, code: str, folder: Path) -> Graph:
    """The model compiled for simulation in one code."""
    out = folder / f"{bits}-{code}.snncc"
    options = CompileOptions(
        output=out, target="sim", calibrate=data, pixels=PixelScaling(scale=255.0), level_bits=bits, code=code
    )
    compile_model(model, options)
    return artefact.read(out).graph


def run_all(graph: Graph, images: np.ndarray) -> tuple[list[PhasedRun], np.ndarray]:
    """Every spike of every image, batch by batch, and the class scores."""
    engine, (node,) = SpikeEngine(graph), graph.inputs
    form = format_of(node)
    runs = [engine.run({node.name: form.to_levels(images[i : i + BATCH])}) for i in range(0, len(images), BATCH)]
    (readout,) = (node.name for node in graph.of_type(Readout))
    return runs, np.concatenate([run.outputs[readout] for run in runs])


def digest(runs: list[PhasedRun]) -> list[bytes]:
    """The levels of every population, batch by batch."""
    return [b"".join(run.levels[name].astype(np.int16).tobytes() for name in sorted(run.levels)) for run in runs]


def main() -> int:
    """Print the table; 1 where two codes differ."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--model", type=Path, default=DIGITS / "digits.onnx")
    options.add_argument("--data", type=Path, default=DIGITS / "digits.npz")
    options.add_argument("--bits", type=int, nargs="+", default=[8, 4])
    options.add_argument("--limit", type=int)
    chosen = options.parse_args()
    data = dataset.load(chosen.data)
    model = load(chosen.model)
    images = dataset.fit(data.images[: chosen.limit], model.shape, data.path)
    labels = data.labels[: chosen.limit]
    real = float_outputs(model, [(images / np.float32(255)).astype(np.float32)])
    float_accuracy = float((real.reshape(len(images), -1).argmax(axis=1) == labels).mean())
    print(f"{len(images)} images, float network: accuracy {float_accuracy:.2%}")
    print("levels  code    accuracy   loss  spikes/image  synops/image  steps/image  same levels and outputs")
    same = True
    with tempfile.TemporaryDirectory() as folder:
        for bits in chosen.bits:
            first = None
            for code in PHASED_CODES:
                graph = compiled(chosen.model, chosen.data, bits, code.value, Path(folder))
                runs, scores = run_all(graph, images)
                found = (digest(runs), scores.tobytes())
                first = first or found
                same &= found == first
                accuracy = float((scores.argmax(axis=1) == labels).mean())
                costs = sum((run.costs for run in runs), NO_COUNTS)
                print(
                    f"{bits} bits  {code.value:7} {accuracy:8.2%} {100 * (float_accuracy - accuracy):5.2f} "
                    f"{sum(costs.spikes.values()) / len(images):14.0f} "
                    f"{sum(costs.synops.values()) / len(images):13.0f} {graph.latency * graph.window:12} "
                    f" {'yes' if found == first else 'NO'}"
                )
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
