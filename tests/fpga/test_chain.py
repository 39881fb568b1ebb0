"""Chains: cut anywhere, they give the levels of one core and the reference, and the words of the Verilog."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from snncc_backends.fpga.chain.cut import Cutter
from snncc_backends.fpga.chain.rtl import first_chain_difference, run_chain_verilog, written_words
from snncc_backends.fpga.chain.run import ChainRun, run_chain
from snncc_backends.fpga.chain.tables import Chain, build_chain
from snncc_backends.fpga.chain.timing import HANDOVER
from snncc_backends.fpga.refusals import find_refusals
from snncc_backends.fpga.simulator.cycles import Simulator, Trace
from snncc_backends.fpga.tables.assemble import build_tables
from snncc_backends.tools.found import Tool
from snncc_ir.graph import Graph
from snncc_ir.machine import Part
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import AnyNode, Dense, Input, Population
from snncc_ir.semantics import evaluate
from snncc_ir.tensors import Tensor
from snncc_ir.types import Levels
from support.binary import binary_cases, some_of_all
from support.fpga import little, machine
from support.graphs import Case, cases

UNHURRIED = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture]


@st.composite
def cuts(draw: st.DrawFn, graph: Graph) -> tuple[Part, ...]:
    """Cores that run a graph, cut anywhere, of 8, 16 or 32 lanes each."""
    passes = len(Cutter(graph).tasks)
    places = draw(st.sets(st.integers(1, passes - 1), max_size=4)) if passes > 1 else set()
    ends = [0, *sorted(places), passes]
    lanes = st.sampled_from((8, 16, 32))
    return tuple(Part(passes=b - a, lanes=draw(lanes)) for a, b in pairwise(ends))


@settings(max_examples=60, deadline=None, suppress_health_check=UNHURRIED)
@given(st.one_of(cases(), binary_cases(signed=True, mixed=True)), st.data())
def test_a_chain_is_the_reference(case: Case, data: st.DataObject) -> None:
    assume(not find_refusals(case.graph, machine(32)))
    cores = data.draw(cuts(case.graph))
    expected = evaluate(case.graph, case.batch)
    run = run_chain(build_chain(case.graph, cores), case.batch)
    alone = Simulator(build_tables(case.graph, 8)).run(case.batch)
    assert run.values.keys() == alone.values.keys()
    for name, values in run.values.items():
        assert np.array_equal(values, expected[name]), name


def verilog_differs(verilog: tuple[Tool, Tool], case: Case, cores: Sequence[Part]) -> str:
    """Where the Verilog of a chain departs from its simulator, in any word or cycle."""
    chain = build_chain(case.graph, cores)
    run = run_chain(chain, case.batch, trace=True)
    last = int(run.times.finished.max())
    with tempfile.TemporaryDirectory() as folder:
        found = run_chain_verilog(*verilog, chain, case.batch, last, Path(folder), "-O0")
    return first_chain_difference(found, written_words(chain, run, case.batch))


@pytest.mark.slow
def test_the_verilog_is_the_simulator(verilator: Tool, compiler: Tool) -> None:
    @settings(max_examples=12, deadline=None, suppress_health_check=UNHURRIED)
    @given(cases(), st.data())
    def check(case: Case, data: st.DataObject) -> None:
        assume(not find_refusals(case.graph, machine(32)) and len(Cutter(case.graph).tasks) > 1)
        assert verilog_differs((verilator, compiler), case, data.draw(cuts(case.graph))) == ""

    check()


@dataclass(frozen=True)
class Pair:
    """A chain of two cores, a run of it, and what the Verilog wrote."""

    chain: Chain
    run: ChainRun
    written: tuple[Trace, ...]


def pair_of(verilator: Tool, compiler: Tool, images: np.ndarray) -> Pair:
    """The little network cut in two, on images `[N, 1, 6, 6]`."""
    chain = build_chain(little(15), (Part(passes=1, lanes=16), Part(passes=1, lanes=8)))
    run = run_chain(chain, {"pixels": images}, trace=True)
    with tempfile.TemporaryDirectory() as folder:
        last = int(run.times.finished.max())
        written = run_chain_verilog(verilator, compiler, chain, {"pixels": images}, last, Path(folder), "-O0")
    assert first_chain_difference(written, written_words(chain, run, {"pixels": images})) == ""
    return Pair(chain, run, written)


def results_at(pair: Pair) -> np.ndarray:
    """The cycle of every image's last result in the Verilog."""
    per_image = sum(item.results for item in pair.chain.cores[-1].tables.passes)
    return pair.written[-2].results[per_image - 1 :: per_image, 0]


def test_results_come_at_the_interval_of_the_slowest_core(verilator: Tool, compiler: Tool) -> None:
    image = np.random.default_rng(0).integers(0, 16, (1, 1, 6, 6))
    pair = pair_of(verilator, compiler, np.repeat(image, 8, axis=0))
    words = [len(core.link.words) for core in pair.chain.cores]
    slowest = max(pair.run.spans.work[0] + words) + HANDOVER
    assert np.diff(results_at(pair)).tolist() == [slowest] * 7
    assert pair.run.times.intervals.tolist() == [slowest] * 8


def test_intervals_of_images_from_empty_to_full(verilator: Tool, compiler: Tool) -> None:
    rng = np.random.default_rng(0)
    density = np.linspace(0, 1, 8)[:, None, None, None]
    images = rng.integers(1, 16, (8, 1, 6, 6)) * (rng.random((8, 1, 6, 6)) < density)
    pair = pair_of(verilator, compiler, images)
    assert np.diff(results_at(pair)).tolist() == pair.run.times.intervals[1:].tolist()
    assert len(set(pair.run.times.intervals.tolist())) > 2
    assert pair.run.times.latency[0] == pair.run.spans.alone[0]


def test_a_carried_map_is_not_stored() -> None:
    graph = skip()
    chain = build_chain(graph, tuple(Part(passes=1, lanes=8) for _ in Cutter(graph).tasks))
    middle = chain.cores[1]
    assert (middle.stage.arriving, middle.stage.stored) == (("x", "a"), ("a",))
    assert "x" in middle.stage.leaving
    assert "x" not in middle.tables.maps


def skip() -> Graph:
    """The input is read by the first and by the third pass."""
    signs = Tensor.integer(np.eye(4, dtype=np.int64)[:, ::-1].copy(), 4)
    neuron = Staircase(theta=Tensor.integer([2] * 4), bias=Bias(values=Tensor.integer([1] * 4)), lo=-3, hi=3)
    nodes: list[AnyNode] = [Input(name="x", type=Levels((4,), -3, 3))]
    for source, name in (("x", "a"), ("a", "b")):
        nodes.append(Dense(name=f"w{name}", source=source, weight=signs))
        nodes.append(Population(name=name, drives=(f"w{name}",), neuron=neuron))
    nodes += [Dense(name="wx", source="x", weight=signs), Dense(name="wy", source="b", weight=signs)]
    nodes.append(Population(name="y", drives=("wx", "wy"), neuron=neuron))
    return Graph(name="skip", nodes=tuple(nodes), outputs=("y",))


@pytest.mark.parametrize("sizes", [pytest.param((1, 3), marks=pytest.mark.slow), (2, 2)])
def test_binary_lanes_on_both_sides_of_a_cut(verilator: Tool, compiler: Tool, sizes: tuple[int, ...]) -> None:
    images = np.random.default_rng(1).integers(0, 256, (3, 3, 7, 7))
    images[0], images[1] = 255, 0
    parts = tuple(Part(passes=size, lanes=8) for size in sizes)
    chain = build_chain(some_of_all(), parts)
    assert [core.tables.widths.binary for core in chain.cores] == [1, 1]
    case = Case(some_of_all(), {"pixels": images[None]})
    assert verilog_differs((verilator, compiler), case, parts) == ""


def test_skips_and_levels_that_leave(verilator: Tool, compiler: Tool) -> None:
    graph = skip()
    images = {"x": np.random.default_rng(1).integers(-3, 4, (4, 4))}
    cores = (Part(passes=1, lanes=8), Part(passes=1, lanes=16), Part(passes=1, lanes=8))
    case = Case(graph, {"x": images["x"][None]})
    assert verilog_differs((verilator, compiler), case, cores) == ""
    run = run_chain(build_chain(graph, cores), images)
    assert np.array_equal(run.values["y"], evaluate(graph, images)["y"])
