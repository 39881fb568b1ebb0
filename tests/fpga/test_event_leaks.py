"""Neurons that leak on the event core: reference, simulator and Verilog agree on every spike and cycle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snncc_backends.chips import load_machine
from snncc_backends.fpga import backend
from snncc_backends.fpga.bench import first_difference
from snncc_backends.fpga.events import rtl
from snncc_backends.fpga.events.assemble import build_event_tables
from snncc_backends.fpga.events.board import event_board_design
from snncc_backends.fpga.events.descriptors import Op
from snncc_backends.fpga.events.program import read_program
from snncc_backends.fpga.events.refusals import find_event_refusals
from snncc_backends.fpga.events.simulator import EventSimulator
from snncc_backends.fpga.events.tables import EventTables
from snncc_backends.fpga.tables.tables import DESCRIPTOR_WORDS
from snncc_backends.tools.design import Design
from snncc_backends.tools.found import Tool
from snncc_backends.tools.synthesis import gate_netlist
from snncc_backends.tools.verilator import lint
from snncc_backends.tools.yosys import find_yosys
from snncc_ir.codes import Reset
from snncc_ir.graph import Graph
from snncc_ir.progress import silent
from snncc_ir.streaming import run_streaming
from snncc_ir.tensors import Ints
from snncc_ir.timing import Rate
from support.event_checks import UNHURRIED, WAIVED, equals_reference, equals_verilog, expressed
from support.events import fine_leaky, small_case, small_leaky
from support.fpga import machine, wide_events
from support.graphs import Case, cases
from support.leaking import leaky_cases
from support.tools import tool_or_skip

DECAYS = pytest.mark.parametrize(("du", "dv"), [(300, 40), (4095, 300), (2047, 0), (4095, 0), (0, 4095)])
"""u in memory or not, v decaying or not."""


@settings(max_examples=120, deadline=None, suppress_health_check=UNHURRIED)
@given(leaky_cases(), st.sampled_from((8, 16, 32)))
def test_random_graphs_are_the_reference(case: Case, lanes: int) -> None:
    expressed(case, lanes)
    equals_reference(case, EventSimulator(build_event_tables(case.graph, lanes)).run(case.batch))


@DECAYS
def test_decays(du: int, dv: int) -> None:
    case = small_leaky(du, dv)
    tables = build_event_tables(case.graph, 8)
    equals_reference(case, EventSimulator(tables).run(case.batch))
    kept = [placed.beside is not None for placed in tables.units]
    assert kept == [du < 4095, False]
    assert tables.widths.leaky == int(du < 4095 or dv > 0)


@pytest.mark.parametrize("lanes", [8, 16])
def test_the_verilog(verilator: Tool, compiler: Tool, lanes: int) -> None:
    @settings(max_examples=40, deadline=None, suppress_health_check=UNHURRIED)
    @given(leaky_cases())
    def check(case: Case) -> None:
        expressed(case, lanes)
        tables = build_event_tables(case.graph, lanes, wide_events(lanes, leaky=True))
        equals_verilog((verilator, compiler), tables, case)

    check()


def test_the_verilog_of_neurons_that_do_not_leak(verilator: Tool, compiler: Tool) -> None:
    """On a core whose neurons may."""

    @settings(max_examples=10, deadline=None, suppress_health_check=UNHURRIED)
    @given(cases(Rate(5, Reset.SUBTRACT), 3))
    def check(case: Case) -> None:
        expressed(case, 8)
        tables = build_event_tables(case.graph, 8, wide_events(8, leaky=True))
        equals_verilog((verilator, compiler), tables, case)

    check()


def test_widths_that_just_hold_the_network(verilator: Tool, compiler: Tool) -> None:
    for case in (small_leaky(300, 40), small_leaky(4095, 300), fine_leaky()):
        equals_verilog((verilator, compiler), build_event_tables(case.graph, 8), case)


def test_lint(verilator: Tool, tmp_path: Path) -> None:
    tables = build_event_tables(small_leaky(300, 40).graph, 16)
    lint(verilator, event_board_design(tables, spikes=True), tmp_path, *WAIVED)


FIXED = 34
"""Cycles of a pass besides its words, where neurons leak."""


@pytest.mark.parametrize("du", [300, 4095])
def test_cycles_by_hand(du: int) -> None:
    """Two steps of one population and one readout, from the formulas of docs/fpga.md, section 9."""
    case, kept = small_leaky(du, 40, steps=2), du < 4095
    run = EventSimulator(build_event_tables(case.graph, 8)).run(case.batch)
    levels = case.batch["x"].reshape(4, -1)
    words = np.array([[(levels[i, j : j + 8] != 0).sum() for j in (0, 8, 16)] for i in range(4)])
    add = FIXED + np.maximum(words * (2 + 3), 1).sum(axis=1)
    spikes = run.trains["p"][:, :, :, 0, 0]
    hidden = np.stack([spikes[:, :, :8].sum(axis=2), spikes[:, :, 8:].sum(axis=2)])
    read = 2 * (FIXED + FIXED + 1) + np.maximum(hidden * (1 + 3), 1).sum(axis=(0, 2))
    loads = (1 + kept) * (FIXED + 2) + FIXED + 1
    fire = FIXED + 2 * (1 + kept)
    assert np.array_equal(run.cycles, 1 + loads + 2 * (add + fire) + read + 2 * 16)


def fire_number(tables: EventTables) -> int:
    """The first FIRE pass."""
    return next(i for i, item in enumerate(read_program(tables)) if item.descriptor.op is Op.FIRE)


GOLDEN_FIRE = (
    "00005a01 00010001 00000001 00000001 00000001 00000000 00000003 00000000 "
    "00000000 00000001 006303e9 00000000 00010000 00000000 00000000 00000000"
)
"""Bias, reset to zero, and a tap of u, which is word 3; word 10: v loses 99 and u 1001 4096ths."""

GOLDEN_NEURONS = "fff81e01 00101e01 00081e01 00101e01 fff01e01 fff01e01 fff01e01 00101e01"
"""Threshold 64 * 120 + 1 in 13 bits, then 64 b in 19; the last lane first."""


def test_tables() -> None:
    tables = build_event_tables(fine_leaky().graph, 8)
    at = fire_number(tables) * DESCRIPTOR_WORDS
    words = tables.memories["passes"].text().decode().split()
    assert words[at : at + DESCRIPTOR_WORDS] == GOLDEN_FIRE.split()
    neurons = tables.memories["neurons"].text().decode().split()
    assert neurons[0] == GOLDEN_NEURONS.replace(" ", "")
    assert (tables.widths.theta, tables.widths.potential) == (13, 19)


def test_every_bit_of_thresholds_and_decays_tells(verilator: Tool, compiler: Tool, tmp_path: Path) -> None:
    """An image that a flipped bit changes by the simulator, the Verilog changes likewise."""
    case = fine_leaky()
    tables = build_event_tables(case.graph, 8)
    plain = EventSimulator(tables).run(case.batch).trains["p"]
    theta, neuron = tables.widths.theta, tables.widths.theta + tables.widths.potential
    decays = fire_number(tables) * DESCRIPTOR_WORDS + 10
    bits = [("passes", decays, bit) for bit in (*range(12), *range(16, 28))]
    bits += [("neurons", 0, lane * neuron + bit) for lane in (0, 5) for bit in range(6, theta)]
    for name, word, bit in bits:
        memory = tables.memories[name].flipped(word, bit)
        changed = replace(tables, memories={**tables.memories, name: memory})
        train = EventSimulator(changed).run(case.batch).trains["p"]
        shown = np.flatnonzero((train != plain).any(axis=(1, 2, 3, 4)))
        assert len(shown) > 0, (name, word, bit)
        image = {"x": case.batch["x"][shown[:1]]}
        found = rtl.run_event_verilog(verilator, compiler, changed, image, tmp_path)
        expected = EventSimulator(changed).run(image, trace=True)
        assert first_difference(found, expected.traces, expected.cycles) == "", (name, word, bit)


@pytest.mark.slow
def test_the_gates(verilator: Tool, compiler: Tool, tmp_path: Path) -> None:
    yosys = tool_or_skip(find_yosys())
    case = fine_leaky(steps=6)
    images: dict[str, Ints] = {"x": case.batch["x"][:8]}
    tables = build_event_tables(case.graph, 8)
    design = Design(top=rtl.TOP, files={**rtl.core(), **rtl.table_files(tables)})
    gates = gate_netlist(yosys, design, tmp_path)
    folder = tmp_path / "simulation"
    folder.mkdir()
    written = rtl.simulate_event_design(
        verilator, compiler, gates, tables, images, folder, optimisation="-O0"
    )
    expected = EventSimulator(tables).run(images, trace=True)
    assert first_difference(written, expected.traces, expected.cycles) == ""


def test_both_engines(verilator: Tool, compiler: Tool) -> None:
    case = small_leaky(300, 40)
    expected = run_streaming(case.graph, case.batch)
    engines = [engine for engine in backend.engines if engine.runs(case.graph)]
    assert [engine.name for engine in engines] == ["cycles", "rtl"]
    for engine in engines:
        found = engine.run(case.graph, machine(8), case.batch, silent)
        assert np.array_equal(found.outputs["y"], expected.outputs["y"][-1])
        for name, train in expected.trains.items():
            assert np.array_equal(np.moveaxis(found.trains[name], 1, 0), train)


def refusal(graph: Graph, bits: int) -> str:
    device = machine(8)
    return "; ".join(
        find_event_refusals(graph, replace(device, membrane_bits=replace(device.membrane_bits, value=bits)))
    )


def test_potentials_beyond_the_registers() -> None:
    """64ths of a drive, and a u that grows to 4096 / (du + 1) times a step's."""
    graph = small_leaky(300, 40).graph
    assert refusal(graph, 32) == ""
    assert refusal(graph, 24) == (
        "p: potentials of 29 bits by the width certificate, ecp5-85k has 24; "
        "use fewer steps, weight bits or level bits"
    )


def test_more_multipliers_than_a_device_has() -> None:
    """Two for the potentials of a lane, one for its weights, one for all payloads."""
    small = replace(load_machine("ecp5-25k"), lanes=16)
    assert find_event_refusals(small_leaky(300, 40).graph, small) == (
        "needs 49 multipliers, ecp5-25k has 28; use fewer lanes, or a larger device",
    )
    assert find_event_refusals(small_case(Rate(7)).graph, small) == ()
