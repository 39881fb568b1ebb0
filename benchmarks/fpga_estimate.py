"""Estimated resources of FPGA networks against those of Yosys and nextpnr.

    python benchmarks/fpga_estimate.py           settings that nothing was fitted to: estimate, result, error
    python benchmarks/fpga_estimate.py --fit     place the other settings, and print factors fitted to them

Place and route takes about a minute for each. Exits 1 where the LUTs or the block memories of a setting are
estimated more than 10 % off.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import numpy as np
from fpga_networks import HEADER, Setting, compiled

from snncc.build import build
from snncc_backends.fpga.counts import Counts
from snncc_backends.fpga.estimate import flip_flop_parts, lut_parts
from snncc_backends.fpga.events.assemble import build_event_tables
from snncc_backends.fpga.events.estimate import event_flip_flop_parts, event_lut_parts, table_luts
from snncc_backends.fpga.tables.assemble import build_tables
from snncc_ir.graph import Graph
from snncc_ir.hardware import Resources, Stage
from snncc_ir.tensors import Reals
from snncc_ir.timing import Phased

TOLERANCE = 0.1

FITTED = (
    Setting("digits", 8, 4),
    Setting("digits", 16, 2, 2, 2),
    Setting("digits", 32, 4, 8, 4),
    Setting("digits", 32, 4, 1, 8),
    Setting("digits", 64, 2, 4, 4),
    Setting("strided", 32, 8),
    Setting("strided", 16, 2, 8, 4),
    Setting("lenet", 8, 2, 2, 4),
    Setting("lenet", 64, 4, 8, 4),
    Setting("lenet", 16, 4, 8, 4),
    Setting("residual", 8, 8, 4),
    Setting("residual", 32, 4, 4),
)
TRIED = (
    Setting("digits", 32, 4),
    Setting("digits", 64, 2, 2, 2),
    Setting("strided", 8, 4, 6),
    Setting("lenet", 32, 3, 5, 3),
    Setting("lenet", 32, 8),
    Setting("residual", 16, 4),
    Setting("residual", 64, 4, 6),
)
FITTED_EVENTS = (
    Setting("digits", 8, 4, code="rate"),
    Setting("digits", 32, 2, 4, 2, code="rate"),
    Setting("strided", 16, 4, 8, 4, code="rate"),
    Setting("residual", 16, 8, 4, code="rate"),
    Setting("digits", 16, 4, code="stbif"),
    Setting("lenet", 8, 2, 2, 4, code="stbif"),
    Setting("residual", 8, 4, code="stbif"),
    Setting("strided", 32, 3, 6, code="stbif"),
)
TRIED_EVENTS = (
    Setting("digits", 16, 3, 6, code="rate"),
    Setting("lenet", 8, 4, code="rate"),
    Setting("residual", 32, 4, 6, code="rate"),
    Setting("strided", 8, 4, code="stbif"),
    Setting("lenet", 16, 4, 4, code="stbif"),
)


@dataclass(frozen=True, kw_only=True)
class Placed:
    """What was estimated for a setting, what came out, and what counts LUTs and flip-flops.

    `other_luts` are those that no factor is fitted to.
    """

    doublings: int
    luts: Counts
    other_luts: float
    flip_flops: Counts
    estimate: Resources
    result: Resources


def place(setting: Setting) -> Placed:
    """Build a setting, and print its row."""
    with tempfile.TemporaryDirectory() as name:
        artefact = compiled(setting, Path(name))
        hardware = build(artefact.path, Stage.ROUTED).hardware
    cells = " ".join(
        f"{expected:>8} {found:>8} {expected / found - 1:>+7.1%}"
        if found
        else f"{expected:>8} {found:>8} {'':7}"
        for expected, found in zip(astuple(hardware.estimate), astuple(hardware.result), strict=True)
    )
    print(f"{setting} {cells}", flush=True)
    luts, flip_flops, other_luts = counts(artefact.graph, setting.lanes)
    return Placed(
        doublings=setting.lanes.bit_length() - 4,
        luts=luts,
        other_luts=other_luts,
        flip_flops=flip_flops,
        estimate=hardware.estimate,
        result=hardware.result,
    )


def counts(graph: Graph, lanes: int) -> tuple[Counts, Counts, float]:
    """Of LUTs and of flip-flops, on the core that runs the graph, and LUTs that are not fitted."""
    if isinstance(graph.timing, Phased):
        tables = build_tables(graph, lanes)
        return lut_parts(tables), flip_flop_parts(tables), 0.0
    events = build_event_tables(graph, lanes)
    return event_lut_parts(events), event_flip_flop_parts(events), table_luts(events)


def fit(placed: Sequence[Placed]) -> None:
    """Print the factors with the least relative squares."""
    results = np.array([(item.result.luts or 0, item.result.flip_flops or 0) for item in placed])
    other = np.array([item.other_luts for item in placed])
    print("luts", _factors([item.luts for item in placed], results[:, 0], other))
    print("flip-flops", _factors([item.flip_flops for item in placed], results[:, 1], 0 * other))
    doublings = np.array([[1.0, -item.doublings] for item in placed])
    clocks = np.array([item.result.fmax_mhz or 0.0 for item in placed])
    highest, step = np.linalg.lstsq(doublings, clocks, rcond=None)[0]
    print(f"CLOCK = ({highest:.1f}, {step:.1f})")


def _factors(parts: Sequence[Counts], results: Reals, other: Reals) -> Counts:
    rows: Reals = np.array([astuple(part) for part in parts]) / results[:, None]
    used = rows.any(axis=0)
    found = np.zeros(len(used))
    found[used] = np.linalg.lstsq(rows[:, used], 1 - other / results, rcond=None)[0]
    return type(parts[0])(**dict(zip(asdict(parts[0]), np.round(found, 3).tolist(), strict=True)))


def main() -> int:
    """Print the table; 1 where an estimate is too far off."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fit", action="store_true", help="fit the factors anew")
    fits = parser.parse_args().fit
    names = ("LUTs", "flip-flops", "BRAMs", "DSPs", "MHz")
    print(HEADER, " ".join(f"{name:>8} {'result':>8} {'error':>7}" for name in names))
    if fits:
        for settings in (FITTED, FITTED_EVENTS):
            fit([place(setting) for setting in settings])
        return 0
    placed = [place(setting) for setting in (*TRIED, *TRIED_EVENTS)]
    pairs = [(item.estimate, item.result) for item in placed]
    worst = max(
        abs(expected / found - 1)
        for estimate, result in pairs
        for expected, found in ((estimate.luts, result.luts), (estimate.brams, result.brams))
        if expected is not None and found
    )
    print(f"largest error of LUTs and block memories: {worst:.1%}")
    return 1 if worst > TOLERANCE else 0


if __name__ == "__main__":
    sys.exit(main())
