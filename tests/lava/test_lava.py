"""Lava's own runtime gives every spike and every output of the reference."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from lava_networks import images, residual, small

from snncc_backends.lava import backend
from snncc_ir.codes import PHASED_CODES, Code
from snncc_ir.graph import Graph
from snncc_ir.progress import silent
from snncc_ir.spiking import run_phased

MACHINE = backend.machines["loihi2"]
MIXED = (Code.RADIX, Code.TTFS, Code.COUNT, Code.GRADED, Code.TTFS, Code.RADIX)


def check(graph: Graph, count: int) -> None:
    inputs = images(graph, count)
    run = backend.engines[0].run(graph, MACHINE, inputs, silent)
    reference = run_phased(graph, {name: x[None] for name, x in inputs.items()})
    assert run.trains.keys() == reference.trains.keys()
    assert run.outputs.keys() == reference.outputs.keys()
    for name, train in reference.trains.items():
        np.testing.assert_array_equal(run.trains[name], train[0], err_msg=name)
        assert np.any(train), f"{name} never fires: the test is vacuous"
    for name, output in reference.outputs.items():
        np.testing.assert_array_equal(run.outputs[name], output[0], err_msg=name)
    assert run.steps == reference.steps


@pytest.mark.usefixtures("lava_python")
@pytest.mark.parametrize("code", PHASED_CODES)
def test_small_network(code: Code) -> None:
    check(small(code, Code.RADIX if code is Code.COUNT else Code.GRADED), 3)


@pytest.mark.usefixtures("lava_python")
@pytest.mark.parametrize(
    "codes", [*((code,) for code in PHASED_CODES), MIXED], ids=lambda c: "+".join(x.value for x in c)
)
def test_residual_network(codes: tuple[Code, ...]) -> None:
    check(residual(codes), 3)


def run_py(python: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """The emitted program as a user runs it."""
    command = [python, str(folder / "lava" / "run.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder, check=False)


@pytest.fixture
def emitted(tmp_path: Path) -> Path:
    """A folder with an emitted network, and images for it."""
    graph = residual(MIXED)
    for path, content in backend.emit(graph, MACHINE, {}).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    np.save(tmp_path / "levels.npy", images(graph, 4)["pixels"])
    return tmp_path


def test_run_py_on_its_own(lava_python: str, emitted: Path) -> None:
    before = sorted(path for path in emitted.rglob("*"))
    done = run_py(
        lava_python,
        emitted,
        "--input",
        "levels.npy",
        "--output",
        "out.npz",
        "--images",
        "2",
        "--outputs-only",
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith("2 images, ")
    assert sorted(emitted.rglob("*")) == sorted([*before, emitted / "out.npz"])
    reference = run_phased(residual(MIXED), {"pixels": np.load(emitted / "levels.npy")[None, :2]})
    with np.load(emitted / "out.npz") as out:
        assert sorted(out.files) == ["output.scores", "output.verdict", "seconds", "steps"]
        np.testing.assert_array_equal(out["output.scores"], reference.outputs["scores"][0])
        np.testing.assert_array_equal(out["output.verdict"], reference.levels["verdict"][0])


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (np.zeros((1, 8, 8), int), "input pixels has shape (1, 8, 8), not (images, 2, 8, 8)"),
        (np.zeros((0, 2, 8, 8), int), "input pixels has no images"),
        (np.full((1, 2, 8, 8), 32), "input pixels has levels 32..32, outside 0..31"),
        (np.zeros((1, 2, 8, 8)), "input pixels holds float64, not integer levels"),
    ],
)
def test_run_py_refuses_wrong_input(
    lava_python: str, emitted: Path, levels: np.ndarray, message: str
) -> None:
    np.save(emitted / "levels.npy", levels)
    done = run_py(lava_python, emitted, "--input", "levels.npy", "--output", "out.npz")
    assert (done.returncode, done.stderr) == (1, f"run.py: levels.npy: {message}\n")
    assert not (emitted / "out.npz").exists()


def test_a_failing_process_ends_the_run_with_its_traceback(lava_python: str, emitted: Path) -> None:
    send = emitted / "lava" / "numerics" / "send.py"
    text = send.read_text()
    marker = "        m = strand.magnitude(step)\n"
    assert marker in text
    send.write_text(
        text.replace(marker, f"{marker}        if strand.slot == 2: raise ValueError('no such step')\n")
    )
    done = run_py(lava_python, emitted, "--input", "levels.npy", "--output", "out.npz")
    assert done.returncode == 1
    assert "ValueError: no such step" in done.stderr
    assert 'send.py", line' in done.stderr
    assert not (emitted / "out.npz").exists()


@pytest.mark.parametrize("victim", ["a process of the network", "the program"])
def test_a_killed_or_interrupted_run_ends(lava_python: str, emitted: Path, victim: str) -> None:
    np.save(emitted / "levels.npy", np.tile(images(residual(MIXED), 4)["pixels"], (5000, 1, 1, 1)))
    command = [lava_python, "-I", str(emitted / "lava" / "run.py")]
    options = ["--input", "levels.npy", "--output", "out.npz", "--progress", "progress.txt", "--outputs-only"]
    with subprocess.Popen(
        [*command, *options], cwd=emitted, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while not (emitted / "progress.txt").exists() and process.poll() is None:
            time.sleep(0.02)
        if victim == "the program":
            process.send_signal(signal.SIGINT)
        else:
            os.kill(children(process.pid)[-1], signal.SIGKILL)
        _, errors = process.communicate(timeout=30)  # ends when the last process of the network has
    assert process.returncode == 1
    expected = (
        "run.py: stopped by SIGINT" if victim == "the program" else "a process of the network was killed"
    )
    assert expected in errors
    assert not list(emitted.glob(".*"))


def children(pid: int) -> list[int]:
    """The processes that a process has started, in their order."""
    found = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = (map(int, line.split()) for line in found.splitlines())
    return [child for child, parent in pairs if parent == pid]
