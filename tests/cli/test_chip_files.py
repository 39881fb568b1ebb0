"""Compiling for a chip that the user describes, as the command does it."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest

import snncc_backends.chips
from snncc.artefact import read
from support.command import Snncc, compiled

CHIPS = files(snncc_backends.chips)
TEMPLATE = CHIPS.joinpath("template.toml").read_text(encoding="utf-8")
LOIHI1 = CHIPS.joinpath("loihi1.toml").read_text(encoding="utf-8")
DIGITS = Path(__file__).parents[2] / "examples" / "digits"


def with_limit(text: str, name: str, value: int) -> str:
    head, rest = text.split(f"[{name}]\nvalue = ")
    return f"{head}[{name}]\nvalue = {value}\n{rest.split(chr(10), 1)[1]}"


def statuses(snncc: Snncc) -> dict[str, str]:
    done = snncc("verify", "model.snncc", "--json")
    assert done.code == 0, done.err
    return {row["engine"]: row["status"] for row in done.json["engines"]}


@pytest.mark.parametrize("options", [(), ("--partition",)], ids=["whole", "slices"])
def test_a_described_chip_is_part_of_the_artefact(
    snncc: Snncc, tmp_path: Path, options: tuple[str, ...]
) -> None:
    (tmp_path / "my.toml").write_text(TEMPLATE)
    done = compiled(snncc, "--chip", "my.toml", *options, "--json")
    assert (done.code, done.json["chip"]) == (0, "mychip"), done.err
    (tmp_path / "my.toml").unlink()
    manifest = read(tmp_path / "model.snncc").manifest
    assert (manifest["chip"], manifest["machine"]) == ("mychip", TEMPLATE)
    fit = snncc("explain", "model.snncc", "--json").json["fit"]
    assert (fit["chip"], fit["cores"]) == ("mychip", done.json["cores"])
    assert fit["limits"]["compartments"] == 256
    found = statuses(snncc)
    assert found.pop("lava") in ("equal", "not run")
    assert set(found.values()) == {"equal"}


def test_a_described_chip_of_stock_neurons(snncc: Snncc, tmp_path: Path) -> None:
    text = with_limit(LOIHI1, "core.compartments", 500).replace('name = "loihi1"', 'name = "half"')
    (tmp_path / "half.toml").write_text(text)
    model, data = str(DIGITS / "digits_strided.onnx"), str(DIGITS / "digits.npz")
    given = ("--target", "lava", "--calibrate", data, "--scale", "255", "--steps", "4", "-o", "model.snncc")
    done = snncc("compile", model, *given, "--chip", "half.toml", "--json")
    assert (done.code, done.json["chip"]) == (0, "half"), done.err
    assert done.json["fit"]["limits"]["compartments"] == 500
    assert "code=rate" in done.json["pipeline"]
    done = snncc("simulate", "model.snncc", "--data", data, "--engine", "lif", "--limit", "2", "--json")
    assert (done.code, done.json["engine"]) == (0, "lif"), done.err


MISTAKES = {
    "none.toml": (
        None,
        ("--target", "lava"),
        "none.toml: cannot be read (No such file or directory); check the path and its permissions",
    ),
    "other.toml": (
        TEMPLATE.replace('backend = "lava"', 'backend = "other"'),
        ("--target", "lava"),
        "other.toml: describes a chip of target 'other', not of lava; compile for that target; "
        "`snncc explain OUT --chip FILE` maps other networks on it",
    ),
    "sim.toml": (
        TEMPLATE,
        ("--target", "sim"),
        "sim.toml: target sim takes no described chip; it has any",
    ),
    "wide.toml": (
        with_limit(TEMPLATE, "limits.membrane_bits", 32),
        ("--target", "lava"),
        "wide.toml: limits.membrane_bits is 32, and what is emitted for lava has 24 bits; lower it",
    ),
    "device.toml": (
        CHIPS.joinpath("any.toml").read_text(encoding="utf-8"),
        ("--target", "lava"),
        "device.toml: describes no cores; give it the tables core, mesh and events",
    ),
    "lanes.toml": (
        TEMPLATE,
        ("--target", "lava", "--lanes", "8"),
        "--lanes: mychip has no lanes to choose; leave it out",
    ),
    "narrow.toml": (
        with_limit(TEMPLATE, "limits.membrane_bits", 8),
        ("--target", "lava", "--calibrate", "data.npz", "--scale", "255"),
        None,
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(snncc: Snncc, tmp_path: Path, name: str) -> None:
    text, options, message = MISTAKES[name]
    if text is not None:
        (tmp_path / name).write_text(text)
    done = snncc("compile", "model.onnx", *options, "--chip", name)
    assert (done.code, done.out) == (1, "")
    if message is None:
        assert "bits, mychip has 8; use fewer weight bits or level bits" in done.err
    else:
        assert done.err.splitlines()[-1] == f"snncc: error: {message}"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (3, "is damaged: its entry machine describes no chip; compile the model again"),
        ("name = 3", "lacks backend"),
        (TEMPLATE.replace('backend = "lava"', 'backend = "x"'), "describes a chip of target 'x'"),
    ],
)
def test_a_damaged_entry(snncc: Snncc, tmp_path: Path, entry: object, message: str) -> None:
    compiled(snncc)
    file = tmp_path / "model.snncc" / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "machine": entry}))
    done = snncc("explain", "model.snncc")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"snncc: error: model.snncc/manifest.json: {message}")
