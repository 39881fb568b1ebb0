"""Estimated resources of networks whose neurons leak, on the event core, against those that they take.

    python benchmarks/fpga_leaky.py         networks that nothing was fitted to: estimate, result, error
    python benchmarks/fpga_leaky.py --fit   the factors of what decays, from three other networks

Random weights; layers of the given sizes, and 64 steps. Yosys synthesises for ECP5 and nextpnr packs, which
settles what a design takes before it is placed. Errors are printed, not judged.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from snncc_backends.fpga.events import estimate as events
from snncc_backends.fpga.events.assemble import build_event_tables
from snncc_backends.fpga.events.board import event_board_design
from snncc_backends.fpga.events.tables import EventTables
from snncc_backends.tools.design import Design
from snncc_backends.tools.device import find_device
from snncc_backends.tools.flow import run_flow
from snncc_backends.tools.found import need
from snncc_backends.tools.nextpnr import find_nextpnr
from snncc_backends.tools.run import run_tool
from snncc_backends.tools.synthesis import NETLIST
from snncc_ir.codes import Code, Reset
from snncc_ir.graph import Graph
from snncc_ir.hardware import Resources, Stage
from snncc_ir.neurons import Bias, Leaky
from snncc_ir.nodes import AnyNode, Dense, Input, Population, Readout
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate
from snncc_ir.types import Levels

STEPS = 64
REPORT = "packed.json"
SECONDS = 900.0


@dataclass(frozen=True)
class Setting:
    """Neurons of every layer, lanes, bits of weights, and the decays of u and v."""

    sizes: tuple[int, ...]
    lanes: int
    weight_bits: int
    du: int
    dv: int

    def __str__(self) -> str:
        sizes = "-".join(map(str, self.sizes))
        return f"{sizes:14} {self.lanes:5} {self.weight_bits:4} {self.du:5} {self.dv:5}"


FITTED = (
    Setting((64, 40, 10), 8, 8, 2047, 400),
    Setting((100, 64, 10), 16, 4, 4095, 200),
    Setting((64, 64, 32, 10), 32, 6, 500, 100),
)
TRIED = (
    Setting((128, 64, 10), 8, 4, 1000, 300),
    Setting((64, 48, 24, 10), 16, 8, 300, 40),
    Setting((96, 64, 10), 32, 8, 4095, 800),
)


def network(setting: Setting) -> Graph:
    """Dense layers of neurons that leak, and a readout."""
    rng = np.random.default_rng(2)
    top = (1 << (setting.weight_bits - 1)) - 1
    nodes: list[AnyNode] = [Input(name="x", type=Levels((setting.sizes[0],), 0, 1))]
    layers = list(pairwise(setting.sizes))
    for number, (inputs, outputs) in enumerate(layers):
        weight = Tensor.integer(rng.integers(-top, top + 1, (outputs, inputs)), setting.weight_bits)
        bias = Bias(values=Tensor.integer(rng.integers(-top, top + 1, outputs)))
        nodes.append(Dense(name=f"d{number}", source=nodes[-1].name, weight=weight))
        if number == len(layers) - 1:
            nodes.append(Readout(name="y", drives=(f"d{number}",), bias=bias))
            continue
        neuron = Leaky(vth=4 * top, bias=bias, du=setting.du, dv=setting.dv)
        nodes.append(Population(name=f"p{number}", drives=(f"d{number}",), neuron=neuron, code=Code.RATE))
    return Graph(name="leaky", nodes=tuple(nodes), outputs=("y",), timing=Rate(STEPS, Reset.ZERO))


def packed(design: Design, folder: Path) -> Resources:
    """What a design takes of a device."""
    device = find_device("ecp5-85k")
    run_flow(design, device, folder, Stage.SYNTHESIS)
    options = ("--json", NETLIST, "--report", REPORT, "--lpf-allow-unconstrained", "--pack-only")
    nextpnr = need(find_nextpnr(device.family))
    run_tool(nextpnr, folder, device.option, "--package", device.package, *options, seconds=SECONDS)
    cells = json.loads((folder / REPORT).read_text(encoding="utf-8"))["utilization"]
    return Resources(
        luts=cells["TRELLIS_COMB"]["used"],
        flip_flops=cells["TRELLIS_FF"]["used"],
        brams=cells["DP16KD"]["used"],
        multipliers=cells["MULT18X18D"]["used"],
        fmax_mhz=None,
    )


def built(setting: Setting) -> tuple[EventTables, Resources]:
    """The tables of a network and what it takes; prints a row."""
    tables = build_event_tables(network(setting), setting.lanes)
    with tempfile.TemporaryDirectory() as name:
        found = packed(event_board_design(tables, spikes=False), Path(name))
    expected = events.event_estimate(tables)
    cells = " ".join(
        f"{a or 0:>6} {b or 0:>6} {(a or 0) / (b or 1) - 1:+7.1%}"
        for a, b in ((expected.luts, found.luts), (expected.flip_flops, found.flip_flops))
    )
    print(
        f"{setting} {tables.widths.potential:4} {cells} {expected.brams:>4} {found.brams:>4} "
        f"{expected.multipliers:>4} {found.multipliers:>4}",
        flush=True,
    )
    return tables, found


def factor(parts: Sequence[events.EventParts], factors: events.EventParts, results: Sequence[float]) -> float:
    """What a bit that decays takes, with the least relative squares, all other factors as they are."""
    others = replace(factors, decays=0.0)
    pairs = list(zip(parts, results, strict=True))
    left = np.array([1 - part.dot(others) / found for part, found in pairs])
    share = np.array([part.decays / found for part, found in pairs])
    return float(share @ left / (share @ share))


def fit(rows: Sequence[tuple[EventTables, Resources]]) -> None:
    """Print both factors."""
    luts = [(found.luts or 0) - events.table_luts(tables) for tables, found in rows]
    flip_flops = [found.flip_flops or 0 for _, found in rows]
    parts = [events.event_lut_parts(tables) for tables, _ in rows]
    print(f"decays: {factor(parts, events.LUT_FACTORS, luts):.3f} of LUT_FACTORS")
    parts = [events.event_flip_flop_parts(tables) for tables, _ in rows]
    print(f"decays: {factor(parts, events.FLIP_FLOP_FACTORS, flip_flops):.3f} of FLIP_FLOP_FACTORS")


def main() -> None:
    """Print the table, or the factors."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fit", action="store_true", help="fit the factors anew")
    fits = parser.parse_args().fit
    rows = [built(setting) for setting in (FITTED if fits else TRIED)]
    if fits:
        fit(rows)


if __name__ == "__main__":
    main()
