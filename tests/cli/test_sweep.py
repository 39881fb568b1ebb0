"""`snncc sweep`: the figures of the other commands, a table that a kill does not change, and its files."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from snncc.sweep.kept import Kept
from support.cluster import until
from support.command import Snncc
from support.sweeps import BASE, check_point, error, points_in, run_line

SMALL = (*BASE, "--levels", "2,4", "--weights", "8", "--codes", "radix,count")


@pytest.mark.parametrize(
    ("levels", "codes", "lanes", "count"),
    [
        ("3", "graded,rate,auto:energy", "8", 3 + 3),
        pytest.param(
            "2,4", "count,ttfs,radix,stbif,auto:time", "8,32", 2 * 5 + 2 * 2 * 3, marks=pytest.mark.slow
        ),
    ],
)
def test_every_figure_is_that_of_the_printed_command(
    snncc: Snncc, levels: str, codes: str, lanes: str, count: int
) -> None:
    lists = ["--levels", levels, "--weights", "4", "--codes", codes, "--lanes", lanes, "--steps", "9"]
    found = snncc(*BASE, *lists, "--chips", "loihi2,ecp5-85k", "--json")
    assert found.code == 0, found.err
    points = found.json["points"]
    assert len(points) == count  # of the phased codes an FPGA has the first
    possible = [point for point in points if point["figures"]]
    assert {point["chip"] for point in possible} == {"loihi2", "ecp5-85k"}
    assert {point["code"] for point in possible} == set(codes.split(","))
    for number, point in enumerate(possible):
        check_point(snncc, point, f"p{number}")
    for point in points:
        if not point["figures"]:
            program, *words = shlex.split(point["command"])
            refused = snncc(*words, "-o", "refused")
            assert (refused.code, program) == (1, "snncc")
            assert refused.err.removeprefix("snncc: error: ").removesuffix("\n").endswith(point["reason"])


def test_the_code_changes_no_answer_and_loss_is_against_the_float_network(snncc: Snncc) -> None:
    found = snncc(*SMALL, "--json").json
    for bits in (2, 4):
        same = [point["figures"] for point in found["points"] if point["level_bits"] == bits]
        assert len({figures["accuracy"] for figures in same}) == 1
        lost = 100 * (found["float_accuracy"] - same[0]["accuracy"])
        assert same[0]["loss"] == pytest.approx(lost, abs=1e-9)


def test_without_labels_the_loss_is_the_share_of_changed_answers(snncc: Snncc) -> None:
    np.savez("bare.npz", images=np.load("data.npz")["images"])
    found = snncc(*SMALL, "--data", "bare.npz", "--json").json
    assert found["float_accuracy"] is None
    for point in found["points"]:
        assert point["figures"]["accuracy"] is None
        assert 0 <= point["figures"]["loss"] <= 100


def test_pick_prints_the_winner_and_its_command(snncc: Snncc) -> None:
    found = snncc(*SMALL, "--pick", "loss<=100, min synops")
    assert found.code == 0
    *_, said, line = found.out.splitlines()
    assert said.startswith("picked by 'loss<=100, min synops': loihi2, 2-bit levels, 8-bit weights, radix: ")
    assert line == (
        "snncc compile model.onnx --target lava --chip loihi2 --level-bits 2 --weight-bits 8 --code radix "
        "--calibrate other.npz --scale 255"
    )
    winner = snncc(*SMALL, "--pick", "loss<=100, min synops", "--json").json
    point = winner["points"][winner["pick"]["point"]]
    assert winner["pick"]["command"] == point["command"] == line
    assert point["figures"]["synops"] == min(each["figures"]["synops"] for each in winner["points"])


def test_where_no_point_fits_it_says_so_and_exits_1(snncc: Snncc) -> None:
    found = snncc(*SMALL, "--pick", "steps<2, min energy")
    assert found.code == 1
    assert "\nno point fits 'steps<2, min energy'; the nearest, where steps 6 is not steps<2: " in found.out
    assert found.out.splitlines()[-1].startswith("snncc compile model.onnx ")
    nothing = snncc(*SMALL, "--pick", "luts<2, min energy")
    assert nothing.code == 1
    assert nothing.out.splitlines()[-1] == "no point has all the figures that 'luts<2, min energy' speaks of"


def test_names_and_paths_are_quoted_for_a_shell(snncc: Snncc) -> None:
    Path("model.onnx").rename("a model; rm.onnx")
    lists = ["--levels", "4", "--weights", "8", "--codes", "radix", "--mean", "0.4,0.5", "--std", "0.25"]
    words = ["sweep", "a model; rm.onnx", *SMALL[2:8], *lists]
    found = snncc(*words, "--pick", "min loss", "--json")
    assert found.code == 0, found.err
    line = found.json["pick"]["command"]
    assert line.startswith("snncc compile 'a model; rm.onnx' --target lava")
    assert line.endswith("--scale 255 --mean 0.4,0.5 --std 0.25")
    run_line(snncc, line, "-o", "out")


def test_a_point_that_cannot_be_is_a_row_with_its_reason(snncc: Snncc) -> None:
    found = snncc(
        *BASE, "--levels", "4", "--weights", "8", "--codes", "radix,stbif", "--chips", "loihi1,loihi2"
    )
    assert found.code == 0
    assert "(1) loihi1: cannot express this network: " in found.out
    assert "(2) loihi2: cannot express this network: small: stbif timing; " in found.out
    assert "1 of 3 points on 40 images" in found.out


def test_a_rerun_computes_nothing_and_prints_the_same(snncc: Snncc) -> None:
    first = snncc(*SMALL, "--folder", "kept")
    files = {file: file.stat().st_mtime_ns for file in Path("kept").iterdir()}
    assert len(files) == 4 + 1
    again = snncc(*SMALL, "--folder", "kept")
    assert again.out == first.out
    assert again.err == "snncc: warning: 4 of 4 points were in kept already\n"
    assert {file: file.stat().st_mtime_ns for file in Path("kept").iterdir()} == files
    for file in sorted(files)[1:3]:
        file.unlink()
    assert snncc(*SMALL, "--folder", "kept").out == first.out
    assert set(Path("kept").iterdir()) == set(files)


def test_other_files_and_options_have_other_points(snncc: Snncc) -> None:
    snncc(*SMALL)
    before = set(Path("model.sweep").iterdir())
    data = dict(np.load("data.npz"))
    data["images"][3] = 255 - data["images"][3]
    np.savez("data.npz", **data)
    snncc(*SMALL)
    assert len(set(Path("model.sweep").iterdir()) - before) == 5
    snncc(*SMALL, "--limit", "20")
    snncc(*SMALL, "--std", "0.5")
    assert len(set(Path("model.sweep").iterdir())) == 4 * 5


def test_a_damaged_point_is_refused(snncc: Snncc) -> None:
    snncc(*SMALL)
    file = sorted(Path("model.sweep").glob("*.point"))[0]
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"radix", b"count").replace(b"reason", b"raison"))
    assert error(snncc(*SMALL)) == f"{file}: is damaged; delete it, and it is computed again"
    file.unlink()
    assert snncc(*SMALL).code == 0
    assert file.read_bytes() == whole


def test_two_processes_print_what_one_does(snncc: Snncc) -> None:
    lists = (*SMALL, "--weights", "4,8")
    assert snncc(*lists, "--jobs", "2", "--folder", "two").out == snncc(*lists, "--folder", "one").out
    kept = [{file.name: file.read_bytes() for file in Path(name).iterdir()} for name in ("one", "two")]
    assert kept[0] == kept[1]


SLOW = """
import time
from snncc.sweep.kept import Kept
keep = Kept.keep

def slow(self, row):
    keep(self, row)
    time.sleep(0.5)

Kept.keep = slow
if __name__ == "__main__":
    from snncc import cli
    cli.main()
"""


def start(*arguments: str) -> subprocess.Popen[str]:
    """A sweep that rests after each point."""
    Path("slow.py").write_text(SLOW)
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return subprocess.Popen(
        [sys.executable, "slow.py", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_killed_sweep_goes_on_and_prints_the_same_table(snncc: Snncc, jobs: str) -> None:
    lists = (*SMALL, "--codes", "radix,count,ttfs", "--weights", "4,8", "--pick", "loss<=100, min energy")
    undisturbed = snncc(*lists, "--folder", "whole")
    child = start(*lists, "--folder", "cut", "--jobs", jobs)
    until(lambda: points_in("cut") >= 2)
    below = descendants(child.pid)
    child.kill()
    child.communicate()
    until(lambda: not any(alive(process) for process in below))
    assert 2 <= points_in("cut") < 12
    resumed = snncc(*lists, "--folder", "cut")
    assert resumed.err.endswith("of 12 points were in cut already\n")
    assert (resumed.code, resumed.out) == (undisturbed.code, undisturbed.out)


def descendants(process: int) -> list[int]:
    """The processes that a process has made, and those that they have made."""
    file = Path(f"/proc/{process}/task/{process}/children")
    own = [int(word) for word in file.read_text().split()] if file.exists() else []
    return [*own, *(each for child in own for each in descendants(child))]


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize("jobs", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_ctrl_c_says_what_is_kept(snncc: Snncc, jobs: str) -> None:
    child = start(*SMALL, "--jobs", jobs)
    until(lambda: points_in("model.sweep") >= 1)
    below = descendants(child.pid)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=120)
    until(lambda: not any(alive(process) for process in below))
    kept = points_in("model.sweep")
    assert child.returncode == 130
    assert err == (
        f"snncc: error: interrupted; {kept} of 4 points are kept in model.sweep: the same command goes on "
        "from there\n"
    )
    assert snncc(*SMALL).code == 0


def test_csv_and_plots_are_written(snncc: Snncc) -> None:
    for kind, begin in (("svg", b"<?xml"), ("png", b"\x89PNG"), ("html", b"<!DOCTYPE html>")):
        found = snncc(*SMALL, "--plot", f"p.{kind}", "--csv", "p.csv", "--against", "energy,steps,cores")
        assert found.code == 0, found.err
        assert Path(f"p.{kind}").read_bytes().startswith(begin)
    assert b"energy per image, uJ" in Path("p.svg").read_bytes()
    with Path("p.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    points = snncc(*SMALL, "--json").json["points"]
    for line, point in zip(lines, points, strict=True):
        assert float(line["energy"]) == point["figures"]["energy"]
        assert (line["code"], line["luts"], line["reason"]) == (point["code"], "", "")


def test_the_table_of_the_plain_form_is_json(snncc: Snncc) -> None:
    found = snncc(*SMALL, "--json")
    assert json.loads(found.out)["against"] == ["energy", "time", "cores"]
    assert found.err == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--levels", "9"], "--levels: '9' is not a whole number of 1 to 8; write a list such as 2,4,8"),
        (["--levels", "2;4"], "--levels: '2;4' is not a whole number of 1 to 8; write a list such as 2,4,8"),
        (["--levels", "2,,4"], "--levels: '2,,4' is no list; write its entries with one comma between them"),
        (["--weights", "7"], "--weights: '7' is not 1, 2, 3, 4, 5, 6 or 8; write a list such as 2,4,8"),
        (["--codes", "morse"], "--codes: nothing is called 'morse'; there are graded, radix, count, ttfs, "
         "rate, stbif, auto, auto:energy, auto:time, auto:cores"),
        (["--targets", "npu"], "--targets: nothing is called 'npu'; there are fpga, lava, sim"),
        (["--chips", "loihi9"], "--chips: nothing is called 'loihi9'; there are ecp5-85k, ecp5-45k, "
         "ecp5-25k, xczu7ev, loihi2, loihi1, any"),
        (["--chips", "loihi2", "--targets", "sim"], "--chips: loihi2 is a chip of target lava, which is not "
         "in --targets; add lava to --targets, or leave that out"),
        (["--lanes", "8", "--targets", "lava"], "--lanes: loihi2 has no lanes to choose; leave it out"),
        (["--against", "power"], "--against: nothing is called 'power'; there are steps, spikes, synops, "
         "energy, time, cores, chips, luts, brams, multipliers, cycles, levels, weights, lanes"),
        (["--csv", "p.txt"], "--csv p.txt: must name a .csv file in an existing folder"),
        (["--plot", "p.pdf"], "--plot p.pdf: must name a .svg or .png or .html file in an existing folder"),
        (["--plot", "no/p.svg"],
         "--plot no/p.svg: must name a .svg or .png or .html file in an existing folder"),
        (["--input-bits", "9"], "--input-bits: must be 1 to 8, not 9"),
        (["--std", "0"], "--scale, --mean, --std: scale and std must be positive numbers, mean a number"),
        (["--data", "nowhere.npz"], "nowhere.npz: no such file or folder; check the path"),
        (["--folder", "data.npz"], None),
        (["--steps", ",".join(map(str, range(1, 1100))), "--codes", "rate", "--targets", "sim"],
         "8792 points are too many; at most 4096; give shorter lists"),
    ],
)  # fmt: skip
def test_every_mistake_is_one_message(snncc: Snncc, options: list[str], message: str | None) -> None:
    found = error(snncc(*BASE, *options))
    if message is None:
        assert found.startswith("data.npz/")
        assert found.endswith(": cannot be written (File exists); see --folder")
    else:
        assert found == message
    assert not list(Path().glob("*.sweep"))


@pytest.mark.parametrize(
    ("package", "options", "message"),
    [
        ("matplotlib", ["--plot", "p.svg"],
         "--plot: needs the Python package matplotlib, which is not installed; "
         'pip install "jinja2>=3.1" "matplotlib>=3.8"'),
        ("distributed", ["--scheduler", "tcp://127.0.0.1:1"],
         "--scheduler: needs the Python package distributed, which is not installed; "
         'pip install "distributed>=2024.1"'),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_before_anything_runs(
    snncc: Snncc, monkeypatch: pytest.MonkeyPatch, package: str, options: list[str], message: str
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else found(name))
    assert error(snncc(*SMALL, *options)) == message
    assert not Path("model.sweep").exists()


def test_what_is_kept_is_named_by_all_that_it_depends_on() -> None:
    names = {Kept(Path("a"), digest)._key(("x", number)) for digest in "ab" for number in (1, 2)}
    assert len(names) == 4
