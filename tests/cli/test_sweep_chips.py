"""`snncc sweep` with chips that files describe."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

import snncc_backends.chips
from snncc.options import PixelScaling
from snncc.sweep.grid import ANY, Study
from snncc.sweep.kept import Kept
from support.command import Snncc
from support.sweeps import BASE, check_point, error, points_in


def described(name: str, compartments: int) -> None:
    """A chip of cores of so many neurons, as `name`.toml."""
    whole = files(snncc_backends.chips).joinpath("template.toml").read_text(encoding="utf-8")
    limit = "[core.compartments]\nvalue = "
    before, _, after = whole.partition(limit)
    assert after
    Path(f"{name}.toml").write_text(f"{before}{limit}{compartments}\n{after.split(chr(10), 1)[1]}")


def test_described_chips_stand_beside_those_of_the_targets(snncc: Snncc) -> None:
    described("one", 256)
    described("two", 40)
    lists = ("--levels", "2", "--weights", "8", "--codes", "radix", "--chips", "loihi2,one.toml,two.toml")
    found = snncc(*BASE, *lists, "--json")
    assert found.code == 0, found.err
    points = found.json["points"]
    assert [point["chip"] for point in points] == ["loihi2", "one.toml", "two.toml"]
    sha256 = [hashlib.sha256(Path(f"{name}.toml").read_bytes()).hexdigest() for name in ("one", "two")]
    assert [point["chip_sha256"] for point in points] == [None, *sha256]
    assert points[1]["command"] == (
        "snncc compile model.onnx --target lava --chip one.toml --level-bits 2 --weight-bits 8 --code radix "
        "--calibrate other.npz --scale 255"
    )
    for number, point in enumerate(points[1:]):
        check_point(snncc, point, f"p{number}")
    assert points[2]["figures"]["cores"] > points[1]["figures"]["cores"]


def test_another_description_is_another_point(snncc: Snncc) -> None:
    described("one", 256)
    lists = (*BASE, "--levels", "2", "--weights", "8", "--codes", "radix", "--chips", "one.toml")
    first = snncc(*lists)
    assert points_in("model.sweep") == 1
    described("one", 40)
    assert snncc(*lists).out != first.out
    assert points_in("model.sweep") == 2
    described("one", 256)
    again = snncc(*lists)
    assert again.out == first.out
    assert again.err == "snncc: warning: 1 of 1 points were in model.sweep already\n"


def test_a_description_that_changes_while_a_sweep_runs(snncc: Snncc, monkeypatch: pytest.MonkeyPatch) -> None:
    described("one", 256)
    keep = Kept.keep_reference

    def changing(self: Kept, answers: np.ndarray) -> None:
        keep(self, answers)
        described("one", 40)

    monkeypatch.setattr(Kept, "keep_reference", changing)
    lists = ("--levels", "2", "--weights", "8", "--codes", "radix", "--chips", "one.toml")
    assert error(snncc(*BASE, *lists)) == (
        "one.toml: was changed while the sweep ran; leave it alone, and run the sweep again"
    )
    assert points_in("model.sweep") == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "my.toml: cannot be read (No such file or directory); check the path and its permissions"),
        ("name = 3", "my.toml: lacks backend"),
        (
            'backend = "other"',
            "my.toml: describes a chip of target 'other', which is not installed; there are fpga, lava, sim",
        ),
        (
            'backend = "sim"',
            "my.toml: target sim takes no described chip; it has any",
        ),
    ],
)
def test_the_mistakes_of_descriptions(snncc: Snncc, text: str | None, message: str) -> None:
    if text is not None:
        described("my", 256)
        whole = Path("my.toml").read_text()
        Path("my.toml").write_text(whole.replace('backend = "lava"', text) if "backend" in text else text)
    assert error(snncc(*BASE, "--chips", "loihi2,my.toml")) == message
    assert not list(Path().glob("*.sweep"))


def test_processes_and_workers_elsewhere_find_the_file(snncc: Snncc, tmp_path: Path) -> None:
    described("one", 256)
    lists = (*BASE, "--levels", "2", "--weights", "4,8", "--codes", "radix", "--chips", "one.toml")
    assert snncc(*lists, "--jobs", "2", "--folder", "two").out == snncc(*lists, "--folder", "one").out
    study = Study(model=Path("model.onnx"), data=Path("data.npz"), calibrate=None, pixels=PixelScaling())
    setting = replace(ANY, chip="one.toml", chip_sha256="0")
    assert study.options(setting).machine == "one.toml"
    assert study.resolved().options(setting).machine == str(tmp_path / "one.toml")
