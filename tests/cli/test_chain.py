"""`snncc compile --target-fps` and `--max-lut`: cores in a row from command to synthesis, and messages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from snncc_backends.tools.yosys import find_yosys
from support.command import Snncc
from support.tools import tool_or_skip

COMPILE = ("compile", "model.onnx", "--target", "fpga", "--calibrate", "data.npz", "--scale", "255")


def test_from_a_goal_to_every_engine(snncc: Snncc) -> None:
    result = snncc(*COMPILE, "--target-fps", "120000", "--json")
    assert result.code == 0, result.err
    size = result.json
    assert len(size["chain"]) > 1
    assert size["balanced"]["images_per_second"] >= 120000
    assert size["multipliers"] == sum(core["lanes"] for core in size["chain"])

    ladder = snncc("verify", "model.snncc", "--json").json
    rungs = {rung["engine"]: rung["status"] for rung in ladder["engines"]}
    assert {rungs[name] for name in ("cycles", "csim", "rtl")} == {"equal"}

    runs = [
        snncc("simulate", "model.snncc", "--data", "other.npz", "--engine", name, "--json").json
        for name in ("cycles", "rtl", "csim", "levels")
    ]
    assert all(run["predictions"] == runs[0]["predictions"] for run in runs)
    assert runs[0]["cycles_per_image"] == runs[1]["cycles_per_image"]
    assert [core["computes"] for core in runs[0]["chain"]] == [core["computes"] for core in size["chain"]]
    assert 0.9 < max(core["works"] for core in runs[0]["chain"]) < 1


def test_what_is_printed(snncc: Snncc) -> None:
    result = snncc(*COMPILE, "--max-lut", "8000", "--lanes", "16")
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[1].split() == ["core", "lanes", "computes", "cycles", "works"]
    assert any(line.startswith("an image every ") and line.endswith(" MHz (estimated)") for line in lines)
    assert any(line.startswith("on 8 calibration images: an image every ") for line in lines)
    size = snncc(*COMPILE, "--max-lut", "8000", "--lanes", "16", "--force", "--json").json
    assert size["luts"] <= 8000
    assert max(core["lanes"] for core in size["chain"]) == 16


def test_synthesis(snncc: Snncc) -> None:
    tool_or_skip(find_yosys())
    assert snncc(*COMPILE, "--target-fps", "120000").code == 0
    result = snncc("build", "model.snncc", "--stage", "synthesis", "--json")
    assert result.code == 0, result.err
    report = json.loads(Path("model.build/report.json").read_text())
    assert len(report["chain"]) > 1
    assert report["result"]["multipliers"] == report["estimate"]["multipliers"]
    assert report["result"]["brams"] == report["estimate"]["brams"]
    assert 0.6 < report["result"]["luts"] / report["estimate"]["luts"] < 1.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--target-fps", "0"), "--target-fps: must be a positive number, not 0"),
        (("--max-lut", "0"), "--max-lut: must be at least 1, not 0"),
        (("--max-lut", "9000", "--lanes", "12"), "12 lanes; give a power of two from 8 to 512 with --lanes"),
        (
            ("--max-lut", "9000", "--code", "rate"),
            "small: cores in a row run phased codes alone; compile with a phased --code, or without "
            "--target-fps and --max-lut",
        ),
    ],
)
def test_mistakes(snncc: Snncc, options: tuple[str, ...], message: str) -> None:
    result = snncc(*COMPILE, *options)
    assert (result.code, result.out) == (1, "")
    assert result.err == f"snncc: error: {message}\n"
    assert not Path("model.snncc").exists()


def test_out_of_reach(snncc: Snncc) -> None:
    start = "--target-fps: no chain on"
    rate = "gives 1,000,000,000 images per second; the best gives N, with N LUTs on"
    cases = (
        (
            ("--target-fps", "1e9"),
            rf"{start} ecp5-85k {rate} N \+ N \+ N lanes: relu2 takes N cycles an image on N lanes, and "
            r"nothing on up to 128 lanes a core is faster: use a larger --lanes or device, or a smaller "
            r"network",
        ),
        (
            ("--target-fps", "1e9", "--chip", "ecp5-25k"),
            rf"{start} ecp5-25k {rate} 16 \+ 8 lanes: relu2 \+ y takes N cycles an image on 8 lanes, and 28 "
            r"multipliers allow no more: use a larger device, or fewer bits",
        ),
        (
            ("--target-fps", "1e9", "--max-lut", "4000"),
            rf"{start} ecp5-85k within 4,000 LUTs {rate} 16 lanes: pool1 \+ relu2 \+ y takes N cycles an "
            r"image on 16 lanes, and 4,000 LUTs allow no more: use a larger device or --max-lut, or fewer "
            r"bits",
        ),
        (
            ("--max-lut", "100"),
            r"--max-lut: no chain fits ecp5-85k within 100 LUTs: it needs at least N LUTs of 100; use fewer "
            r"weight or level bits, or a larger device or --max-lut",
        ),
    )
    for options, message in cases:
        result = snncc(*COMPILE, *options)
        assert (result.code, result.out) == (1, "")
        assert re.fullmatch(re.sub(r"\bN\b", r"[\\d,]+", f"snncc: error: {message}\n"), result.err), (
            result.err
        )
        assert not Path("model.snncc").exists()


def test_a_target_without_cores_to_choose(snncc: Snncc) -> None:
    result = snncc("compile", "model.onnx", "--target", "lava", "--max-lut", "100")
    assert (result.code, result.err) == (
        1,
        "snncc: error: --target-fps, --max-lut: target lava has no cores in a row; leave them out\n",
    )


@pytest.mark.parametrize("cores", [[{"passes": 1, "lanes": True}], {"passes": 1}, [{"passes": 1}], 3])
def test_a_damaged_list_of_cores(snncc: Snncc, cores: object) -> None:
    assert snncc(*COMPILE, "--max-lut", "6000").code == 0
    path = Path("model.snncc/manifest.json")
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "chain": cores}))
    result = snncc("verify", "model.snncc")
    assert (result.code, result.out) == (1, "")
    assert result.err.endswith(
        "is damaged: its entry chain is no list of passes and lanes; compile the model again\n"
    )


def test_cores_that_are_not_the_networks(snncc: Snncc) -> None:
    assert snncc(*COMPILE, "--max-lut", "6000").code == 0
    path = Path("model.snncc/manifest.json")
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "chain": [{"passes": 99, "lanes": 8}]}))
    result = snncc("verify", "model.snncc")
    assert (result.code, result.out) == (1, "")
    assert "its cores run 99 passes, the network has " in result.err
