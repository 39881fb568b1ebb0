"""`compile --partition`: the network core by core."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.command import Snncc

LAVA = ("compile", "model.onnx", "--target", "lava", "--calibrate", "data.npz", "--partition", "-o", "out")


def test_the_network_is_emitted_in_slices(snncc: Snncc) -> None:
    done = snncc(*LAVA, "--json")
    assert done.code == 0, done.err
    fit = json.loads(done.out)["fit"]
    cells = json.loads(Path("out/lava/network.json").read_text())["cells"]
    placed = [cell for cell in cells if "core" in cell]
    assert {cell["core"] for cell in placed} == set(range(fit["cores"]))
    assert {cell["kind"] for cell in placed} == {"population", "gate", "readout"}
    assert json.loads(Path("out/manifest.json").read_text())["partition"] is True


@pytest.mark.slow
def test_every_engine_agrees(snncc: Snncc) -> None:
    assert snncc(*LAVA).code == 0
    done = snncc("verify", "out", "--json")
    assert done.code == 0
    found = {row["engine"]: row["status"] for row in json.loads(done.out)["engines"]}
    assert found.pop("lava") in ("equal", "not run")
    assert set(found.values()) == {"equal"}


def test_what_has_no_cores(snncc: Snncc) -> None:
    done = snncc("compile", "model.onnx", "--target", "sim", "--partition", "-o", "out")
    assert (done.code, done.err) == (1, "snncc: error: --partition: any has no cores; leave it out\n")


def test_stock_processes_are_emitted_whole(snncc: Snncc) -> None:
    done = snncc(*LAVA, "--chip", "loihi1")
    message = "--partition: loihi1 is emitted as a whole: its processes are Lava's own; leave it out"
    assert (done.code, done.err) == (1, f"snncc: error: {message}\n")


def test_a_damaged_entry(snncc: Snncc) -> None:
    assert snncc(*LAVA).code == 0
    path = Path("out/manifest.json")
    path.write_text(path.read_text().replace('"partition": true', '"partition": 1'))
    done = snncc("verify", "out")
    assert (done.code, done.err) == (
        1,
        "snncc: error: out/manifest.json: is damaged: its entry partition is not true or false"
        "; compile the model again\n",
    )
