"""Lanes that add shifted weights, on devices with fewer multipliers than lanes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

from snncc_backends.chips import load_machine
from snncc_backends.fpga.bench import first_difference
from snncc_backends.fpga.build import design_of, resources_of
from snncc_backends.fpga.estimate import estimate
from snncc_backends.fpga.refusals import find_refusals
from snncc_backends.fpga.rtl import run_verilog
from snncc_backends.fpga.simulator.cycles import Simulator
from snncc_backends.fpga.tables.assemble import build_tables, tables_on
from snncc_backends.fpga.tables.tables import Tables
from snncc_backends.tools.device import find_device
from snncc_backends.tools.flow import run_flow
from snncc_backends.tools.found import Tool
from snncc_backends.tools.verilator import lint
from snncc_backends.tools.yosys import find_yosys
from snncc_ir.graph import Graph
from snncc_ir.hardware import Stage
from snncc_ir.tensors import Ints
from support.binary import some_of_all
from support.fpga import little, machine, wide
from support.graphs import Case, cases
from support.tools import tool_or_skip

UNHURRIED = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture]


def differs(tables: Tables, batch: dict[str, Ints], verilator: Tool, compiler: Tool) -> str:
    expected = Simulator(tables).run(batch, trace=True)
    with tempfile.TemporaryDirectory() as folder:
        found = run_verilog(verilator, compiler, tables, batch, Path(folder))
    return first_difference(found, expected.traces, expected.cycles)


@pytest.mark.parametrize(("chip", "lanes", "shifts"), [("25k", 16, 0), ("25k", 32, 1), ("45k", 64, 0)])
def test_the_device_decides(chip: str, lanes: int, shifts: int) -> None:
    tables = tables_on(little(15), replace(load_machine(f"ecp5-{chip}"), lanes=lanes))
    assert (tables.widths.shift_add, estimate(tables).multipliers) == (shifts, 0 if shifts else lanes)


def test_binary_lanes_alone_shift_nothing() -> None:
    graph = some_of_all()
    assert build_tables(graph, 16, multipliers=0).widths.shift_add == 1
    assert build_tables(graph, 16, multipliers=0).memories.keys() == build_tables(graph, 16).memories.keys()


@pytest.mark.parametrize("make", [lambda: little(15), some_of_all])
def test_lint(tmp_path: Path, verilator: Tool, make: Callable[[], Graph]) -> None:
    waived = ("WIDTH", "GENUNNAMED", "UNUSED", "DECLFILENAME", "UNUSEDPARAM", "UNUSEDSIGNAL")
    tables = build_tables(make(), 16, multipliers=0)
    lint(verilator, design_of(tables), tmp_path, *waived, "WIDTHEXPAND", "WIDTHTRUNC")


def test_levels_without_a_sign(verilator: Tool, compiler: Tool) -> None:
    tables = build_tables(little(15), 8, multipliers=0)
    images = np.random.default_rng(0).integers(0, 16, (8, 1, 6, 6))
    assert tables.widths.signed_levels == 0
    assert differs(tables, {"pixels": images}, verilator, compiler) == ""


def test_beside_binary_lanes(verilator: Tool, compiler: Tool) -> None:
    tables = build_tables(some_of_all(), 16, multipliers=0)
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 7, 7))
    assert differs(tables, {"pixels": images}, verilator, compiler) == ""


def test_the_verilog_is_the_simulator(verilator: Tool, compiler: Tool) -> None:
    """Levels are signed here, and the widths those of all networks."""

    @settings(max_examples=25, deadline=None, suppress_health_check=UNHURRIED)
    @given(cases())
    def check(case: Case) -> None:
        assume(not find_refusals(case.graph, machine(8)))
        tables = build_tables(case.graph, 8, replace(wide(8), shift_add=1))
        assert differs(tables, case.batch, verilator, compiler) == ""

    check()


@pytest.mark.slow
def test_no_multiplier_is_left(tmp_path: Path) -> None:
    tool_or_skip(find_yosys())
    tables = build_tables(little(15), 8, multipliers=0)
    result = resources_of(run_flow(design_of(tables), find_device("ecp5-25k"), tmp_path, Stage.SYNTHESIS))
    assert result.multipliers == 0
