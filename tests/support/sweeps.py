"""What tests of `snncc sweep` share."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from support.command import Result, Snncc

BASE = ("sweep", "model.onnx", "--calibrate", "other.npz", "--data", "data.npz", "--scale", "255")


def error(result: Result) -> str:
    """The one message of a command that failed."""
    assert (result.code, result.out) == (1, "")
    return result.err.removeprefix("snncc: error: ").removesuffix("\n")


def run_line(snncc: Snncc, line: str, *more: str) -> Result:
    """A printed command line, as a shell reads it."""
    program, *words = shlex.split(line)
    assert program == "snncc"
    result = snncc(*words, *more)
    assert result.code == 0, result.err
    return result


def check_point(snncc: Snncc, point: dict[str, Any], out: str) -> None:
    """Compile a point as its command line says, and compare what the other commands say of it."""
    figures = point["figures"]
    compiled = run_line(snncc, point["command"], "-o", out, "--json").json
    run = snncc("simulate", out, "--data", "data.npz", "--json").json
    assert figures["accuracy"] == run["accuracy"]
    assert (figures["steps"], figures["spikes"], figures["synops"]) == (
        run["steps"], run["spikes_per_image"], run["synops_per_image"],
    )  # fmt: skip
    if point["target"] == "fpga":
        assert (figures["luts"], figures["brams"], figures["multipliers"]) == (
            compiled["luts"], compiled["brams"], compiled["multipliers"],
        )  # fmt: skip
        cycles = snncc("simulate", out, "--data", "data.npz", "--engine", "cycles", "--limit", "16", "--json")
        assert figures["cycles"] == round(cycles.json["cycles_per_image"], 1)
        assert figures["time"] == figures["cycles"] / compiled["fmax_mhz"]
    else:
        fit = snncc("explain", out, "--chip", point["chip"], "--data", "data.npz", "--json").json["fit"]
        name = point["code"] if point["code"] in fit["estimates"] else "mixed"
        if point["code"].startswith("auto"):
            name = next(iter(fit["estimates"]))
        estimate = fit["estimates"][name]
        assert figures["energy"] == estimate["total"]["nanojoules"] / 1000
        assert figures["time"] == estimate["microseconds"]
        assert (figures["cores"], figures["chips"]) == (compiled["cores"], compiled["chips"])


def points_in(folder: str) -> int:
    """Points that are kept in a folder."""
    return len(list(Path(folder).glob("*.point")))
