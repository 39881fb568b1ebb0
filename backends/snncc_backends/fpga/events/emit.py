"""The emitted files of a streaming graph: its tables, the event core, and what they must do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from snncc_backends.fpga.emit import FOLDER, FORMAT, described, trace_digest
from snncc_backends.fpga.events.assemble import build_event_tables
from snncc_backends.fpga.events.board import event_board_files, sends_spikes
from snncc_backends.fpga.events.capacity import event_block_memories
from snncc_backends.fpga.events.estimate import event_estimate
from snncc_backends.fpga.events.plan import Kind
from snncc_backends.fpga.events.program import read_program
from snncc_backends.fpga.events.rtl import core, parameters, table_files
from snncc_backends.fpga.events.simulator import EventRun, EventSimulator
from snncc_backends.fpga.events.tables import EventTables, Placed
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine
from snncc_ir.tensors import Ints


def emit_event_files(graph: Graph, machine: Machine, golden: Mapping[str, Ints]) -> dict[str, bytes]:
    """The files of a streaming integer graph, by path relative to the artefact."""
    tables = build_event_tables(graph, machine.lanes)
    run = EventSimulator(tables).run(golden, trace=True)
    content = {**table_files(tables), **event_board_files(tables, spikes=sends_spikes(graph))}
    manifest = _manifest(graph, machine, tables, run, content)
    text = json.dumps(manifest, indent=1, allow_nan=False).encode() + b"\n"
    return {f"{FOLDER}/{name}": data for name, data in {**content, **core(), "manifest.json": text}.items()}


def _manifest(
    graph: Graph, machine: Machine, tables: EventTables, run: EventRun, content: Mapping[str, bytes]
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "core": "event",
        "network": graph.name,
        "chip": machine.name,
        "parameters": parameters(tables),
        **described(tables.memories, content),
        "block_memories": event_block_memories(tables),
        "estimate": asdict(event_estimate(tables)),
        "inputs": {
            name: {"address": at, "shape": list(tables.shapes[name])} for name, at in tables.inputs.items()
        },
        "units": [_unit(placed) for placed in tables.units],
        "outputs": list(graph.outputs),
        "passes": _passes(tables, run),
        "expected": {
            "cycles": run.cycles.tolist(),
            "steps": run.steps.tolist(),
            "trace_sha256": trace_digest(run.traces),
        },
    }


def _unit(placed: Placed) -> dict[str, Any]:
    unit = placed.unit
    return {
        "name": unit.name,
        "kind": unit.kind.value,
        "shape": list(unit.shape),
        "results" if unit.kind is Kind.READOUT else "map": placed.target,
        "potentials": placed.potentials,
        "potential": [int(placed.potential.low.min()), int(placed.potential.high.max())],
        "potential_bits": placed.potential.bits,
    }


def _passes(tables: EventTables, run: EventRun) -> list[dict[str, Any]]:
    """Cycles are those of an image in all steps, mean over the golden images."""
    mean = run.pass_cycles.mean(axis=0).tolist()
    return [
        {"unit": name, "does": program.descriptor.op.name.lower(), "cycles": round(cycles, 2)}
        for name, program, cycles in zip(tables.pass_names, read_program(tables), mean, strict=True)
    ]
