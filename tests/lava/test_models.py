"""The process models, driven without Lava's runtime, on random networks."""

from __future__ import annotations

import select
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from snncc_backends.lava import backend
from snncc_ir.nodes import Readout
from snncc_ir.spiking import SpikeRun, run_phased
from support.graphs import Case, cases

MACHINE = backend.machines["loihi2"]
SECONDS = 60
"""After so long without an answer the driver hangs."""

Drive = Callable[[Path], None]


@pytest.fixture(scope="module")
def drive(lava_python: str) -> Iterator[Drive]:
    """Hands a folder to `drive_models.py`, which runs as long as the tests of this module."""
    script = Path(__file__).parent / "drive_models.py"
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            [lava_python, "-I", "-B", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def send(folder: Path) -> None:
            stdin.write(f"{folder}\n")
            stdin.flush()
            ready, _, _ = select.select([stdout], [], [], SECONDS)
            if not ready or stdout.readline() != "done\n":
                errors.seek(0)
                pytest.fail(f"the driver failed:\n{errors.read().decode()}")

        yield send
        process.kill()


@settings(max_examples=80)
@given(case=cases())
def test_models_equal_the_reference_on_random_networks(drive: Drive, case: Case) -> None:
    if backend.refusals(case.graph, MACHINE):
        return
    reference = run_phased(case.graph, case.inputs)
    folder = Path(tempfile.mkdtemp(prefix="snncc-test-"))
    try:
        for path, content in backend.emit(case.graph, MACHINE).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        levels: dict[str, Any] = {name: x[0] for name, x in case.inputs.items()}
        np.savez(folder / "levels.npz", **levels)
        drive(folder)
        compare(case, reference, folder / "out")
    finally:
        shutil.rmtree(folder)


def compare(case: Case, reference: SpikeRun, out: Path) -> None:
    for name, train in reference.trains.items():
        np.testing.assert_array_equal(np.load(out / f"train.{name}.npy"), train[0], err_msg=name)
    for node in case.graph.of_type(Readout):
        output = np.load(out / f"output.{node.name}.npy")[:, 0]
        np.testing.assert_array_equal(output, reference.outputs[node.name][0], err_msg=node.name)
