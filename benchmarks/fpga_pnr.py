"""Clock, cycles, images per second and accuracy of placed networks, all on the same settings.

    python benchmarks/fpga_pnr.py                    every row (about six minutes)
    python benchmarks/fpga_pnr.py --only strided     rows of one network

Clock and resources are those of Yosys and nextpnr for an ECP5 of speed grade 6; cycles are the mean over the
1,000 test digits in the cycle simulator, which gives the accuracy too. Images per second are clock / cycles.
Exits 1 where the digits network is below 95 MHz with 8 lanes or below 85 MHz with 32.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from fpga_networks import DIGITS, HEADER, Setting, compiled

from snncc.build import build
from snncc.simulate import simulate
from snncc_ir.hardware import Stage

ROWS = (
    (Setting("digits", 8, 4), "ecp5-45k", 95.0),
    (Setting("digits", 32, 4), "ecp5-45k", 85.0),
    (Setting("digits", 64, 2, 8, 4), "ecp5-45k", 0.0),
    (Setting("strided", 32, 4), "ecp5-45k", 0.0),
    (Setting("strided", 64, 2, 8, 4), "ecp5-45k", 0.0),
)
"""Setting, device, and the lowest clock in MHz that is good enough."""


def measure(setting: Setting, device: str) -> float:
    """Print one row; the clock in MHz."""
    with tempfile.TemporaryDirectory() as name:
        artefact = compiled(setting, Path(name), device).path
        result = build(artefact, Stage.ROUTED).hardware.result
        run = simulate(artefact, DIGITS / "digits.npz", engine="cycles")
    assert run.evaluation.cycles is not None
    assert result.fmax_mhz is not None
    cycles = float(run.evaluation.cycles.mean())
    print(
        f"{setting} {device:9} {result.luts:6} {result.brams:5} {result.multipliers:4} "
        f"{result.fmax_mhz:7.1f} {cycles:9.1f} {result.fmax_mhz * 1e6 / cycles:9.0f} {run.accuracy:9.2%}",
        flush=True,
    )
    return result.fmax_mhz


def main() -> int:
    """Print the table; 1 where a clock is too low."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="rows of this network alone")
    only = parser.parse_args().only
    print(
        f"{HEADER} {'device':9} {'LUTs':>6} {'BRAMs':>5} {'DSPs':>4} "
        f"{'MHz':>7} {'cycles':>9} {'images/s':>9} {'accuracy':>9}"
    )
    slow = [
        f"{setting.network} with {setting.lanes} lanes: {clock:.1f} MHz, expected {least:g}"
        for setting, device, least in ROWS
        if only in setting.network and (clock := measure(setting, device)) < least
    ]
    for line in slow:
        print(line, file=sys.stderr)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
