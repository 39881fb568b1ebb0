"""The digits network in every phased code, spike by spike: accuracy, spikes, synaptic operations, steps.

    python benchmarks/codes.py                  both widths, all 1,000 digits
    python benchmarks/codes.py --bits 4 --limit 100

Exits 1 unless every code gives the same levels of every population, and the same outputs, for every image.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snncc import artefact, dataset
from snncc.driver import compile_model
from snncc.frontend.calibrate import float_outputs
from snncc.frontend.load import load
from snncc.options import CompileOptions, PixelScaling
from snncc.sim.spikes import SpikeEngine
from snncc_ir.codes import PHASED_CODES
from snncc_ir.costs import NO_COUNTS, Counts
from snncc_ir.encoding import format_of
from snncc_ir.graph import Graph
from snncc_ir.nodes import Readout

DIGITS = Path(__file__).resolve().parents[1] / "examples" / "digits"
BATCH = 20


def compiled(model: Path, data: Path, bits: int, code: str, folder: Path) -> Graph:
    """The model compiled for simulation in one code."""
    out = folder / f"{bits}-{code}.snncc"
    options = CompileOptions(
        output=out, target="sim", calibrate=data, pixels=PixelScaling(scale=255.0), level_bits=bits, code=code
    )
    compile_model(model, options)
    return artefact.read(out).graph


@dataclass(frozen=True)
class Run:
    """What one code made of all images: a digest of every population's levels, class scores, costs."""

    digest: str
    scores: np.ndarray
    costs: Counts


def run_all(graph: Graph, images: np.ndarray) -> Run:
    """Run every spike of every image, batch by batch."""
    engine, (node,) = SpikeEngine(graph), graph.inputs
    form = format_of(node)
    (readout,) = (node.name for node in graph.of_type(Readout))
    state, scores, costs = hashlib.sha256(), [], NO_COUNTS
    for first in range(0, len(images), BATCH):
        run = engine.run({node.name: form.to_levels(images[first : first + BATCH])})
        for name in sorted(run.levels):
            state.update(run.levels[name].astype(np.int16).tobytes())
        scores.append(run.outputs[readout])
        costs = costs + run.costs
    return Run(state.hexdigest(), np.concatenate(scores), costs)


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
    images = dataset.fit(data.images[: chosen.limit], model.input.shape, data.path)
    labels = data.labels[: chosen.limit]
    (real,) = float_outputs(model, [(images / np.float32(255)).astype(np.float32)])
    float_accuracy = float((real.reshape(len(images), -1).argmax(axis=1) == labels).mean())
    print(f"{len(images)} images, float network: accuracy {float_accuracy:.2%}")
    print("levels  code    accuracy   loss  spikes/image  synops/image  steps/image  same levels and outputs")
    same = True
    with tempfile.TemporaryDirectory() as folder:
        for bits in chosen.bits:
            first = None
            for code in PHASED_CODES:
                graph = compiled(chosen.model, chosen.data, bits, code.value, Path(folder))
                run = run_all(graph, images)
                found = (run.digest, run.scores.tobytes())
                first = first or found
                same &= found == first
                accuracy = float((run.scores.argmax(axis=1) == labels).mean())
                print(
                    f"{bits} bits  {code.value:7} {accuracy:8.2%} {100 * (float_accuracy - accuracy):5.2f} "
                    f"{sum(run.costs.spikes.values()) / len(images):14.0f} "
                    f"{sum(run.costs.synops.values()) / len(images):13.0f} {graph.latency * graph.window:12} "
                    f" {'yes' if found == first else 'NO'}"
                )
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
