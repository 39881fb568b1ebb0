"""The engines `cycles` and `rtl`: the Verilog must write what the simulator says, when it says."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snncc_backends.fpga.assemble import build_tables
from snncc_backends.fpga.cycles import Run, Simulator
from snncc_backends.fpga.events.engine import run_event_cycles, run_event_rtl
from snncc_backends.fpga.inputs import checked_inputs
from snncc_backends.fpga.refusals import find_refusals
from snncc_backends.fpga.rtl import first_difference, run_verilog
from snncc_backends.fpga.tables import Tables
from snncc_backends.tools.compiler import find_compiler
from snncc_backends.tools.found import first_missing, need
from snncc_backends.tools.verilator import find_verilator
from snncc_ir.backend import Array, EngineRun
from snncc_ir.errors import TargetError, ToolError
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine
from snncc_ir.nodes import Readout
from snncc_ir.progress import Progress
from snncc_ir.timing import Phased

CHUNK = 16
"""Images that are simulated together."""


@dataclass(frozen=True)
class CyclesEngine:
    """The cycle simulator."""

    name: str = "cycles"

    def missing(self) -> str | None:
        """Nothing: it is part of snncc."""
        return None

    def run(
        self, graph: Graph, machine: Machine, inputs: Mapping[str, Array], progress: Progress
    ) -> EngineRun:
        """Run images `inputs[name][I, *shape]`."""
        if not isinstance(graph.timing, Phased):
            return run_event_cycles(graph, machine, inputs, progress)
        tables = tables_for(graph, machine)
        levels = checked_inputs(graph, inputs)
        images, simulator = len(next(iter(levels.values()))), Simulator(tables)
        runs = []
        for first in range(0, images, CHUNK):
            runs.append(simulator.run({name: x[first : first + CHUNK] for name, x in levels.items()}))
            progress(min(first + CHUNK, images), images)
        return engine_run(graph, runs)


@dataclass(frozen=True)
class RtlEngine:
    """The Verilog in Verilator."""

    name: str = "rtl"

    def missing(self) -> str | None:
        """None where there are Verilator and a C++ compiler, else what to install."""
        return first_missing(find_verilator(), find_compiler())

    def run(
        self, graph: Graph, machine: Machine, inputs: Mapping[str, Array], progress: Progress
    ) -> EngineRun:
        """Run images; raises ToolError where the Verilog writes another word, or in another cycle."""
        verilator, compiler = need(find_verilator()), need(find_compiler())
        if not isinstance(graph.timing, Phased):
            return run_event_rtl(graph, machine, inputs, progress, (verilator, compiler))
        tables = tables_for(graph, machine)
        levels = checked_inputs(graph, inputs)
        expected = Simulator(tables).run(levels, trace=True)
        with tempfile.TemporaryDirectory(prefix="snncc-rtl-") as name:
            found = run_verilog(verilator, compiler, tables, levels, Path(name))
        images = len(expected.cycles)
        progress(images, images)
        difference = first_difference(found, expected.traces, expected.cycles)
        if difference:
            raise ToolError(f"the Verilog is not its simulator: {difference}")
        return engine_run(graph, [expected])


def tables_for(graph: Graph, machine: Machine) -> Tables:
    """The tables; raises TargetError where the graph cannot be expressed."""
    refusals = find_refusals(graph, machine)
    if refusals:
        raise TargetError("; ".join(refusals))
    return build_tables(graph, machine.lanes)


def engine_run(graph: Graph, runs: list[Run]) -> EngineRun:
    """Levels, outputs and cycles of all runs, under the graph's names and shapes."""
    whole = {
        name: np.concatenate([run.values[name] for run in runs]).reshape(-1, *graph.types[name].shape)
        for name in runs[0].values
    }
    readouts = {node.name for node in graph.of_type(Readout)}
    return EngineRun(
        levels={name: values for name, values in whole.items() if name not in readouts},
        outputs={name: values for name, values in whole.items() if name in readouts},
        cycles=np.concatenate([run.cycles for run in runs]),
    )
