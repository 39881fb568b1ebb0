"""Runs Lava's fixed-point LIF model on recorded inputs; needs Lava, not snncc.

Reads names of folders from standard input, one a line. Each holds `case.npz`; what u, v and the spikes were
after every step goes to `found.npz`, and a line "done" to standard output.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from lava.proc.lif.models import PyLifModelBitAcc


class Port:
    """Both ends of a channel: holds the last message."""

    def send(self, spikes: Any) -> None:
        self.message = spikes.copy()

    def recv(self) -> Any:
        return self.message


def drive(folder: Path) -> None:
    """Run one population."""
    case = np.load(folder / "case.npz")
    model = PyLifModelBitAcc({})
    model.a_in, model.s_out = Port(), Port()
    model.u, model.v = case["u"].astype(np.int32), case["v"].astype(np.int32)
    model.du, model.dv, model.vth = int(case["du"]), int(case["dv"]), int(case["vth"])
    model.bias_mant = case["bias_mant"].astype(np.int16)
    model.bias_exp = case["bias_exp"].astype(np.int16)
    found: dict[str, list[Any]] = {"u": [], "v": [], "s": []}
    for step in case["drives"].astype(np.int32):
        model.a_in.send(step)
        model.run_spk()
        for name, values in (("u", model.u), ("v", model.v), ("s", model.s_out.recv())):
            found[name].append(np.array(values))
    np.savez(folder / "found.npz", **{name: np.stack(values) for name, values in found.items()})


def main() -> None:
    """Serve."""
    for line in sys.stdin:
        drive(Path(line.strip()))
        print("done", flush=True)


main()
