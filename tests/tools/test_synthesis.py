"""Synthesis, gate netlists, place and route of a small design."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tools_designs import MAIN, TABLE

from snncc_backends.tools.design import Design
from snncc_backends.tools.device import DEVICES, Family, find_device
from snncc_backends.tools.flow import missing_for, run_flow
from snncc_backends.tools.found import Tool
from snncc_backends.tools.nextpnr import find_ecppack, find_nextpnr, place_and_route
from snncc_backends.tools.run import run_tool
from snncc_backends.tools.synthesis import CELL_TYPES, Resources, check_fit, gate_netlist, synthesise
from snncc_backends.tools.verilator import build_model
from snncc_ir.errors import TargetError, ToolError
from snncc_ir.hardware import Stage
from support.tools import tool_or_skip


@pytest.fixture
def plain(mac: Design) -> Design:
    return replace(mac, defines=())


def test_ecp5(tmp_path: Path, plain: Design, yosys: Tool) -> None:
    result = synthesise(yosys, plain, Family.ECP5, tmp_path)
    used = result.resources
    assert (used.multipliers, used.lut_rams) == (1, 0)
    assert used.flip_flops >= 20 + 4 + 8 + 3  # sum, address, word and flags
    assert used.luts > 0
    assert used.carries >= 10  # two bits of the sum each
    assert used == CELL_TYPES[Family.ECP5].sums(result.cells)
    assert set(result.cells) <= {"CCU2C", "LUT4", "MULT18X18D", "TRELLIS_FF", "PFUMX", "L6MUX21", "DP16KD"}


def test_parameters_reach_synthesis(tmp_path: Path, plain: Design, yosys: Tool) -> None:
    small = synthesise(yosys, plain, Family.ECP5, tmp_path).resources
    deep = replace(plain, parameters={"DEPTH": 2048, "BITS": 11})
    large = synthesise(yosys, deep, Family.ECP5, tmp_path).resources
    assert (small.rams, large.rams) == (0, 1)


@pytest.mark.slow
@pytest.mark.parametrize("family", [Family.XILINX, Family.ICE40])
def test_other_families(tmp_path: Path, plain: Design, yosys: Tool, family: Family) -> None:
    used = synthesise(yosys, plain, family, tmp_path).resources
    assert used.luts > 0
    assert used.flip_flops >= 20 + 4 + 8 + 3


def test_sums() -> None:
    cells = {"LUT6": 5, "LUT2": 2, "FDRE": 7, "FDCE_1": 1, "CARRY8": 3, "RAMB18E2": 4, "RAMB36E2": 8}
    cells |= {"DSP48E2": 1, "RAM64M8": 9, "SRL16E": 1, "INV": 50}
    assert CELL_TYPES[Family.XILINX].sums(cells) == Resources(
        luts=7, carries=3, flip_flops=8, lut_rams=10, rams=20, multipliers=1
    )


def test_the_gates_compute_the_same(
    tmp_path: Path, plain: Design, yosys: Tool, verilator: Tool, compiler: Tool
) -> None:
    gates = gate_netlist(yosys, plain, tmp_path)
    assert b"table.mem" not in gates.files["gates.v"]  # the contents are in the netlist
    folder = tmp_path / "simulation"
    folder.mkdir()
    program = build_model(verilator, compiler, gates, {"main.cpp": MAIN}, folder)
    run_tool(Tool(name="the simulation", command=(str(program),)), folder, "3", "-128", seconds=60)
    assert (folder / "sums.txt").read_text() == f"{3 * sum(TABLE)} 19\n{-128 * sum(TABLE)} 19\n"


def test_a_mistake_in_the_design(tmp_path: Path, plain: Design, yosys: Tool) -> None:
    with pytest.raises(
        ToolError, match=r"^Yosys ended with status 1\n(?s:.*)ERROR: Module `[^']*absent' not"
    ):
        synthesise(yosys, replace(plain, top="absent"), Family.ECP5, tmp_path)


def test_a_design_that_does_not_fit(tmp_path: Path, plain: Design, yosys: Tool) -> None:
    result = synthesise(yosys, plain, Family.ECP5, tmp_path)
    device = find_device("ecp5-25k")
    check_fit(result, device)
    resources = replace(result.resources, luts=20000, carries=2145, rams=57)
    with pytest.raises(
        TargetError,
        match=r"^ecp5-25k: the design needs 24290 LUTs of 24288, 57 block memories of 56; choose a larger "
        r"device, fewer lanes or narrower weights$",
    ):
        check_fit(replace(result, resources=resources), device)


def test_an_unknown_device() -> None:
    with pytest.raises(
        TargetError,
        match=r"^no device is called 'vu9p'; there are ecp5-25k, ecp5-45k, ecp5-85k, ice40-hx8k, "
        r"xczu7ev$",
    ):
        find_device("vu9p")


def test_place_and_route_and_bitstream(tmp_path: Path, plain: Design, yosys: Tool) -> None:
    tool_or_skip(find_nextpnr(Family.ECP5))
    tool_or_skip(find_ecppack())
    device = find_device("ecp5-25k")
    report = run_flow(plain, device, tmp_path, Stage.BITSTREAM, seed=2)
    routed, used = report.routed, report.synthesis.resources
    assert routed is not None
    assert 50 < routed.fmax_mhz < 600
    usage = routed.usage
    assert (usage["TRELLIS_FF"].used, usage["MULT18X18D"].used) == (used.flip_flops, 1)
    assert usage["TRELLIS_COMB"].used >= used.luts + 2 * used.carries
    available = (usage["TRELLIS_FF"].available, usage["TRELLIS_COMB"].available)
    assert available == (device.luts, device.luts)
    assert usage["MULT18X18D"].available == device.multipliers
    assert b"LFE5U-25F" in (tmp_path / "design.bit").read_bytes()[:200]
    written = json.loads((tmp_path / "report.json").read_text())
    assert written["routed"]["fmax_mhz"] == routed.fmax_mhz
    assert written["bitstream"]["bytes"] == (tmp_path / "design.bit").stat().st_size
    assert (written["synthesis"]["family"], written["routed"]["device"]["name"]) == ("ecp5", "ecp5-25k")


def test_a_flow_may_stop_early(tmp_path: Path, plain: Design, yosys: Tool) -> None:
    report = run_flow(plain, find_device("ice40-hx8k"), tmp_path, Stage.SYNTHESIS)
    assert (report.routed, report.bitstream) == (None, None)
    assert json.loads((tmp_path / "report.json").read_text())["routed"] is None


def test_there_are_no_ice40_bitstreams(tmp_path: Path, plain: Design) -> None:
    why = "^ice40-hx8k: bitstreams are made for ECP5 alone; stop at routed$"
    with pytest.raises(TargetError, match=why):
        run_flow(plain, find_device("ice40-hx8k"), tmp_path, Stage.BITSTREAM)


def test_what_a_flow_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("SNNCC_YOSYS", "SNNCC_NEXTPNR_ECP5"):
        monkeypatch.setenv(variable, "true")
    monkeypatch.setenv("SNNCC_ECPPACK", "/no/ecppack")
    missing = [missing_for(stage, Family.ECP5) for stage in Stage]
    assert missing[:2] == [None, None]
    assert str(missing[2]).startswith("SNNCC_ECPPACK=/no/ecppack is no program; ")
    assert str(missing_for(Stage.ROUTED, Family.XILINX)).startswith("there is no open place and route")


def test_nothing_to_place(tmp_path: Path) -> None:
    nextpnr = tool_or_skip(find_nextpnr(Family.ECP5))
    with pytest.raises(ToolError, match=r"(?s)^nextpnr ended with status \d+\n.*netlist\.json"):
        place_and_route(nextpnr, DEVICES["ecp5-25k"], tmp_path)
