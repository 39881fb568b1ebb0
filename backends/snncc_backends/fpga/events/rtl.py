"""The event core's Verilog in Verilator."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import numpy as np

from snncc_backends.fpga.bench import Ports, Written, build_bench, image_file, run_bench
from snncc_backends.fpga.events.simulator import input_words
from snncc_backends.fpga.events.tables import PARAMETERS, EventTables
from snncc_backends.tools.design import Design
from snncc_backends.tools.found import Tool
from snncc_ir.tensors import Ints

CORE = (
    "snncc_bank.v",
    "snncc_banks.v",
    "snncc_event_core.v",
    "snncc_event_lane.v",
    "snncc_event_top.v",
    "snncc_event_walk.v",
    "snncc_rom.v",
    "snncc_unpack.v",
)
"""The event core's Verilog; the same for every network."""

TOP = "snncc_event_top"


def core() -> dict[str, bytes]:
    """The fixed files."""
    folder = files("snncc_backends.fpga").joinpath("verilog")
    return {name: folder.joinpath(name).read_bytes() for name in CORE}


def parameters(tables: EventTables) -> dict[str, int]:
    """Parameters of the core by name."""
    return {name: getattr(tables.widths, field) for name, field in PARAMETERS.items()}


def table_files(tables: EventTables) -> dict[str, bytes]:
    """What the Verilog reads: the memories and its parameters."""
    memories = {f"{name}.mem": memory.text() for name, memory in tables.memories.items()}
    lines = [f"`define SNNCC_{name} {value}\n" for name, value in parameters(tables).items()]
    return {**memories, "params.vh": "".join(lines).encode()}


def run_event_verilog(
    verilator: Tool, compiler: Tool, tables: EventTables, levels: Mapping[str, Ints], folder: Path
) -> Written:
    """Build and run in `folder`; raises ToolError where a tool fails or the core breaks an invariant."""
    design = Design(top=TOP, files={**core(), **table_files(tables)}, defines=("SNNCC_CHECK",))
    return simulate_event_design(verilator, compiler, design, tables, levels, folder)


def simulate_event_design(
    verilator: Tool,
    compiler: Tool,
    design: Design,
    tables: EventTables,
    levels: Mapping[str, Ints],
    folder: Path,
    *,
    optimisation: str = "-O2",
) -> Written:
    """Run `design`, the core or a netlist of it with the same ports, as `run_event_verilog` does."""
    widths = tables.widths
    ports = Ports(
        levels=widths.lanes,
        host_bits=widths.level,
        map_bits=1 + widths.signed_spikes,
        map_signed=widths.signed_spikes,
        values=widths.lanes,
        value_bits=widths.potential,
        banks=0,
    )
    build_bench(verilator, compiler, design, ports, folder, optimisation=optimisation)
    return run_bench(ports, _images(tables, levels), folder)


def event_image_words(tables: EventTables, levels: Mapping[str, Ints]) -> bytes:
    """The file of images that a program reads."""
    return image_file(_images(tables, levels))


def _images(tables: EventTables, levels: Mapping[str, Ints]) -> Ints:
    """Per image rows of (0, address, P levels)."""
    parts = []
    for name, values in levels.items():
        words = input_words(tables, name, values)
        place = np.broadcast_to(
            tables.inputs[name] + np.arange(words.shape[1])[:, None], (*words.shape[:2], 1)
        )
        parts.append(np.concatenate([np.zeros_like(place), place, words], axis=2))
    return np.concatenate(parts, axis=1)
