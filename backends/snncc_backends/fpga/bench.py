"""Any of the cores in Verilator: images in, every written word with its cycle out."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_backends.fpga.simulator.cycles import Trace
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


def build_bench(
    verilator: Tool,
    compiler: Tool,
    design: Design,
    ports: Ports,
    folder: Path,
    *,
    optimisation: str = "-O2",
    assertions: bool = True,
) -> None:
    """Make the program `simulation` of a core, or of a netlist with the same ports, in `folder`."""
    sources = {**bench_sources("bench.cpp"), "parameters.h": ports.header()}
    build_model(
        verilator, compiler, design, sources, folder, optimisation=optimisation, assertions=assertions
    )


def bench_sources(main: str) -> dict[str, bytes]:
    """A main program and what it includes, but for parameters.h."""
    folder = files("snncc_backends.fpga") / "verilog"
    return {name: folder.joinpath(name).read_bytes() for name in (main, "bench.h")}


def run_bench(ports: Ports, images: Ints, folder: Path) -> Written:
    """Run the program `simulation` in `folder`; raises ToolError where it fails."""
    write_files(folder, {"images.bin": image_file(images)})
    simulation = Tool(name="the Verilog", command=(str(folder / "simulation"),))
    run_tool(simulation, folder, "images.bin", "trace.bin", seconds=SECONDS)
    return read_trace(ports, (folder / "trace.bin").read_bytes(), len(images))


def image_file(images: Ints) -> bytes:
    """int32 counts (images, words), then images `[N, words, 2 + levels]`: rows of (bank, address, levels)."""
    counts = np.array(images.shape[:2], dtype="<i4").tobytes()
    return counts + np.ascontiguousarray(images, dtype="<i4").tobytes()


def read_trace(ports: Ports, data: bytes, images: int) -> Written:
    """What the simulation wrote down; raises ToolError where it is damaged."""
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
        difference = first_row(got, wanted)
        if difference:
            return f"image {image}, {difference}"
        if found.cycles[image] != cycles[image]:
            return f"image {image}: {found.cycles[image]} cycles instead of {cycles[image]}"
    return ""


def first_row(got: Trace, wanted: Trace) -> str:
    """The first word that differs between two traces, in words; empty where they are equal."""
    for what, a, b in (("map", got.levels, wanted.levels), ("result", got.results, wanted.results)):
        place = _first(a, b)
        if place is not None:
            rows = [row[place].tolist() if place < len(row) else "nothing" for row in (a, b)]
            return f"{what} write {place}: {rows[0]} instead of {rows[1]}"
    return ""


def _first(a: NDArray[Any], b: NDArray[Any]) -> int | None:
    shared = min(len(a), len(b))
    rows = np.flatnonzero((a[:shared] != b[:shared]).any(axis=1))
    if len(rows):
        return int(rows[0])
    return None if len(a) == len(b) else shared
