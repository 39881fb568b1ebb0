"""Chains: cut anywhere, they give the words of one core, of the reference, and of the Verilog, cycle for cycle."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from snncc_backends.fpga.assemble import build_tables
from snncc_backends.fpga.chain.cut import Cutter
from snncc_backends.fpga.chain.rtl import first_chain_difference, run_chain_verilog, written_words
from snncc_backends.fpga.chain.run import run_chain
from snncc_backends.fpga.chain.tables import build_chain
from snncc_backends.fpga.cycles import Simulator, Trace
from snncc_backends.fpga.refusals import find_refusals
from snncc_backends.tools.found import Tool
from snncc_ir.graph import Graph
from snncc_ir.machine import Core
from snncc_ir.semantics import evaluate
from support.fpga import little, machine
from support.graphs import Case, cases

UNHURRIED = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture]


@st.composite
def cuts(draw: st.DrawFn, graph: Graph) -> tuple[Core, ...]:
    """Cores that run a graph, cut anywhere, of 8, 16 or 32 lanes each."""
    passes = len(Cutter(graph).tasks)
    places = draw(st.sets(st.integers(1, passes - 1), max_size=4)) if passes > 1 else set()
    ends = [0, *sorted(places), passes]
    lanes = st.sampled_from((8, 16, 32))
    return tuple(Core(passes=b - a, lanes=draw(lanes)) for a, b in zip(ends, ends[1:], strict=False))


@settings(max_examples=120, deadline=None, suppress_health_check=UNHURRIED)
@given(cases(), st.data())
def test_a_chain_is_the_reference(case: Case, data: st.DataObject) -> None:
    assume(not find_refusals(case.graph, machine(32)))
    cores = data.draw(cuts(case.graph))
    assume(not any(find_refusals(stage.graph, machine(8)) for stage in Cutter(case.graph).stages([c.passes for c in cores])))
    expected = evaluate(case.graph, case.batch)
    run = run_chain(build_chain(case.graph, cores), case.batch)
    alone = Simulator(build_tables(case.graph, 8)).run(case.batch)
    assert run.values.keys() == alone.values.keys()
    for name, values in run.values.items():
        assert np.array_equal(values, expected[name]), name


def verilog_differs(verilog: tuple[Tool, Tool], case: Case, cores: Sequence[Core]) -> str:
    """Where the Verilog of a chain departs from its simulator, in any word or cycle."""
    chain = build_chain(case.graph, cores)
    run = run_chain(chain, case.batch, trace=True)
    last = int(run.times.finished.max())
    with tempfile.TemporaryDirectory() as folder:
        found = run_chain_verilog(*verilog, chain, case.batch, last, Path(folder))
    return first_chain_difference(found, written_words(chain, run, case.batch))


@pytest.mark.slow
def test_the_verilog_is_the_simulator(verilator: Tool, compiler: Tool) -> None:
    @settings(max_examples=12, deadline=None, suppress_health_check=UNHURRIED)
    @given(cases(), st.data())
    def check(case: Case, data: st.DataObject) -> None:
        assume(not find_refusals(case.graph, machine(32)) and len(Cutter(case.graph).tasks) > 1)
        assert verilog_differs((verilator, compiler), case, data.draw(cuts(case.graph))) == ""

    check()


@pytest.fixture
def case() -> Case:
    """Two passes and eight images, from empty to full."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 16, (8, 1, 6, 6)) * (rng.random((8, 1, 6, 6)) < np.linspace(0, 1, 8)[:, None, None, None])
    return Case(little(15), {"pixels": images[None]})


def results_at(trace: Trace, per_image: int) -> np.ndarray:
    """The cycle of every image's last result."""
    return trace.results[per_image - 1 :: per_image, 0]


def test_results_come_at_the_interval_of_the_slowest_core(verilator: Tool, compiler: Tool, case: Case) -> None:
    chain = build_chain(case.graph, (Core(passes=1, lanes=16), Core(passes=1, lanes=8)))
    run = run_chain(chain, case.batch, trace=True)
    last = int(run.times.finished.max())
    with tempfile.TemporaryDirectory() as folder:
        found = run_chain_verilog(verilator, compiler, chain, case.batch, last, Path(folder))
    assert first_chain_difference(found, written_words(chain, run, case.batch)) == ""
    intervals = np.diff(results_at(found[1], 8))
    words = [len(core.link.words) for core in chain.cores]
    work = np.stack([cycles.sum(axis=1) + 1 for cycles in run.pass_cycles], axis=1)
    slowest = (work + words + 4).max(axis=1)
    assert intervals.tolist() == np.diff(run.times.finished).tolist()
    assert intervals[2:].tolist() == slowest[2:-1].tolist()
