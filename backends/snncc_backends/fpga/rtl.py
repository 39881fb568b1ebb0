"""The Verilog in Verilator: images in, every written word with its cycle out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_backends.fpga.cycles import Trace
from snncc_backends.fpga.emit import core, table_files
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


@dataclass(frozen=True, kw_only=True)
class Ports:
    """What the main program must know of a core: the numbers that bench.cpp names."""

    levels: int
    host_bits: int
    map_bits: int
    map_signed: int
    values: int
    value_bits: int
    banks: int

    def header(self) -> bytes:
        """parameters.h."""
        lines = (f"#define SNNCC_{name.upper()} {value}\n" for name, value in vars(self).items())
        return "".join(lines).encode()


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
    widths = tables.widths
    ports = Ports(
        levels=WORD,
        host_bits=widths.level,
        map_bits=widths.level,
        map_signed=widths.signed_levels,
        values=widths.groups,
        value_bits=widths.potential,
        banks=widths.groups,
    )
    return run_design(verilator, compiler, design, ports, _images(tables, levels), folder)


def run_design(
    verilator: Tool, compiler: Tool, design: Design, ports: Ports, images: Ints, folder: Path
) -> Written:
    """Run images `[N, words, 2 + levels]`, rows of (bank, address, levels), through a core."""
    main = files("snncc_backends.fpga").joinpath("verilog", "bench.cpp").read_bytes()
    build_model(verilator, compiler, design, {"bench.cpp": main, "parameters.h": ports.header()}, folder)
    counts = np.array(images.shape[:2], dtype="<i4").tobytes()
    words = np.ascontiguousarray(images, dtype="<i4").tobytes()
    write_files(folder, {"images.bin": counts + words})
    simulation = Tool(name="the Verilog", command=(str(folder / "simulation"),))
    run_tool(simulation, folder, "images.bin", "trace.bin", seconds=SECONDS)
    return _read(ports, (folder / "trace.bin").read_bytes(), len(images))


def _images(tables: Tables, levels: Mapping[str, Ints]) -> Ints:
    """Per image rows of (bank, address, 8 levels)."""
    return np.concatenate([_words(tables, name, values) for name, values in levels.items()], axis=1)


def _words(tables: Tables, name: str, levels: Ints) -> Ints:
    level_map, depth = tables.maps[name], tables.widths.map_words
    bank, address, lane = level_map.places()
    place = bank * depth + address
    used = np.unique(place)
    words = np.zeros((len(levels), len(used), 2 + WORD), dtype=np.int64)
    words[:, :, 0], words[:, :, 1] = used // depth, used % depth
    words[:, np.searchsorted(used, place), 2 + lane] = levels.reshape(len(levels), *level_map.shape)
    return words


def _read(ports: Ports, data: bytes, images: int) -> Written:
    level_row, result_row = 3 + ports.levels, 2 + ports.values
    cycles, traces, at = [], [], 0
    try:
        for _ in range(images):
            spent, writes, results = np.frombuffer(data, "<i4", 3, at).tolist()
            levels = np.frombuffer(data, "<i4", writes * level_row, at + 12).reshape(writes, level_row)
            at += 12 + levels.nbytes
            values = np.frombuffer(data, "<i8", results * result_row, at).reshape(results, result_row)
            at += values.nbytes
            cycles.append(spent)
            traces.append(Trace(levels=levels, results=values))
    except ValueError as error:
        raise ToolError(f"the simulation wrote a damaged trace ({error})") from error
    return Written(cycles=np.array(cycles), traces=tuple(traces))


def first_difference(found: Written, traces: tuple[Trace, ...], cycles: Ints) -> str:
    """Where the Verilog departs first from the simulator, in words; empty where they agree."""
    for image, (got, wanted) in enumerate(zip(found.traces, traces, strict=True)):
        for what, a, b in (("map", got.levels, wanted.levels), ("result", got.results, wanted.results)):
            place = _first(a, b)
            if place is not None:
                rows = [row[place].tolist() if place < len(row) else "nothing" for row in (a, b)]
                return f"image {image}, {what} write {place}: {rows[0]} instead of {rows[1]}"
        if found.cycles[image] != cycles[image]:
            return f"image {image}: {found.cycles[image]} cycles instead of {cycles[image]}"
    return ""


def _first(a: NDArray[Any], b: NDArray[Any]) -> int | None:
    shared = min(len(a), len(b))
    rows = np.flatnonzero((a[:shared] != b[:shared]).any(axis=1))
    if len(rows):
        return int(rows[0])
    return None if len(a) == len(b) else shared
