"""Binary lanes: reference, simulator, closed form, Verilog and kernel agree on random networks."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from snncc_backends.fpga.bench import first_difference
from snncc_backends.fpga.build import design_of
from snncc_backends.fpga.hls.emit import hls_files
from snncc_backends.fpga.hls.simulate import build_csim, run_csim, values_of
from snncc_backends.fpga.refusals import find_refusals
from snncc_backends.fpga.rtl import run_verilog
from snncc_backends.fpga.simulator.count import CycleCounter
from snncc_backends.fpga.simulator.cycles import Simulator
from snncc_backends.fpga.tables.assemble import build_tables
from snncc_backends.fpga.tables.tables import Tables
from snncc_backends.tools.found import Tool
from snncc_backends.tools.verilator import lint
from snncc_ir.graph import Graph
from snncc_ir.semantics import evaluate
from support.ap_int import ap_int_flags
from support.binary import binary_cases, some_of_all, wide_bits
from support.fpga import little, machine
from support.graphs import Array, Case

UNHURRIED = [
    HealthCheck.too_slow,
    HealthCheck.filter_too_much,
    HealthCheck.function_scoped_fixture,
    HealthCheck.data_too_large,
]
UNSHRUNK = (Phase.explicit, Phase.generate)
KINDS = [(32, False, True), (8, True, True), (16, False, False)]
"""Lanes, whether levels may be signed, whether there are multipliers beside the binary lanes."""


def runs(graph: Graph, lanes: int) -> bool:
    return not find_refusals(graph, machine(lanes))


def test_what_runs_on_binary_lanes() -> None:
    tables = build_tables(some_of_all(), 16)
    assert [item.split.binary for item in tables.passes] == [True, True, True, False]
    assert [item.split.planes for item in tables.passes] == [True, False, False, False]
    assert [name for name, level_map in tables.maps.items() if level_map.packed] == ["m", "p1"]
    assert (tables.widths.binary, tables.widths.multipliers, tables.widths.mixed_weights) == (1, 1, 0)


def test_a_network_without_such_weights_has_none() -> None:
    widths = build_tables(little(15), 8).widths
    assert (widths.binary, widths.multipliers, widths.bit_words) == (0, 1, 1)


def test_lint(tmp_path: Path, verilator: Tool) -> None:
    waived = ("WIDTH", "GENUNNAMED", "UNUSED", "DECLFILENAME", "UNUSEDPARAM", "UNUSEDSIGNAL")
    tables = build_tables(some_of_all(), 16)
    lint(verilator, design_of(tables), tmp_path, *waived, "WIDTHEXPAND", "WIDTHTRUNC")


@pytest.mark.parametrize("lanes", [8, 64])
def test_verilog_and_kernel_of_one_network(
    tmp_path: Path, verilator: Tool, compiler: Tool, lanes: int
) -> None:
    graph = some_of_all()
    images = np.random.default_rng(1).integers(0, 256, (3, 3, 7, 7))
    images[0], images[1] = 255, 0
    tables, batch = build_tables(graph, lanes), {"pixels": images}
    folder = tmp_path / "rtl"
    folder.mkdir()
    compare(graph, tables, batch, build_csim(compiler, hls_files(graph, tables, batch), tmp_path, "-Werror"))
    expected = Simulator(tables).run(batch, trace=True)
    found = run_verilog(verilator, compiler, tables, batch, folder)
    assert first_difference(found, expected.traces, expected.cycles) == ""


@settings(max_examples=120, deadline=None, suppress_health_check=UNHURRIED)
@given(st.data(), st.sampled_from((8, 16, 32, 64)), st.booleans(), st.booleans())
def test_simulator_and_closed_form_are_the_reference(
    data: st.DataObject, lanes: int, signed: bool, mixed: bool
) -> None:
    case = data.draw(binary_cases(signed=signed, mixed=mixed))
    assume(runs(case.graph, lanes))
    tables = build_tables(case.graph, lanes)
    expected, run = evaluate(case.graph, case.batch), Simulator(tables).run(case.batch)
    for name, values in run.values.items():
        assert np.array_equal(values.reshape(expected[name].shape), expected[name]), name
    assert np.array_equal(CycleCounter(tables).count(expected).pass_cycles, run.pass_cycles)


@pytest.mark.parametrize(("lanes", "signed", "mixed"), KINDS)
def test_the_verilog_is_the_simulator(
    verilator: Tool, compiler: Tool, lanes: int, signed: bool, mixed: bool
) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=UNHURRIED)
    @given(binary_cases(signed=signed, mixed=mixed))
    def check(case: Case) -> None:
        assume(runs(case.graph, lanes))
        tables = build_tables(case.graph, lanes, wide_bits(lanes, signed=signed, mixed=mixed))
        expected = Simulator(tables).run(case.batch, trace=True)
        with tempfile.TemporaryDirectory() as folder:
            found = run_verilog(verilator, compiler, tables, case.batch, Path(folder))
        assert first_difference(found, expected.traces, expected.cycles) == ""

    check()


@pytest.mark.parametrize("exact", [False, True])
def test_the_kernel_is_the_simulator(compiler: Tool, exact: bool) -> None:
    flags = ("-Werror", *(ap_int_flags() if exact else ()))

    @settings(
        max_examples=4, phases=UNSHRUNK, derandomize=True, deadline=None, suppress_health_check=UNHURRIED
    )
    @given(st.data(), st.sampled_from(KINDS))
    def check(data: st.DataObject, kind: tuple[int, bool, bool]) -> None:
        lanes, signed, mixed = kind
        case = data.draw(binary_cases(signed=signed, mixed=mixed))
        assume(runs(case.graph, lanes))
        tables = build_tables(case.graph, lanes)
        with tempfile.TemporaryDirectory() as name:
            files = hls_files(case.graph, tables, case.batch)
            compare(case.graph, tables, case.batch, build_csim(compiler, files, Path(name), *flags))

    check()


def compare(graph: Graph, tables: Tables, batch: dict[str, Array], program: Path) -> None:
    """The kernel's levels are the reference's, and its words those of the simulator."""
    trace, expected = run_csim(program, graph, tables, batch), evaluate(graph, batch)
    for name, values in values_of(tables, trace).items():
        np.testing.assert_array_equal(values.reshape(expected[name].shape), expected[name], err_msg=name)
    for image, found in enumerate(Simulator(tables).run(batch, trace=True).traces):
        np.testing.assert_array_equal(trace.levels[image], found.levels[:, 1:])
        np.testing.assert_array_equal(trace.results[image], found.results[:, 1:])
