"""Runs emitted networks through their process models without Lava's runtime; needs Lava, not snncc.

Reads names of folders from standard input, one a line. Each holds `lava/` and `levels.npz`; the trains and
outputs go to `out/`, and a line "done" to standard output. The program is that of the first folder.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np


class Port:
    """Both ends of a channel: holds the last message."""

    def send(self, spikes: Any) -> None:
        assert spikes.dtype == np.int32
        self.message = spikes.copy()

    def recv(self) -> Any:
        return self.message


def drive(folder: Path) -> None:
    """Run one network."""
    build = importlib.import_module("build")
    processes_module = importlib.import_module("network.processes")
    description = build.load(folder / "lava")
    with np.load(folder / "levels.npz") as archive:
        inputs = {name: archive[name] for name in archive.files}
    (folder / "out").mkdir()
    processes = build.build(description, inputs, folder / "out", trains=True)
    ports = {name: Port() for name in processes}
    models = []
    for cell in description.cells:
        process = processes[cell["name"]]
        model = getattr(processes_module, f"Py{type(process).__name__}")(process.proc_params)
        model.s_out = ports[cell["name"]]
        for number, source in enumerate(cell.get("ports", ())):
            setattr(model, f"s_in_{number}", ports[source])
        models.append(model)
    for _ in range(description.steps(len(next(iter(inputs.values()))))):
        for model in models:
            model.time_step += 1
            model.run_spk()


def main() -> None:
    """Serve."""
    for line in sys.stdin:
        folder = Path(line.strip())
        if "build" not in sys.modules:
            sys.path.insert(0, str(folder / "lava"))
        drive(folder)
        print("done", flush=True)


main()
