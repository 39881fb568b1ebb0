"""Streaming graphs in the engines `cycles` and `rtl`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from snncc_backends.fpga.bench import first_difference
from snncc_backends.fpga.events.assemble import build_event_tables
from snncc_backends.fpga.events.estimate import event_estimate
from snncc_backends.fpga.events.refusals import find_event_refusals
from snncc_backends.fpga.events.rtl import run_event_verilog
from snncc_backends.fpga.events.simulator import EventRun, EventSimulator
from snncc_backends.fpga.events.tables import EventTables
from snncc_backends.fpga.inputs import checked_inputs
from snncc_backends.tools.found import Tool
from snncc_ir.backend import Array, EngineRun
from snncc_ir.errors import TargetError, ToolError
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine
from snncc_ir.progress import Progress
from snncc_ir.tensors import Ints
from snncc_ir.timing import Rate

CHUNK = 16
"""Images that are simulated together."""


def run_event_cycles(
    graph: Graph, machine: Machine, inputs: Mapping[str, Array], progress: Progress
) -> EngineRun:
    """Run images `inputs[name][I, *shape]` in the cycle simulator."""
    levels, tables = checked_inputs(graph, inputs), event_tables_for(graph, machine)
    simulator = EventSimulator(tables)
    images = len(next(iter(levels.values())))
    runs = []
    for first in range(0, images, CHUNK):
        runs.append(simulator.run({name: x[first : first + CHUNK] for name, x in levels.items()}))
        progress(min(first + CHUNK, images), images)
    return replace(_engine_run(graph, levels, runs), clock_mhz=event_estimate(tables).fmax_mhz)


def run_event_rtl(
    graph: Graph,
    machine: Machine,
    inputs: Mapping[str, Array],
    progress: Progress,
    tools: tuple[Tool, Tool],
) -> EngineRun:
    """Run images in the Verilog; raises ToolError where it writes another word, or in another cycle.

    `tools` are Verilator and a C++ compiler.
    """
    levels, tables = checked_inputs(graph, inputs), event_tables_for(graph, machine)
    expected = EventSimulator(tables).run(levels, trace=True)
    with tempfile.TemporaryDirectory(prefix="snncc-rtl-") as name:
        found = run_event_verilog(*tools, tables, levels, Path(name))
    images = len(expected.cycles)
    progress(images, images)
    difference = first_difference(found, expected.traces, expected.cycles)
    if difference:
        raise ToolError(f"the Verilog is not its simulator: {difference}")
    return _engine_run(graph, levels, [expected])


def event_tables_for(graph: Graph, machine: Machine) -> EventTables:
    """The tables; raises TargetError where the graph cannot be expressed."""
    refusals = find_event_refusals(graph, machine)
    if refusals:
        raise TargetError("; ".join(refusals))
    return build_event_tables(graph, machine.lanes)


def _engine_run(graph: Graph, levels: Mapping[str, Ints], runs: list[EventRun]) -> EngineRun:
    """Trains, last potentials and cycles of all runs, under the graph's names and shapes."""
    steps = max(int(run.steps.max()) for run in runs)
    trains = {
        name: _whole([_filled(run.trains[name], steps) for run in runs], graph, name)
        for name in runs[0].trains
    }
    outputs = {
        name: _whole([run.outputs[name][:, -1] for run in runs], graph, name) for name in runs[0].outputs
    }
    sent = {name: _sent(graph, values, steps) for name, values in levels.items()}
    return EngineRun(
        trains={**sent, **trains},
        outputs=outputs,
        steps=steps,
        cycles=np.concatenate([run.cycles for run in runs]),
    )


def _filled(train: Ints, steps: int) -> Ints:
    """A train `[N, T, ...]` with silent steps behind its last."""
    return np.pad(train, ((0, 0), (0, steps - train.shape[1]), *((0, 0),) * (train.ndim - 2)))


def _whole(parts: list[Ints], graph: Graph, name: str) -> Ints:
    values = np.concatenate(parts)
    shape = graph.types[name].shape
    return values.reshape(*values.shape[: values.ndim - 3], *shape)


def _sent(graph: Graph, levels: Ints, steps: int) -> Ints:
    """What an input sends: its levels in every step of `rate`, in the first one of `stbif`."""
    train = np.repeat(levels[:, None], steps, axis=1)
    if not isinstance(graph.timing, Rate):
        train[:, 1:] = 0
    return train
