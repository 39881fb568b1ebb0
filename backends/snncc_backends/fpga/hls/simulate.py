"""C simulation: the emitted kernel, compiled in a private folder, on many images in one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snncc_backends.fpga.hls.emit import flat_images
from snncc_backends.fpga.hls.places import descriptor, result_places, slots_of
from snncc_backends.fpga.planning.maps import BYTE_SHIFT, WORD
from snncc_backends.fpga.tables.tables import Tables
from snncc_backends.tools.compiler import build_cpp
from snncc_backends.tools.found import Tool
from snncc_backends.tools.run import run_tool
from snncc_ir.errors import ToolError
from snncc_ir.graph import Graph
from snncc_ir.tensors import Ints

FLAGS = ("-std=c++14", "-O2", "-Wall", "-Wextra")
TRACE = "-DSNNCC_TRACE"
IMAGES_FILE, TRACE_FILE = "images.bin", "trace.bin"
SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Every word that N images write, in order: rows (bank, address, 8 levels) and (word, G values)."""

    levels: Ints
    results: Ints


def build_csim(compiler: Tool, files: Mapping[str, bytes], folder: Path, *flags: str) -> Path:
    """The C simulation that `hls_files` gives, in `folder`, compiled so that it can write traces."""
    return build_cpp(compiler, folder, files, (*FLAGS, *flags, TRACE), "csim")


def run_csim(program: Path, graph: Graph, tables: Tables, images: Mapping[str, Ints]) -> Trace:
    """Run images `images[name][N, *shape]`, all in one process."""
    folder = program.parent
    flat = flat_images(graph, tables, images)
    flat.astype("<i2").tofile(folder / IMAGES_FILE)
    csim = Tool(name="the C simulation", command=(str(program),))
    run_tool(csim, folder, IMAGES_FILE, TRACE_FILE, seconds=SECONDS)
    return _read(folder / TRACE_FILE, len(flat), tables)


def _read(file: Path, images: int, tables: Tables) -> Trace:
    counts = [writes(tables, number) for number in range(len(tables.passes))]
    readout = [descriptor(tables, number).is_readout for number in range(len(tables.passes))]
    words = sum(count for count, is_result in zip(counts, readout, strict=True) if not is_result)
    results = sum(count for count, is_result in zip(counts, readout, strict=True) if is_result)
    kind = np.dtype(
        [("levels", "<i4", (words, 2 + WORD)), ("results", "<i8", (results, 1 + tables.widths.groups))]
    )
    if file.stat().st_size != images * kind.itemsize:
        raise ToolError(f"the C simulation wrote {file.stat().st_size} bytes, not {images * kind.itemsize}")
    found = np.fromfile(file, dtype=kind)
    return Trace(levels=found["levels"], results=found["results"])


def writes(tables: Tables, number: int) -> int:
    """Words that pass `number` writes for one image."""
    d = descriptor(tables, number)
    if d.is_readout:
        return d.blocks * d.tiles * d.columns * WORD
    rows = slots_of(tables, tables.passes[number]) // d.merge
    valid = tables.memories["out_rows"].values["valid"][d.out : d.out + d.tiles * rows]
    return int(valid.sum()) * d.columns * min(d.map_words, d.blocks * d.group_words)


def values_of(tables: Tables, trace: Trace) -> dict[str, Ints]:
    """`[N, C, H, W]` of every pass: the levels of its map, of a readout the drive plus bias."""
    found: dict[str, Ints] = {}
    word = result = 0
    for number, task in enumerate(tables.passes):
        count = writes(tables, number)
        if descriptor(tables, number).is_readout:
            places = result_places(tables, number)
            rows = trace.results[:, result : result + count]
            values = rows[:, places.word - rows[0, 0, 0], 1 + places.lane]
            result += count
        else:
            values = _levels(tables, task.split.task.name, trace.levels[:, word : word + count])
            word += count
        found[task.split.task.name] = values.reshape(len(values), *task.split.task.shape)
    return found


def _levels(tables: Tables, name: str, rows: Ints) -> Ints:
    """The levels of a map out of the rows that one pass wrote; a word written twice has what came last."""
    found = tables.maps[name]
    bank, address, lane = (axis.reshape(-1) for axis in found.places())
    if found.packed:
        address, lane = address | lane // WORD << BYTE_SHIFT, lane % WORD
    depth = WORD << BYTE_SHIFT if found.packed else tables.widths.map_words
    written = np.full(tables.widths.groups * depth, -1)
    written[rows[0, :, 0] * depth + rows[0, :, 1]] = np.arange(rows.shape[1])
    at = written[bank * depth + address]
    if (at < 0).any():
        raise ToolError(f"the C simulation did not write all of {name}")
    return rows[:, at, 2 + lane]
