"""The Verilog in Verilator: images in, every written word with its cycle out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_backends.fpga.cycles import Run, Trace
from snncc_backends.fpga.emit import core, parameters, table_files
from snncc_backends.fpga.maps import WORD
from snncc_backends.fpga.tables import Tables
from snncc_backends.tools.design import Design
from snncc_backends.tools.found import Tool
from snncc_backends.tools.run import run_tool, write_files
from snncc_backends.tools.verilator import build_model
from snncc_ir.errors import ToolError
from snncc_ir.tensors import Ints

SECONDS = 3600.0
"""How long a simulation may take."""

LEVEL_ROW = 3 + WORD


@dataclass(frozen=True, kw_only=True)
class Written:
    """What the Verilog did with each image: its cycles and the words that it wrote."""

    cycles: Ints
    traces: tuple[Trace, ...]


def run_verilog(
    verilator: Tool, compiler: Tool, tables: Tables, levels: Mapping[str, Ints], folder: Path
) -> Written:
    """Build and run in `folder`; raises ToolError where a tool fails or the core breaks an invariant."""
    design = Design(top="snncc_top", files={**core(), **table_files(tables)}, defines=("SNNCC_CHECK",))
    return simulate_design(verilator, compiler, design, tables, levels, folder)


def simulate_design(
    verilator: Tool,
    compiler: Tool,
    design: Design,
    tables: Tables,
    levels: Mapping[str, Ints],
    folder: Path,
    *,
    optimisation: str = "-O2",
) -> Written:
    """Run `design`, the core or a netlist of it with the same ports, as `run_verilog` does."""
    build_model(verilator, compiler, design, _bench(tables), folder, optimisation=optimisation)
    return simulate(tables, levels, folder)


def build_simulation(verilator: Tool, compiler: Tool, tables: Tables, folder: Path) -> None:
    """Make the program `simulation` of the core and its tables in `folder`, without its assertions."""
    design = Design(top="snncc_top", files={**core(), **table_files(tables)})
    build_model(verilator, compiler, design, _bench(tables), folder, assertions=False)


def simulate(tables: Tables, levels: Mapping[str, Ints], folder: Path) -> Written:
    """Run the program `simulation` in `folder`; raises ToolError where it fails."""
    write_files(folder, {"images.bin": image_words(tables, levels)})
    simulation = Tool(name="the Verilog", command=(str(folder / "simulation"),))
    run_tool(simulation, folder, "images.bin", "trace.bin", seconds=SECONDS)
    return _read(tables, (folder / "trace.bin").read_bytes(), len(next(iter(levels.values()))))


def _bench(tables: Tables) -> dict[str, bytes]:
    main = files("snncc_backends.fpga").joinpath("verilog", "bench.cpp").read_bytes()
    return {"bench.cpp": main, "parameters.h": bench_header(tables)}


def bench_header(tables: Tables) -> bytes:
    """The parameters of the core for a C++ program."""
    lines = [f"#define SNNCC_{name} {value}\n" for name, value in parameters(tables).items()]
    return "".join(lines).encode()


def image_words(tables: Tables, levels: Mapping[str, Ints]) -> bytes:
    """int32 counts (images, words), then per image rows of (bank, address, 8 levels)."""
    parts = [_words(tables, name, values) for name, values in levels.items()]
    words = np.concatenate(parts, axis=1)
    head = np.array(words.shape[:2], dtype="<i4")
    return head.tobytes() + np.ascontiguousarray(words, dtype="<i4").tobytes()


def _words(tables: Tables, name: str, levels: Ints) -> Ints:
    level_map, depth = tables.maps[name], tables.widths.map_words
    bank, address, lane = level_map.places()
    place = bank * depth + address
    used = np.unique(place)
    words = np.zeros((len(levels), len(used), 2 + WORD), dtype=np.int64)
    words[:, :, 0], words[:, :, 1] = used // depth, used % depth
    words[:, np.searchsorted(used, place), 2 + lane] = level_map.stored(levels)
    return words


def _read(tables: Tables, data: bytes, images: int) -> Written:
    result_row = 2 + tables.widths.groups
    cycles, traces, at = [], [], 0
    try:
        for _ in range(images):
            spent, writes, results = np.frombuffer(data, "<i4", 3, at).tolist()
            levels = np.frombuffer(data, "<i4", writes * LEVEL_ROW, at + 12).reshape(writes, LEVEL_ROW)
            at += 12 + levels.nbytes
            values = np.frombuffer(data, "<i8", results * result_row, at).reshape(results, result_row)
            at += values.nbytes
            cycles.append(spent)
            traces.append(Trace(levels=levels, results=values))
    except ValueError as error:
        raise ToolError(f"the simulation wrote a damaged trace ({error})") from error
    return Written(cycles=np.array(cycles), traces=tuple(traces))


def first_difference(found: Written, expected: Run) -> str:
    """Where the Verilog departs first from the simulator, in words; empty where they agree."""
    for image, (got, wanted) in enumerate(zip(found.traces, expected.traces, strict=True)):
        for what, a, b in (("map", got.levels, wanted.levels), ("result", got.results, wanted.results)):
            place = _first(a, b)
            if place is not None:
                rows = [row[place].tolist() if place < len(row) else "nothing" for row in (a, b)]
                return f"image {image}, {what} write {place}: {rows[0]} instead of {rows[1]}"
        if found.cycles[image] != expected.cycles[image]:
            return f"image {image}: {found.cycles[image]} cycles instead of {expected.cycles[image]}"
    return ""


def _first(a: NDArray[Any], b: NDArray[Any]) -> int | None:
    shared = min(len(a), len(b))
    rows = np.flatnonzero((a[:shared] != b[:shared]).any(axis=1))
    if len(rows):
        return int(rows[0])
    return None if len(a) == len(b) else shared
