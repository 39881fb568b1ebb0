"""Run the compiled network in Lava: `python run.py --input levels.npy --output out.npz`.

Needs Python 3.10 with lava-nc 0.10 (which brings numpy), and the files beside this one.

The input is an array [images, ...] of integer levels: an .npy file, or an .npz file with one array for each
of the network's inputs. The output is an .npz file with

    output.NAME     [images, ...]          for each output: a readout's drive plus bias; a population's levels
    train.NAME      [images, window, ...]  the spikes of every source and population (not with --outputs-only)
    steps, seconds                         time steps that the run took, and how long they took
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
LAVA = "lava-nc 0.10.0 on Python 3.10: python3.10 -m pip install lava-nc==0.10.0"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives its exit status."""
    sys.dont_write_bytecode = True  # an artefact holds no files but its own
    options = parse(arguments)
    prepare()
    try:
        command = importlib.import_module("command")
    except (ImportError, ValueError) as error:  # Python 3.11 and newer refuse Lava's dataclasses: ValueError
        version = ".".join(map(str, sys.version_info[:2]))
        print(f"run.py: Python {version} cannot import Lava ({error}); it needs {LAVA}", file=sys.stderr)
        return 1
    return int(command.run(options))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Run the compiled network in Lava.")
    parser.add_argument("--input", required=True, type=Path, help="levels [images, ...] as .npy or .npz")
    parser.add_argument("--output", required=True, type=Path, help="the .npz file to write")
    parser.add_argument("--images", type=int, metavar="N", help="run the first N images only")
    parser.add_argument("--outputs-only", action="store_true", help="do not record spikes")
    parser.add_argument("--progress", type=Path, help=argparse.SUPPRESS)  # file for the time step reached
    parser.add_argument("--with-parent", action="store_true", help=argparse.SUPPRESS)  # end when it ends
    return parser.parse_args(arguments)


def prepare() -> None:
    """Make the modules beside this file importable, and leave no traces beside them."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(HERE))  # `python -I` leaves it out
    # Every process of the network is an operating system process; threads inside of them get in the way.
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")


if __name__ == "__main__":
    sys.exit(main())
