"""Verilator and the C++ compiler on a small design."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tools_designs import MAIN, TABLE, mac_files

from snncc_backends.tools.compiler import build_cpp
from snncc_backends.tools.design import Design
from snncc_backends.tools.found import Tool
from snncc_backends.tools.run import run_tool
from snncc_backends.tools.verilator import build_model, lint
from snncc_ir.errors import TargetError, ToolError

INPUTS = (1, -7, 127, 0)


def sums(folder: Path, *inputs: int) -> list[list[int]]:
    """What the simulation prints of each input: the sum, and the cycles that it took."""
    program = Tool(name="the simulation", command=(str(folder / "simulation"),))
    run_tool(program, folder, *map(str, inputs), seconds=60)
    return [[int(value) for value in line.split()] for line in (folder / "sums.txt").read_text().splitlines()]


def test_a_simulation(tmp_path: Path, mac: Design, verilator: Tool, compiler: Tool) -> None:
    build_model(verilator, compiler, mac, {"main.cpp": MAIN}, tmp_path)
    assert sums(tmp_path, *INPUTS) == [[x * sum(TABLE), 19] for x in INPUTS]


def test_parameters_and_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mac: Design, verilator: Tool, compiler: Tool
) -> None:
    monkeypatch.setenv("SNNCC_CACHE", str(tmp_path / "cache"))
    table = np.random.default_rng(0).integers(-128, 128, 5).tolist()
    for name, words in {"first": TABLE[:5], "second": table}.items():
        folder = tmp_path / name
        folder.mkdir()
        design = replace(mac, parameters={"DEPTH": 5, "BITS": 3}, files=mac_files(words))
        build_model(verilator, compiler, design, {"main.cpp": MAIN}, folder)
    assert sums(tmp_path / "first", 3) == [[3 * sum(TABLE[:5]), 8]]
    assert sums(tmp_path / "second", 3) == [[3 * sum(table), 8]]
    assert not (tmp_path / "second" / "model").exists()  # other tables need no other program


def test_assertions(tmp_path: Path, mac: Design, verilator: Tool, compiler: Tool) -> None:
    with_them, without = tmp_path / "with", tmp_path / "without"
    for folder, assertions in ((with_them, True), (without, False)):
        folder.mkdir()
        build_model(verilator, compiler, mac, {"main.cpp": MAIN}, folder, assertions=assertions)
    with pytest.raises(ToolError, match=r"^the simulation ended with status -?\d+\n[^$]*Assertion failed"):
        sums(with_them, -128)
    assert sums(without, -128) == [[-128 * sum(TABLE), 19]]


def test_a_mistake_in_the_design(tmp_path: Path, mac: Design, verilator: Tool, compiler: Tool) -> None:
    broken = replace(mac, files={**mac.files, "widths.vh": b"localparam LAST = ;\n"})
    with pytest.raises(
        ToolError, match=r"(?s)^Verilator ended with status 1\n.*widths.vh:1:\d+: syntax error"
    ):
        build_model(verilator, compiler, broken, {"main.cpp": MAIN}, tmp_path)


def test_a_mistake_in_the_main_program(tmp_path: Path, mac: Design, verilator: Tool, compiler: Tool) -> None:
    with pytest.raises(
        ToolError, match=r"(?s)^the C\+\+ compiler ended with status 1\n.*main.cpp:1:1: error"
    ):
        build_model(verilator, compiler, mac, {"main.cpp": b"nothing\n"}, tmp_path)


def test_lint(tmp_path: Path, mac: Design, verilator: Tool) -> None:
    with pytest.raises(ToolError, match=r"(?s)WIDTH.*Exiting due to \d+ warning\(s\)$"):
        lint(verilator, mac, tmp_path)
    lint(verilator, mac, tmp_path, "WIDTHEXPAND", "WIDTHTRUNC", "WIDTH")


@pytest.mark.parametrize("name", ["a b.v", "../a.v", "-o.v", "a.v;rm", "", "a"])
def test_names_that_are_no_file_names(name: str) -> None:
    with pytest.raises(TargetError, match=r"is no name for a file of a design$"):
        Design(top="mac", files={name: b""})


@pytest.mark.parametrize("name", ["a b", "-a", "1a", "", "a;b", "\\a"])
def test_names_that_are_no_identifiers(name: str) -> None:
    for design in ({"top": name}, {"top": "a", "parameters": {name: 1}}, {"top": "a", "defines": (name,)}):
        with pytest.raises(TargetError, match=r"is no Verilog identifier$"):
            Design(files={}, **design)  # type: ignore[arg-type]


def test_a_cpp_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiler: Tool) -> None:
    monkeypatch.setenv("SNNCC_CACHE", str(tmp_path / "cache"))
    files = {"sum.h": b"inline int sum(int a, int b) { return a + b; }\n"}
    files["main.cpp"] = b'#include "sum.h"\nint main(int n, char**) { return sum(n, -3); }\n'
    flags = ("-std=c++14", "-Wall", "-Wextra", "-Werror")
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        program = build_cpp(compiler, folder, files, flags, "program")
        run_tool(Tool(name="sum", command=(str(program),)), folder, "a", "b", seconds=10)
        with pytest.raises(ToolError, match=r"^sum ended with status 1\nit printed nothing$"):
            run_tool(Tool(name="sum", command=(str(program),)), folder, "a", "b", "c", seconds=10)
    assert [(tmp_path / name / "the-c-compiler.log").exists() for name in ("first", "second")] == [
        True,
        False,
    ]
