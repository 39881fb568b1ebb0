"""The digits network without max-pool on Loihi's stock neurons, beside the phased codes and soft reset.

    python benchmarks/stock_lif.py                     all images of the data file
    python benchmarks/stock_lif.py --early 0 0.1 0.2   other shares by which thresholds are lowered

Exits 1 unless our model of Lava's LIF gives the reference's spikes and sums for the first images.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from snncc import artefact, dataset
from snncc.driver import compile_model
from snncc.options import CompileOptions, PixelScaling
from snncc.sim.evaluate import evaluate_images
from snncc_backends.lava import backend
from snncc_ir.codes import PHASED_CODES
from snncc_ir.encoding import format_of
from snncc_ir.graph import Graph
from snncc_ir.progress import silent
from snncc_ir.streaming import run_streaming

DIGITS = Path(__file__).resolve().parents[1] / "examples" / "digits"
STEPS = (32, 64, 128)
CHECKED = 8
"""Images on which the model is compared with the reference."""


def compiled(options: CompileOptions) -> Graph:
    """The network as an integer graph."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "a.snncc"
        compile_model(DIGITS / "digits_strided.onnx", replace(options, output=out))
        return artefact.read(out).graph


def row(name: str, graph: Graph, steps: int, data: dataset.Dataset) -> None:
    """Print accuracy and costs per image."""
    form = format_of(graph.inputs[0])
    images = dataset.fit(data.images, form.levels.shape, data.path)
    found = evaluate_images(graph, form, images, None, silent)
    spikes, synops = (
        sum(counts.values()) / len(images) for counts in (found.counts.spikes, found.counts.synops)
    )
    print(
        f"{name:34} {steps:5} {found.accuracy(data.labels):8.2%} {spikes:10,.0f} {synops:11,.0f}", flush=True
    )


def is_lif(graph: Graph, data: dataset.Dataset) -> bool:
    """True where our model of Lava's LIF gives the reference's spikes and sums."""
    (node,) = graph.inputs
    form = format_of(node)
    levels = {node.name: form.to_levels(dataset.fit(data.images[:CHECKED], form.levels.shape, data.path))}
    (engine,) = (each for each in backend.engines if each.name == "lif")
    run, wanted = engine.run(graph, backend.machines["loihi1"], levels, silent), run_streaming(graph, levels)
    same = [(run.trains[name] == np.moveaxis(train, 0, 1)).all() for name, train in wanted.trains.items()]
    return all(same) and all((run.outputs[name] == sums[-1]).all() for name, sums in wanted.outputs.items())


def main() -> int:
    """Print the table; 1 where the model differs from the reference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--early", type=float, nargs="+", default=[0.2])
    chosen = parser.parse_args()
    data = dataset.load(DIGITS / "digits.npz")
    lava = CompileOptions(
        output=Path(), target="lava", calibrate=DIGITS / "digits.npz", pixels=PixelScaling(scale=255)
    )
    sim = replace(lava, target="sim")
    same = True
    print(f"{len(data.images)} images\n{'code':34} steps accuracy   spikes/im   synops/im")
    for early in chosen.early:
        for steps in STEPS:
            passes = (
                "balance{method=percentile:99.9,level_bits=1,scope=population};spike_input;"
                f"quantize_lif{{steps={steps},early={early:g}}};choose_code{{code=rate,steps={steps},reset=zero}}"
            )
            graph = compiled(replace(lava, machine="loihi1", passes=passes))
            row(f"rate, stock LIF, early={early:g}", graph, steps, data)
            same &= is_lif(graph, data)
    for steps in STEPS:
        row(
            "rate, reset by subtraction, 4 bits",
            compiled(replace(sim, code="rate", steps=steps)),
            steps,
            data,
        )
    for code in PHASED_CODES:
        graph = compiled(replace(sim, code=code.value))
        row(f"{code.value}, 4 bits", graph, graph.latency * graph.window, data)
    print(f"our model of Lava's LIF gives the reference's integers: {'yes' if same else 'NO'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
