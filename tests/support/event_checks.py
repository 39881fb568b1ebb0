"""What the tests of the event core compare."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, assume

from snncc_backends.fpga.bench import first_difference
from snncc_backends.fpga.events.refusals import find_event_refusals
from snncc_backends.fpga.events.rtl import run_event_verilog
from snncc_backends.fpga.events.simulator import EventRun, EventSimulator
from snncc_backends.fpga.events.tables import EventTables
from snncc_backends.tools.found import Tool
from snncc_ir.streaming import run_streaming
from snncc_ir.timing import Stbif
from support.fpga import machine
from support.graphs import Case

UNHURRIED = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture]
WAIVED = ("WIDTHEXPAND", "WIDTHTRUNC", "UNUSEDSIGNAL", "UNUSEDPARAM", "CMPCONST", "UNSIGNED")


def expressed(case: Case, lanes: int) -> None:
    """Leave out what the core refuses; the refusals have tests of their own."""
    assume(not find_event_refusals(case.graph, machine(lanes)))


def equals_reference(case: Case, run: EventRun) -> None:
    """Every spike of every step, every readout after every step, and the number of steps."""
    expected = run_streaming(case.graph, case.batch)
    for node in case.graph.populations:
        train = np.moveaxis(run.trains[node.name], 1, 0)
        assert np.array_equal(train.reshape(expected.trains[node.name].shape), expected.trains[node.name])
    for name, values in expected.outputs.items():
        assert np.array_equal(np.moveaxis(run.outputs[name], 1, 0).reshape(values.shape), values), name
    if isinstance(case.graph.timing, Stbif):
        assert np.array_equal(run.steps, np.maximum(expected.settled, 1) + 1)
    else:
        assert (run.steps == case.graph.timing.steps).all()  # type: ignore[union-attr]


def equals_verilog(tools: tuple[Tool, Tool], tables: EventTables, case: Case) -> None:
    """Every word that the Verilog writes, and the cycle in which it does."""
    expected = EventSimulator(tables).run(case.batch, trace=True)
    with tempfile.TemporaryDirectory() as folder:
        found = run_event_verilog(*tools, tables, case.batch, Path(folder))
    assert first_difference(found, expected.traces, expected.cycles) == ""
