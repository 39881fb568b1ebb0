"""The engines `cycles`, `csim` and `rtl`: the Verilog must write what the simulator says, when it says."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from snncc_backends.fpga.bench import first_difference
from snncc_backends.fpga.chain.engine import run_chain_csim, run_chain_cycles, run_chain_rtl
from snncc_backends.fpga.estimate import estimate
from snncc_backends.fpga.events.engine import run_event_cycles, run_event_rtl
from snncc_backends.fpga.hls.emit import hls_files
from snncc_backends.fpga.hls.simulate import build_csim, run_csim, values_of
from snncc_backends.fpga.inputs import checked_inputs
from snncc_backends.fpga.refusals import find_refusals
from snncc_backends.fpga.rtl import run_verilog
from snncc_backends.fpga.simulator.cycles import Simulator
from snncc_backends.fpga.simulator.layers import joined, layer_runs
from snncc_backends.fpga.tables.assemble import tables_on
from snncc_backends.fpga.tables.tables import Tables
from snncc_backends.tools.compiler import find_compiler
from snncc_backends.tools.found import first_missing, need
from snncc_backends.tools.verilator import find_verilator
from snncc_ir.backend import Array, EngineRun
from snncc_ir.errors import TargetError, ToolError
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine
from snncc_ir.nodes import Readout
from snncc_ir.progress import Progress
from snncc_ir.tensors import Ints
from snncc_ir.timing import Phased

CHUNK = 16
"""Images that are simulated together."""

C_CHUNK = 256
"""Images of one run of the C simulation, whose trace takes about a megabyte an image."""


@dataclass(frozen=True)
class CyclesEngine:
    """The cycle simulator."""

    name: str = "cycles"

    def missing(self) -> str | None:
        """Nothing: it is part of snncc."""
        return None

    def runs(self, graph: Graph) -> bool:
        """All graphs."""
        return True

    def run(
        self, graph: Graph, machine: Machine, inputs: Mapping[str, Array], progress: Progress
    ) -> EngineRun:
        """Run images `inputs[name][I, *shape]`."""
        if machine.chain:
            return run_chain_cycles(graph, machine, inputs, progress)
        if not isinstance(graph.timing, Phased):
            return run_event_cycles(graph, machine, inputs, progress)
        tables = tables_for(graph, machine)
        levels = checked_inputs(graph, inputs)
        images, simulator = len(next(iter(levels.values()))), Simulator(tables)
        runs, layers = [], []
        for first in range(0, images, CHUNK):
            chunk = {name: x[first : first + CHUNK] for name, x in levels.items()}
            runs.append(simulator.run(chunk))
            layers.append(layer_runs(graph, tables, {**chunk, **runs[-1].values}))
            progress(min(first + CHUNK, images), images)
        return replace(
            engine_run(graph, [run.values for run in runs]),
            cycles=np.concatenate([run.cycles for run in runs]),
            layers=joined(layers),
            clock_mhz=estimate(tables).fmax_mhz,
        )


@dataclass(frozen=True)
class CsimEngine:
    """The HLS kernel in C simulation."""

    name: str = "csim"

    def missing(self) -> str | None:
        """None where there is a C++ compiler, else what to install."""
        return first_missing(find_compiler())

    def runs(self, graph: Graph) -> bool:
        """Phased graphs: there is no kernel of the event core."""
        return isinstance(graph.timing, Phased)

    def run(
        self, graph: Graph, machine: Machine, inputs: Mapping[str, Array], progress: Progress
    ) -> EngineRun:
        """Run images `inputs[name][I, *shape]`; the kernel is emitted anew and compiled privately."""
        if machine.chain:
            return run_chain_csim(graph, machine, inputs, progress, need(find_compiler()))
        tables = tables_for(graph, machine)
        levels = checked_inputs(graph, inputs)
        images, compiler = len(next(iter(levels.values()))), need(find_compiler())
        # a fixed golden image, so that the program in the cache serves other inputs too
        emitted = hls_files(graph, tables, {name: np.zeros_like(x[:1]) for name, x in levels.items()})
        parts = []
        with tempfile.TemporaryDirectory(prefix="snncc-csim-") as name:
            program = build_csim(compiler, emitted, Path(name))
            for first in range(0, images, C_CHUNK):
                chunk = {name: x[first : first + C_CHUNK] for name, x in levels.items()}
                parts.append(values_of(tables, run_csim(program, graph, tables, chunk)))
                progress(min(first + C_CHUNK, images), images)
        return engine_run(graph, parts)


@dataclass(frozen=True)
class RtlEngine:
    """The Verilog in Verilator."""

    name: str = "rtl"

    def missing(self) -> str | None:
        """None where there are Verilator and a C++ compiler, else what to install."""
        return first_missing(find_verilator(), find_compiler())

    def runs(self, graph: Graph) -> bool:
        """All graphs."""
        return True

    def run(
        self, graph: Graph, machine: Machine, inputs: Mapping[str, Array], progress: Progress
    ) -> EngineRun:
        """Run images; raises ToolError where the Verilog writes another word, or in another cycle."""
        verilator, compiler = need(find_verilator()), need(find_compiler())
        if machine.chain:
            return run_chain_rtl(graph, machine, inputs, progress, (verilator, compiler))
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
        return replace(engine_run(graph, [expected.values]), cycles=expected.cycles)


def tables_for(graph: Graph, machine: Machine) -> Tables:
    """The level core's tables; raises TargetError where it cannot express the graph."""
    if not isinstance(graph.timing, Phased):
        raise TargetError(
            "has a streaming code, which the level core does not run",
            where=graph.name,
            hint="compile with a phased --code",
        )
    refusals = find_refusals(graph, machine)
    if refusals:
        raise TargetError("; ".join(refusals))
    return tables_on(graph, machine)


def engine_run(graph: Graph, parts: Sequence[Mapping[str, Ints]]) -> EngineRun:
    """Levels and outputs of all chunks, under the graph's names and shapes."""
    whole = {
        name: np.concatenate([part[name] for part in parts]).reshape(-1, *graph.types[name].shape)
        for name in parts[0]
    }
    readouts = {node.name for node in graph.of_type(Readout)}
    return EngineRun(
        levels={name: values for name, values in whole.items() if name not in readouts},
        outputs={name: values for name, values in whole.items() if name in readouts},
    )
