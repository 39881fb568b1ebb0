"""Estimated resources of networks on shift-add lanes against those that Yosys finds.

    python benchmarks/fpga_shift_add.py         networks that nothing was fitted to: estimate, result, error
    python benchmarks/fpga_shift_add.py --fit   the factor of the lanes, from three other networks

Synthesis for ECP5 without place and route; a carry counts as two LUTs. Errors are printed, not judged.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from fpga_networks import Setting, compiled

from snncc_backends.fpga.build import design_of, resources_of
from snncc_backends.fpga.estimate import LUT_FACTORS, Parts, estimate, lut_parts
from snncc_backends.fpga.tables.assemble import build_tables
from snncc_backends.tools.device import find_device
from snncc_backends.tools.flow import run_flow
from snncc_ir.hardware import Stage

FITTED = (Setting("digits", 8, 4), Setting("digits", 16, 2, 4), Setting("strided", 16, 8))
TRIED = (Setting("strided", 8, 4), Setting("digits", 32, 4, 8, 4), Setting("residual", 16, 4))


def synthesised(setting: Setting) -> tuple[Parts, int]:
    """The parts of a network's LUTs and what Yosys finds; prints a row."""
    with tempfile.TemporaryDirectory() as name:
        graph = compiled(setting, Path(name)).graph
        tables = build_tables(graph, setting.lanes, multipliers=0)
        report = run_flow(design_of(tables), find_device("ecp5-85k"), Path(name), Stage.SYNTHESIS)
    expected, found = estimate(tables), resources_of(report)
    luts, flip_flops = expected.luts or 0, expected.flip_flops or 0
    result, registers = found.luts or 0, found.flip_flops or 0
    print(
        f"{setting} {luts:>8} {result:>8} {luts / result - 1:+7.1%} {flip_flops:>8} {registers:>8} "
        f"{flip_flops / registers - 1:+7.1%} {expected.brams:>4} {found.brams:>4} {found.multipliers:>4}",
        flush=True,
    )
    return lut_parts(tables), result


def main() -> None:
    """Print the table, or the factor with the least relative squares, all others as they are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fit", action="store_true", help="fit the factor anew")
    fit = parser.parse_args().fit
    rows = [synthesised(setting) for setting in (FITTED if fit else TRIED)]
    if fit:
        others = replace(LUT_FACTORS, shifting=0.0)
        left = np.array([1 - parts.dot(others) / result for parts, result in rows])
        share = np.array([parts.shifting / result for parts, result in rows])
        print(f"shifting: {float(share @ left / (share @ share)):.3f} of LUT_FACTORS")


if __name__ == "__main__":
    main()
