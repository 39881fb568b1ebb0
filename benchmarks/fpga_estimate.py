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
from numpy.typing import NDArray

from snncc.build import build
from snncc_backends.fpga.assemble import build_tables
from snncc_backends.fpga.estimate import Parts, flip_flop_parts, lut_parts
from snncc_backends.fpga.tables import Tables
from snncc_ir.hardware import Resources, Stage

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


@dataclass(frozen=True, kw_only=True)
class Placed:
    """What was estimated for a setting, what came out, and the tables that both are of."""

    tables: Tables
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
    tables = build_tables(artefact.graph, setting.lanes)
    return Placed(tables=tables, estimate=hardware.estimate, result=hardware.result)


def fit(placed: Sequence[Placed]) -> None:
    """Print the factors with the least relative squares."""
    widths = [item.tables.widths for item in placed]
    luts = [lut_parts(item.tables) for item in placed]
    print("LUT_FACTORS =", _factors(luts, [item.result.luts or 0 for item in placed]))
    flip_flops = [flip_flop_parts(item.tables) for item in placed]
    print("FLIP_FLOP_FACTORS =", _factors(flip_flops, [item.result.flip_flops or 0 for item in placed]))
    doublings = np.array([[1.0, -(width.groups.bit_length() - 1)] for width in widths])
    clocks = np.array([item.result.fmax_mhz or 0.0 for item in placed])
    highest, step = np.linalg.lstsq(doublings, clocks, rcond=None)[0]
    print(f"CLOCK = ({highest:.1f}, {step:.1f})")


def _factors(parts: Sequence[Parts], results: Sequence[int]) -> Parts:
    rows: NDArray[np.float64] = np.array([astuple(part) for part in parts]) / np.array(results)[:, None]
    used = rows.any(axis=0)
    found = np.zeros(len(used))
    found[used] = np.linalg.lstsq(rows[:, used], np.ones(len(rows)), rcond=None)[0]
    return Parts(**dict(zip(asdict(parts[0]), np.round(found, 3).tolist(), strict=True)))


def main() -> int:
    """Print the table; 1 where an estimate is too far off."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fit", action="store_true", help="fit the factors anew")
    fits = parser.parse_args().fit
    names = ("LUTs", "flip-flops", "BRAMs", "DSPs", "MHz")
    print(HEADER, " ".join(f"{name:>8} {'result':>8} {'error':>7}" for name in names))
    placed = [place(setting) for setting in (FITTED if fits else TRIED)]
    if fits:
        fit(placed)
        return 0
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
