"""Emitted files run by Lava's process models without its runtime, against the reference."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_ir.graph import Graph
from snncc_ir.spiking import SpikeRun, run_phased
from support.driver import Drive


def check(drive: Drive, files: Mapping[str, bytes], graph: Graph, levels: Mapping[str, NDArray[Any]]) -> None:
    """Every train and every output of the files of a phased graph are those of the reference."""
    reference = run_phased(graph, {name: x[None] for name, x in levels.items()})
    folder = Path(tempfile.mkdtemp(prefix="snncc-test-"))
    try:
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        arrays: dict[str, Any] = dict(levels)
        np.savez(folder / "levels.npz", **arrays)
        drive(folder)
        _compare(reference, folder / "out")
    finally:
        shutil.rmtree(folder)


def _compare(reference: SpikeRun, out: Path) -> None:
    for name, train in reference.trains.items():
        np.testing.assert_array_equal(np.load(out / f"train.{name}.npy"), train[0], err_msg=name)
    for name, output in reference.outputs.items():
        np.testing.assert_array_equal(np.load(out / f"output.{name}.npy")[:, 0], output[0], err_msg=name)
