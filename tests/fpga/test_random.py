"""Random networks: reference, simulator and Verilog agree on every level, every word and every cycle."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from snncc_backends.fpga.bench import first_difference
from snncc_backends.fpga.refusals import find_refusals
from snncc_backends.fpga.rtl import run_verilog
from snncc_backends.fpga.simulator.cycles import Simulator
from snncc_backends.fpga.tables.assemble import build_tables
from snncc_backends.tools.found import Tool
from snncc_ir.semantics import evaluate
from support.fpga import machine, wide
from support.graphs import Case, cases

UNHURRIED = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture]


@settings(max_examples=150, deadline=None, suppress_health_check=UNHURRIED)
@given(cases(), st.sampled_from((8, 16, 32)))
def test_the_simulator_is_the_reference(case: Case, lanes: int) -> None:
    assume(not find_refusals(case.graph, machine(lanes)))
    expected = evaluate(case.graph, case.batch)
    run = Simulator(build_tables(case.graph, lanes)).run(case.batch)
    for name, values in run.values.items():
        assert np.array_equal(values.reshape(expected[name].shape), expected[name]), name


@pytest.mark.parametrize("lanes", [8, 32])
def test_the_verilog_is_the_simulator(verilator: Tool, compiler: Tool, lanes: int) -> None:
    @settings(max_examples=40, deadline=None, suppress_health_check=UNHURRIED)
    @given(cases())
    def check(case: Case) -> None:
        assume(not find_refusals(case.graph, machine(lanes)))
        tables = build_tables(case.graph, lanes, wide(lanes))
        expected = Simulator(tables).run(case.batch, trace=True)
        with tempfile.TemporaryDirectory() as folder:
            found = run_verilog(verilator, compiler, tables, case.batch, Path(folder))
        assert first_difference(found, expected.traces, expected.cycles) == ""

    check()
