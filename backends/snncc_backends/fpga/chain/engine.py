"""Running images through a chain: the simulator, the kernels one after another, the Verilog."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from snncc_backends.fpga.chain.estimate import chain_estimate
from snncc_backends.fpga.chain.refusals import checked_chain
from snncc_backends.fpga.chain.rtl import first_chain_difference, run_chain_verilog, written_words
from snncc_backends.fpga.chain.run import run_chain
from snncc_backends.fpga.chain.tables import Chain
from snncc_backends.fpga.chain.timing import Spans, spans_of, times_of
from snncc_backends.fpga.hls.emit import hls_files
from snncc_backends.fpga.hls.simulate import build_csim, run_csim, values_of
from snncc_backends.fpga.inputs import checked_inputs
from snncc_backends.tools.found import Tool
from snncc_ir.backend import Array, CoreRun, EngineRun, Pipeline
from snncc_ir.errors import ToolError
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine
from snncc_ir.nodes import Readout
from snncc_ir.progress import Progress
from snncc_ir.tensors import Ints

CHUNK = 16
"""Images that are simulated together."""


def run_chain_cycles(
    graph: Graph, machine: Machine, inputs: Mapping[str, Array], progress: Progress
) -> EngineRun:
    """Images back to back through the simulators of all cores."""
    chain, levels = checked_chain(graph, machine), checked_inputs(graph, inputs)
    runs = []
    images = len(next(iter(levels.values())))
    for first, part in _chunks(levels, CHUNK):
        runs.append(run_chain(chain, part))
        progress(min(first + CHUNK, images), images)
    spent = [np.concatenate([run.pass_cycles[k] for run in runs]) for k in range(len(chain.cores))]
    return _clocked(chain, [run.values for run in runs], spent)


def run_chain_csim(
    graph: Graph, machine: Machine, inputs: Mapping[str, Array], progress: Progress, compiler: Tool
) -> EngineRun:
    """Images through the kernels of all cores, each with what those before it gave."""
    chain, values = checked_chain(graph, machine), dict(checked_inputs(graph, inputs))
    given = set(values)
    for number, core in enumerate(chain.cores):
        images = {name: values[name] for name in core.stage.stored}
        # a fixed golden image, so that the program in the cache serves other inputs too
        emitted = hls_files(
            core.stage.graph, core.tables, {name: np.zeros_like(x[:1]) for name, x in images.items()}
        )
        with tempfile.TemporaryDirectory(prefix="snncc-csim-") as folder:
            program = build_csim(compiler, emitted, Path(folder))
            found = values_of(core.tables, run_csim(program, core.stage.graph, core.tables, images))
        values |= {name: x.reshape(len(x), *graph.types[name].shape) for name, x in found.items()}
        progress(number + 1, len(chain.cores))
    return _sorted(graph, {name: x for name, x in values.items() if name not in given})


def run_chain_rtl(
    graph: Graph, machine: Machine, inputs: Mapping[str, Array], progress: Progress, tools: tuple[Tool, Tool]
) -> EngineRun:
    """Images through the Verilog; raises ToolError where a core writes another word, or in another cycle."""
    chain, levels = checked_chain(graph, machine), checked_inputs(graph, inputs)
    run = run_chain(chain, levels, trace=True)
    with tempfile.TemporaryDirectory(prefix="snncc-rtl-") as folder:
        last = int(run.times.finished.max())
        found = run_chain_verilog(*tools, chain, levels, last, Path(folder))
    difference = first_chain_difference(found, written_words(chain, run, levels))
    if difference:
        raise ToolError(f"the Verilog is not its simulator: {difference}")
    progress(1, 1)
    return _clocked(chain, [run.values], run.pass_cycles)


def pipeline_of(chain: Chain, spans: Spans) -> Pipeline:
    """What the cores of a chain did."""
    cores = tuple(
        CoreRun(
            computes=tuple(item.split.task.name for item in core.tables.passes),
            lanes=core.tables.widths.lanes,
            cycles=spans.work[:, number],
        )
        for number, core in enumerate(chain.cores)
    )
    clock = chain_estimate(chain).fmax_mhz or 0.0
    return Pipeline(cores=cores, latency=spans.alone, clock_mhz=clock)


def _clocked(chain: Chain, parts: Sequence[Mapping[str, Ints]], spent: Sequence[Ints]) -> EngineRun:
    values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    spans = spans_of(chain, spent)
    return replace(
        _sorted(chain.graph, values), cycles=times_of(spans).intervals, pipeline=pipeline_of(chain, spans)
    )


def _sorted(graph: Graph, values: Mapping[str, Ints]) -> EngineRun:
    readouts = {node.name for node in graph.of_type(Readout)}
    return EngineRun(
        levels={name: x for name, x in values.items() if name not in readouts},
        outputs={name: x for name, x in values.items() if name in readouts},
    )


def _chunks(levels: Mapping[str, Ints], size: int) -> Iterator[tuple[int, dict[str, Ints]]]:
    for first in range(0, len(next(iter(levels.values()))), size):
        yield first, {name: x[first : first + size] for name, x in levels.items()}
