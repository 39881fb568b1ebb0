"""Every `snncc` and `make` command on the pages runs on a small network, or is in support/not_run.py."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import nir
import numpy as np
import pytest

from support import nir_files
from support.command import Snncc
from support.not_run import NOT_RUN
from support.tool_modules import tool
from support.tools import skip_or_fail

pages = tool("readme_commands")

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "examples" / "digits"
SLOW = frozenset(
    {
        "README.md",
        "docs/first-steps.md",
        "docs/fpga.md",
        "docs/lava.md",
        "docs/report.md",
        "docs/sweep.md",
        "docs/tuning.md",
    }
)
"""Pages whose commands take more than a few seconds, most of them in Lava."""

COMPILE = "snncc compile model.onnx --calibrate images.npz --scale 255 --target"
BEFORE = {
    "README.md": [
        f"{COMPILE} sim --code rate --reset zero -o rate.snncc",
        "snncc compile examples/digits/digits.onnx --target lava --calibrate examples/digits/digits.npz "
        "--scale 255 -o build/digits.snncc",  # `make demo`
    ],
    "docs/cluster.md": [f"{COMPILE} sim"],
    "docs/explain.md": [f"{COMPILE} sim"],
    "docs/fpga.md": [f"{COMPILE} fpga --lanes 32 -o digits.fpga"],
    "docs/report.md": [f"{COMPILE} lava"],
}
"""What a page takes for granted."""


def names() -> Iterator[object]:
    """Every page with commands."""
    for page in pages.pages():
        name = str(page.relative_to(ROOT))
        yield pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [], id=name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with what the pages speak of: the smaller digits network, some digits, the examples."""
    shutil.copyfile(DIGITS / "digits_strided.onnx", tmp_path / "model.onnx")
    with np.load(DIGITS / "digits.npz") as digits:
        few = {"images": digits["images"][:40], "labels": digits["labels"][:40]}
        np.savez(tmp_path / "images.npz", **few, calibration=digits["calibration"][:64])
        np.savez(tmp_path / "train.npz", images=digits["images"][40:240], labels=digits["labels"][40:240])
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    weights = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    nir_files.row(tmp_path / "leaky.nir", (5,), [nir.Linear(weights), nir_files.lif(3)], (3,))
    (tmp_path / "digits.onnx").symlink_to("model.onnx")
    (tmp_path / "digits.npz").symlink_to("images.npz")
    return tmp_path


@pytest.mark.parametrize("name", [*names()])
def test_the_commands_of_a_page_run(name: str, snncc: Snncc, folder: Path) -> None:
    for line in BEFORE.get(name, []):
        assert snncc(*line.split()[1:]).code == 0, line
    for command in pages.commands(ROOT / name):
        line = " ".join(command.words)
        if line in NOT_RUN or command.is_mention:
            continue
        if command.words[0] == "snncc":
            done = snncc(*command.words[1:])
            if done.code and "--engine lava" in line and "no Python" in done.err:
                skip_or_fail(done.err)
            assert done.code == 0, f"{name}:{command.line}: {line}\n{done.out}\n{done.err}"
        elif command.words[0] == "make":
            run_make(command.words, folder)


def run_make(words: list[str], folder: Path) -> None:
    """A target of the Makefile, with its results in `folder`."""
    if shutil.which("make") is None:
        skip_or_fail("make is not installed")
    out = f"OUT={folder / 'made.snncc'}"
    done = subprocess.run([*words, out], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_listed_as_not_run_is_on_a_page() -> None:
    found = {" ".join(command.words) for page in pages.pages() for command in pages.commands(page)}
    assert set(NOT_RUN) <= found


def test_the_slow_pages_are_there() -> None:
    assert all((ROOT / name).is_file() for name in {*SLOW, *BEFORE})
