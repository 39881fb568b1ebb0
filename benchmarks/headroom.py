"""Thresholds beyond those of the images seen: the error on images that were not calibrated on.

    python benchmarks/headroom.py DATA [--divisions 3]

Half of the 512 calibration images calibrate, the others judge: the mean squared distance of the outputs from
the float network's, in thousandths, as means over some divisions. No label and no test image is looked at.
DATA holds cifar10.npz and models/*.onnx.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from cifar import NETWORKS, Network, distance, options_for

from snncc.driver import context_of, float_outputs_of, prepare, run_passes
from snncc.passes.pipeline import parse
from snncc.sim.evaluate import evaluate_images
from snncc_ir.progress import silent

METHODS = ("max", "max:1.1", "max:1.2", "max:1.35", "mse", "mse:1.05", "mse:1.1", "mse:1.2", "mse:1.3")
BITS = (8, 6, 4, 3, 2)


def errors(data: Path, network: Network, division: int) -> dict[tuple[int, str], float]:
    """By level bits and method, for one division of the calibration images."""
    with tempfile.TemporaryDirectory() as folder:
        whole = prepare(data / "models" / network.file, options_for(data, network, Path(folder) / "unused"))
    order = np.random.default_rng(division).permutation(len(whole.samples.images))
    middle = len(order) // 2
    seen, held = (whole.samples.chosen(np.sort(part)) for part in (order[:middle], order[middle:]))
    case = replace(whole, samples=seen)
    context, wanted = context_of(case, seen), float_outputs_of(case, held)[0]
    found = {}
    for bits in BITS:
        for method in METHODS:
            passes = f"balance{{method={method},level_bits={bits}}};quantize;correct_bias"
            graph = run_passes(case, parse(passes), context).graph
            outputs = evaluate_images(graph, held.form, held.images, None, silent).outputs
            found[bits, method] = distance(next(iter(outputs.values())), wanted)
    return found


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--divisions", type=int, default=3)
    chosen = parser.parse_args()
    print("| network, level bits | " + " | ".join(METHODS) + " |")
    print("|---" * (len(METHODS) + 1) + "|")
    for network in NETWORKS:
        found = [errors(chosen.data, network, division) for division in range(chosen.divisions)]
        for bits in BITS:
            means = (statistics.mean(each[bits, method] for each in found) for method in METHODS)
            cells = " | ".join(f"{1000 * mean:.1f}" for mean in means)
            print(f"| {network.file}, {bits} | {cells} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
