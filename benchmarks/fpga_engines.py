"""The FPGA engines of whole networks against the reference: every level or spike word, every cycle.

    python benchmarks/fpga_engines.py [DATA]

digits, the LeNet-5 shape with random weights and, with DATA, the trained ResNet-8, each at P = 8, 16 and 32
with levels of 2, 4 and 8 bits, and under `rate` (T = 16) on the event core. Each is compiled and climbs
`snncc verify`: reference, portable engines, cycle simulator, C simulation (phased codes) and Verilog, which
fails as well where it needs another number of cycles than the simulator. The memories of an xczu7ev hold
all potentials, those of an ecp5-85k do not. Exits 1 unless all are equal.

DATA holds cifar10.npz and models/resnet8_cifar10_fp32.onnx.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cifar
from fpga_networks import DIGITS, NETWORKS

from snncc.driver import compile_model
from snncc.options import CompileOptions, PixelScaling
from snncc.verify import Status, verify

LANES = (8, 16, 32)
LEVEL_BITS = (2, 4, 8)
STEPS = 16
NEEDED = {"cycles", "rtl"}
"""Engines that must have run."""


def models(data: Path | None, folder: Path) -> Iterator[tuple[str, Path, CompileOptions]]:
    """Name, model and options of every network."""
    digits = CompileOptions(
        output=folder / "network.snncc",
        target="fpga",
        machine="xczu7ev",
        calibrate=DIGITS / "digits.npz",
        pixels=PixelScaling(scale=255.0),
        force=True,
    )
    yield "digits", DIGITS / "digits.onnx", digits
    yield "lenet", NETWORKS["lenet"](folder)[0], digits
    if data:
        network = next(found for found in cifar.NETWORKS if "resnet8" in found.file)
        resnet = cifar.options_for(data, network, digits.output)
        yield "resnet8", data / "models" / network.file, replace(resnet, target="fpga", machine="xczu7ev")


def climbs(name: str, model: Path, options: CompileOptions, setting: str) -> bool:
    """Compile and verify one setting and print its row; True where every engine gave the same."""
    start = time.perf_counter()
    ladder = verify(compile_model(model, options).path)
    ran = {rung.engine for rung in ladder.rungs if rung.status is not Status.NOT_RUN}
    same = ladder.equal and ran >= NEEDED
    row = " ".join(f"{rung.engine}: {rung.status.value}" for rung in ladder.rungs[1:])
    seconds = time.perf_counter() - start
    print(f"{name:8} {options.lanes:>3} {setting:>6} {seconds:6.0f} s  {row}", flush=True)
    for rung in ladder.rungs:
        if rung.status is not Status.EQUAL:
            print(f"  {rung.engine}: {rung.detail}")
    return same


def main() -> int:
    """Print the table; 1 unless all engines gave the same."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?")
    data = parser.parse_args().data
    same = True
    with tempfile.TemporaryDirectory() as folder:
        for name, model, options in models(data, Path(folder)):
            for lanes in LANES:
                here = replace(options, lanes=lanes)
                for bits in LEVEL_BITS:
                    same &= climbs(name, model, replace(here, level_bits=bits), f"{bits} bits")
                same &= climbs(name, model, replace(here, code="rate", steps=STEPS), "rate")
    print("all equal" if same else "NOT all equal")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
