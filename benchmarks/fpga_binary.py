"""Estimated resources of networks on binary lanes against those that Yosys finds.

    python benchmarks/fpga_binary.py            networks that nothing was fitted to: estimate, result, error
    python benchmarks/fpga_binary.py DATA       ... and CNV W1A1 at P = 32 and 64
    python benchmarks/fpga_binary.py --fit      the factors of the binary lanes, from three other networks

Synthesis for ECP5 without place and route, half a minute to two minutes each; a carry counts as two LUTs. The
networks have random weights: three convolutions of 3 x 3 with C, 2C and 4C channels and a dense layer on
images of 3 x 12 x 12; in mixed ones the first and the last layer have 8-bit weights. Errors are printed, not
judged.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np
from fpga_cnv import CYCLES, pixel_network

from snncc_backends.fpga.build import design_of, resources_of
from snncc_backends.fpga.estimate import (
    FLIP_FLOP_FACTORS,
    LUT_FACTORS,
    Parts,
    estimate,
    flip_flop_parts,
    lut_parts,
)
from snncc_backends.fpga.tables.assemble import build_tables
from snncc_backends.fpga.tables.tables import Tables
from snncc_backends.tools.device import find_device
from snncc_backends.tools.flow import run_flow
from snncc_ir.graph import Graph
from snncc_ir.hardware import Resources, Stage
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import AnyNode, Conv, Dense, Input, MaxPool, Population, Readout, Reshape
from snncc_ir.tensors import Tensor
from snncc_ir.types import Levels


@dataclass(frozen=True)
class Setting:
    """Lanes, C, and whether the outer layers have 8-bit weights."""

    lanes: int
    channels: int
    mixed: bool = False

    def __str__(self) -> str:
        return f"{'mixed' if self.mixed else 'binary'} C={self.channels}"


FITTED = (Setting(8, 64), Setting(16, 64), Setting(16, 64, True))
TRIED = (Setting(8, 16), Setting(16, 24), Setting(32, 16), Setting(32, 32, True))


def network(setting: Setting) -> Graph:
    """The random network of a setting."""
    rng, c = np.random.default_rng(1), setting.channels

    def weights(outer: bool, *shape: int) -> Tensor:
        if outer and setting.mixed:
            return Tensor.integer(rng.integers(-100, 101, shape), 8)
        return Tensor.integer(rng.choice([-1, 1], shape), 1)

    def fired(drive: str, channels: int) -> Population:
        ones = Tensor.integer(np.ones(channels, dtype=np.int64))
        bias = Bias(values=Tensor.integer(rng.integers(-9, 9, channels)))
        return Population(
            name=f"p{drive}", drives=(drive,), neuron=Staircase(theta=ones, bias=bias, lo=0, hi=1)
        )

    nodes: tuple[AnyNode, ...] = (
        Input(name="x", type=Levels((3, 12, 12), 0, 255)),
        Conv(name="k1", source="x", weight=weights(True, c, 3, 3, 3)),
        fired("k1", c),
        Conv(name="k2", source="pk1", weight=weights(False, 2 * c, c, 3, 3)),
        fired("k2", 2 * c),
        MaxPool(name="m", source="pk2", kernel=(2, 2), stride=(2, 2)),
        Conv(name="k3", source="m", weight=weights(False, 4 * c, 2 * c, 3, 3)),
        fired("k3", 4 * c),
        Reshape(name="f", source="pk3", shape=(16 * c,)),
        Dense(name="k4", source="f", weight=weights(True, 10, 16 * c)),
        Readout(name="y", drives=("k4",), bias=Bias(values=Tensor.integer(np.zeros(10, dtype=np.int64)))),
    )
    return Graph(name="random", nodes=nodes, outputs=("y",))


def synthesised(name: str, graph: Graph, lanes: int) -> tuple[Tables, Resources]:
    """The tables of a network and what Yosys makes of them; prints a row."""
    tables = build_tables(graph, lanes)
    with tempfile.TemporaryDirectory() as folder:
        report = run_flow(design_of(tables), find_device("ecp5-85k"), Path(folder), Stage.SYNTHESIS)
    result = resources_of(report)
    pairs = list(zip(astuple(estimate(tables)), astuple(result), strict=True))[:4]
    cells = " ".join(f"{a:>8} {b:>8} {f'{a / b - 1:+.1%}' if b else '':>7}" for a, b in pairs)
    print(f"{name:14} {lanes:>5} {cells}", flush=True)
    return tables, result


def fit() -> None:
    """Print the factors of the binary lanes with the least relative squares, all others as they are."""
    found = [synthesised(str(setting), network(setting), setting.lanes) for setting in FITTED]
    luts = _factor([(lut_parts(t), r.luts or 0) for t, r in found], LUT_FACTORS)
    flip_flops = _factor([(flip_flop_parts(t), r.flip_flops or 0) for t, r in found], FLIP_FLOP_FACTORS)
    print(f"counting: {luts:.3f} of LUT_FACTORS, {flip_flops:.3f} of FLIP_FLOP_FACTORS")


def _factor(rows: list[tuple[Parts, int]], factors: Parts) -> float:
    left = np.array([1 - parts.dot(replace(factors, counting=0.0)) / result for parts, result in rows])
    share = np.array([parts.counting / result for parts, result in rows])
    return float(share @ left / (share @ share))


def tried(data: Path | None) -> Iterator[tuple[str, Graph, int]]:
    """Networks that nothing was fitted to."""
    for setting in TRIED:
        yield str(setting), network(setting), setting.lanes
    if data is not None:
        graph, _ = pixel_network(data)
        yield from (("CNV W1A1", graph, lanes) for lanes in CYCLES)


def main() -> None:
    """Print the table, or the factors."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fit", action="store_true", help="fit the factors anew")
    parser.add_argument("data", type=Path, nargs="?")
    given = parser.parse_args()
    names = ("LUTs", "flip-flops", "BRAMs", "DSPs")
    print(f"{'network':14} {'lanes':>5}", " ".join(f"{name:>8} {'result':>8} {'error':>7}" for name in names))
    if given.fit:
        fit()
        return
    for name, graph, lanes in tried(given.data):
        synthesised(name, graph, lanes)


if __name__ == "__main__":
    main()
