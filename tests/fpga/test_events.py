"""Streaming codes: reference, simulator and Verilog agree on every spike and every cycle."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snncc_backends.fpga.bench import first_difference
from snncc_backends.fpga.events.assemble import build_event_tables
from snncc_backends.fpga.events.descriptors import Descriptor, Op, When, read_descriptor
from snncc_backends.fpga.events.refusals import find_event_refusals
from snncc_backends.fpga.events.rtl import CORE, TOP, core, run_event_verilog, table_files
from snncc_backends.fpga.events.simulator import EventSimulator
from snncc_backends.tools.design import Design
from snncc_backends.tools.found import Tool
from snncc_backends.tools.verilator import lint
from snncc_ir.graph import Graph
from snncc_ir.neurons import Table
from snncc_ir.nodes import Conv, Input, MaxPool, Population
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate, Stbif
from snncc_ir.types import Levels
from support.event_checks import UNHURRIED, WAIVED, equals_reference, equals_verilog, expressed
from support.events import small_case
from support.fpga import machine, wide_events
from support.graphs import Case, cases, rate_cases

LANES = st.sampled_from((8, 16, 32))


@settings(max_examples=120, deadline=None, suppress_health_check=UNHURRIED)
@given(rate_cases(), LANES)
def test_rate_is_the_reference(case: Case, lanes: int) -> None:
    expressed(case, lanes)
    equals_reference(case, EventSimulator(build_event_tables(case.graph, lanes)).run(case.batch))


@settings(max_examples=80, deadline=None, suppress_health_check=UNHURRIED)
@given(cases(Stbif()), LANES)
def test_stbif_is_the_reference(case: Case, lanes: int) -> None:
    expressed(case, lanes)
    equals_reference(case, EventSimulator(build_event_tables(case.graph, lanes)).run(case.batch))


@pytest.mark.parametrize("lanes", [8, 32])
def test_the_verilog_of_rate(verilator: Tool, compiler: Tool, lanes: int) -> None:
    @settings(max_examples=40, deadline=None, suppress_health_check=UNHURRIED)
    @given(rate_cases())
    def check(case: Case) -> None:
        expressed(case, lanes)
        tables = build_event_tables(case.graph, lanes, wide_events(lanes))
        equals_verilog((verilator, compiler), tables, case)

    check()


def test_the_verilog_of_stbif(verilator: Tool, compiler: Tool) -> None:
    @settings(max_examples=40, deadline=None, suppress_health_check=UNHURRIED)
    @given(cases(Stbif()))
    def check(case: Case) -> None:
        expressed(case, 8)
        tables = build_event_tables(case.graph, 8, wide_events(8, stbif=True))
        equals_verilog((verilator, compiler), tables, case)

    check()


@pytest.mark.parametrize("timing", [Rate(7), Stbif()], ids=["rate", "stbif"])
def test_widths_that_just_hold_the_network(verilator: Tool, compiler: Tool, timing: Rate | Stbif) -> None:
    case = small_case(timing)
    equals_verilog((verilator, compiler), build_event_tables(case.graph, 8), case)


@pytest.mark.parametrize("timing", [Rate(7), Stbif()], ids=["rate", "stbif"])
def test_lint(verilator: Tool, tmp_path: Path, timing: Rate | Stbif) -> None:
    tables = build_event_tables(small_case(timing).graph, 8)
    design = Design(top=TOP, files={**core(), **table_files(tables)})
    lint(verilator, design, tmp_path, *WAIVED)


def test_a_changed_weight_is_seen(verilator: Tool, compiler: Tool) -> None:
    case = small_case(Rate(7))
    tables = build_event_tables(case.graph, 8)
    slots = tables.memories["weights"].values["slot"].copy()
    slots[3, 2] ^= 1 << 6
    weights = replace(tables.memories["weights"], values={"slot": slots})
    changed = replace(tables, memories={**tables.memories, "weights": weights})
    expected = EventSimulator(tables).run(case.batch, trace=True)
    with tempfile.TemporaryDirectory() as folder:
        found = run_event_verilog(verilator, compiler, changed, case.batch, Path(folder))
    assert first_difference(found, expected.traces, expected.cycles) != ""


FIXED = 32
"""Cycles of a pass besides its words."""


def test_cycles_by_hand() -> None:
    """Two steps of one population and one readout, from the formulas of docs/fpga.md, section 9."""
    case = small_case(Rate(2))
    run = EventSimulator(build_event_tables(case.graph, 8)).run(case.batch)
    levels = case.batch["x"].reshape(4, -1)
    words = np.array([[(levels[i, j : j + 8] != 0).sum() for j in (0, 8, 16)] for i in range(4)])
    add = FIXED + np.maximum(words * (2 + 3), 1).sum(axis=1)
    spikes = run.trains["p"][:, :, :, 0, 0]
    hidden = np.stack([spikes[:, :, :8].sum(axis=2), spikes[:, :, 8:].sum(axis=2)])
    read = FIXED + np.maximum(hidden * (1 + 3), 1).sum(axis=(0, 2)) + FIXED
    loads = FIXED + 2 + FIXED + 2 + FIXED + 1
    assert np.array_equal(run.cycles, 1 + loads + add + 2 * (FIXED + 4) + read + 2 * (FIXED + 1) + 2 * 16)


@pytest.mark.parametrize(
    "written",
    [
        Descriptor(op=Op.ADD, gain=2**31 - 1),
        Descriptor(op=Op.FIRE, decay_u=4095, decay_v=1),
        Descriptor(op=Op.FIRE, decay_u=1, decay_v=4095),
    ],
    ids=["gain", "u", "v"],
)
def test_gain_and_decays_share_a_word(written: Descriptor) -> None:
    assert read_descriptor(np.array(written.encode())) == written


def test_descriptors_are_read_as_they_are_written() -> None:
    written = Descriptor(
        op=Op.POOL,
        when=When.NOT_STEP_ZERO,
        from_input=True,
        half=True,
        zero=True,
        current=True,
        weight_bits=8,
        rows=3,
        columns=65535,
        words=4,
        skip=2,
        row_windows=7,
        column_windows=1,
        target=99,
        potentials=5,
        table=12,
        step=33,
        blocks=6,
        close=17,
        lo=-32767,
        hi=32767,
    )
    assert read_descriptor(np.array(written.encode())) == written


def refusal(graph: Graph, lanes: int = 8, **limits: int) -> str:
    device = machine(lanes)
    changed = {name: replace(getattr(device, name), value=value) for name, value in limits.items()}
    return "; ".join(find_event_refusals(graph, replace(device, **changed)))


def test_refusals() -> None:
    graph = small_case(Rate(7)).graph
    assert refusal(graph) == ""
    assert refusal(graph, 12) == "12 lanes; give a power of two from 8 to 512 with --lanes"
    assert refusal(graph, membrane_bits=12) == (
        "p: potentials of 18 bits by the width certificate, ecp5-85k has 12; "
        "use fewer steps, weight bits or level bits"
    )


def test_a_pool_of_the_input_is_refused() -> None:
    graph = small_case(Rate(3), inputs=4).graph
    x = Input(name="x", type=Levels((4, 2, 2), 0, 15))
    pool = MaxPool(name="m", source="x", kernel=(2, 2), stride=(2, 2))
    population = graph.by_name["p"]
    assert isinstance(population, Population)
    ones = Tensor.integer(np.ones((11, 4, 1, 1), dtype=np.int64), 2)
    conv = Conv(name="d", source="m", weight=ones)
    pooled = Graph(name="pooled", nodes=(x, pool, conv, population), outputs=("p",), timing=Rate(3))
    assert refusal(pooled) == (
        "m: pools the input, which the event core does not; use a phased code, or pool behind the first layer"
    )


def test_a_breakpoint_table_is_refused() -> None:
    graph = small_case(Stbif()).graph
    table = Table(breakpoints=Tensor.integer(np.sort(np.arange(33).reshape(11, 3))), lo=0, hi=3)
    nodes = tuple(replace(node, neuron=table) if node.name == "p" else node for node in graph.nodes)
    assert refusal(replace(graph, nodes=nodes)) == (
        "p: breakpoint tables, which the event core does not run; use a phased code"
    )


def test_the_core_is_whole() -> None:
    """Every module that the core names is in one of its files."""
    text = b"".join(core().values())
    assert sorted(CORE) == list(CORE)
    for name in CORE:
        assert b"module " + name.removesuffix(".v").encode() in text
