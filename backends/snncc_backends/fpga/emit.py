"""The emitted files: the tables of one network, the core that runs them, and what they must do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.resources import files
from typing import Any

import numpy as np

from snncc_backends.fpga.capacity import block_memories, result_words
from snncc_backends.fpga.estimate import estimate
from snncc_backends.fpga.hls.emit import hls_files
from snncc_backends.fpga.simulator.cycles import Run, Simulator, Trace
from snncc_backends.fpga.tables.assemble import tables_on
from snncc_backends.fpga.tables.memory import Memory
from snncc_backends.fpga.tables.tables import PARAMETERS, PassTable, Tables
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine
from snncc_ir.tensors import Ints

FOLDER = "fpga"
"""Where the files lie in an artefact."""

FORMAT = "snncc-fpga-tables/1"

CORE = (
    "snncc_bank.v",
    "snncc_bytes.v",
    "snncc_core.v",
    "snncc_count.v",
    "snncc_fetch.v",
    "snncc_group.v",
    "snncc_rom.v",
    "snncc_scan.v",
    "snncc_top.v",
    "snncc_unpack.v",
    "snncc_walk.v",
    "snncc_write.v",
)
"""The core's Verilog; the same for every network."""

BOARD = ("snncc_board.v", "snncc_results.v")
"""The core with pins, which synthesis starts from."""


def emit_files(graph: Graph, machine: Machine, golden: Mapping[str, Ints]) -> dict[str, bytes]:
    """The files of a phased integer graph, by path relative to the artefact."""
    tables = tables_on(graph, machine)
    run = Simulator(tables).run(golden, trace=True)
    content = {**table_files(tables), **board_files(tables), **hls_files(graph, tables, golden)}
    manifest = _manifest(graph, machine, tables, run, content)
    text = json.dumps(manifest, indent=1, allow_nan=False).encode() + b"\n"
    return {f"{FOLDER}/{name}": data for name, data in {**content, **core(), "manifest.json": text}.items()}


def table_files(tables: Tables) -> dict[str, bytes]:
    """What the Verilog reads: the memories and its parameters."""
    memories = {f"{name}.mem": memory.text() for name, memory in tables.memories.items()}
    lines = [f"`define SNNCC_{name} {value}\n" for name, value in parameters(tables).items()]
    return {**memories, "params.vh": "".join(lines).encode()}


def board_files(tables: Tables) -> dict[str, bytes]:
    """What synthesis reads beside the core and its tables."""
    words = f"`define SNNCC_RESULT_WORDS {result_words(tables)}\n"
    return {"board.vh": words.encode(), **{name: verilog(name) for name in BOARD}}


def parameters(tables: Tables) -> dict[str, int]:
    """Parameters of the core by name."""
    return {name: getattr(tables.widths, field) for name, field in PARAMETERS.items()}


def core() -> dict[str, bytes]:
    """The fixed files."""
    return {name: verilog(name) for name in CORE}


def verilog(name: str) -> bytes:
    """One of the fixed files."""
    return files("snncc_backends.fpga").joinpath("verilog", name).read_bytes()


def trace_digest(traces: Sequence[Trace]) -> str:
    """sha256 of all map writes, then of all result writes, image by image (docs/fpga.md, section 6)."""
    state = hashlib.sha256()
    for kind in ("levels", "results"):
        for trace in traces:
            values = getattr(trace, kind)
            state.update(np.ascontiguousarray(values, dtype="<i4" if kind == "levels" else "<i8").tobytes())
    return state.hexdigest()


def _manifest(
    graph: Graph, machine: Machine, tables: Tables, run: Run, content: Mapping[str, bytes]
) -> dict[str, Any]:
    cycles = run.pass_cycles.mean(axis=0)
    return {
        "format": FORMAT,
        "core": "level",
        "network": graph.name,
        "chip": machine.name,
        "parameters": parameters(tables),
        **described(tables.memories, content),
        "block_memories": block_memories(tables),
        "estimate": asdict(estimate(tables)),
        "inputs": [node.name for node in graph.inputs],
        "maps": {name: map_entry(tables, name) for name in tables.maps},
        "outputs": {name: _output(graph, tables, name) for name in graph.outputs},
        "passes": [pass_entry(item, float(mean)) for item, mean in zip(tables.passes, cycles, strict=True)],
        "expected": {"cycles": run.cycles.tolist(), "trace_sha256": trace_digest(run.traces)},
    }


def described(memories: Mapping[str, Memory], content: Mapping[str, bytes]) -> dict[str, Any]:
    """What a manifest says of the emitted files and of the memories that they fill."""
    return {
        "files": {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in sorted(content.items())
        },
        "memories": {name: {"words": memory.words, "bits": memory.bits} for name, memory in memories.items()},
    }


def map_entry(tables: Tables, name: str) -> dict[str, Any]:
    """What a manifest says of a map."""
    found = tables.maps[name]
    return {
        "shape": list(found.shape),
        "axes": list(found.axes),
        "levels": [found.lo, found.hi],
        "pixel": found.pixel,
        "step": found.step,
        "base": found.base,
        "pitch": found.pitch,
        "words": found.words,
    }


def _output(graph: Graph, tables: Tables, name: str) -> dict[str, Any]:
    """Where an output is: results from word `first` on, or a map."""
    first = 0
    for item in tables.passes:
        split = item.split
        if split.task.is_readout:
            if split.task.name == name:
                return {"results": first, "shape": list(split.task.shape), "rows": split.slots}
            first += item.results
    return {"map": tables.fused.get(name, name)}


def pass_entry(item: PassTable, cycles: float) -> dict[str, Any]:
    """What a manifest says of a pass."""
    split, task = item.split, item.split.task
    return {
        "name": task.name,
        "computes": task.computes,
        "shape": list(task.shape),
        "reads": sorted({projection.map for projection in task.projections}),
        "rows": split.slots,
        "channel_words": item.group_words,
        "weight_bits": item.weight_bits,
        "weights": item.weight_numbers,
        "sum": [int(item.drive.low.min()), int(item.drive.high.max())],
        "potential": [int(item.potential.low.min()), int(item.potential.high.max())],
        "potential_bits": item.potential.bits,
        "levels": None if task.is_readout else [task.lo, task.hi],
        "cycles": round(cycles, 2),
    }
