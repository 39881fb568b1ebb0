"""All benchmarks, one after the other: `make bench`, or with a data folder `make bench ARGS=DATA`.

The engines beside other frameworks alone, in a few minutes: `python benchmarks/peers.py DATA --quick`.

Without DATA the digits network runs in every code and on FPGAs, and the onnx package's node models are
compiled; with it, the networks of the data folder as well. `accuracy.py --tuned`
takes an hour and runs alone.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run the benchmarks; the exit code is the first one that is not 0."""
    commands = [["codes.py"], ["onnx_nodes.py"], ["engine.py", "peak"]]
    commands += [["fpga_pnr.py"], ["fpga_mutate.py"], ["fpga_estimate.py"]]
    for data in sys.argv[1:2]:
        commands += [["peers.py", data]]
        commands += [["cifar.py", what, data] for what in ("accuracy", "speed", "compile")]
        commands += [["imports.py", data], ["accuracy.py", data]]
        commands += [["fpga_cycles.py", what, data] for what in ("lenet", "resnet", "cnv", "chain", "speed")]
        commands += [["fpga_engines.py", data], ["cores.py", data]]
        commands += [["methods.py", data], ["methods.py", data, "--speed"], ["engine.py", "networks", data]]
    for name, *arguments in commands:
        print(f"$ python benchmarks/{' '.join((name, *arguments))}", flush=True)
        done = subprocess.run([sys.executable, str(HERE / name), *arguments], check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
