"""The level core in Verilator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from snncc_backends.fpga.bench import Ports, Written, build_bench, image_file, run_bench
from snncc_backends.fpga.emit import core, table_files
from snncc_backends.fpga.planning.maps import WORD
from snncc_backends.fpga.tables.tables import Tables
from snncc_backends.tools.design import Design
from snncc_backends.tools.found import Tool
from snncc_ir.tensors import Ints


def run_verilog(
    verilator: Tool, compiler: Tool, tables: Tables, levels: Mapping[str, Ints], folder: Path
) -> Written:
    """Build and run in `folder`; raises ToolError where a tool fails or the core breaks an invariant."""
    build_core(verilator, compiler, tables, folder)
    return simulate(tables, levels, folder)


def build_core(verilator: Tool, compiler: Tool, tables: Tables, folder: Path) -> None:
    """Build the core with its assertions in `folder`, beside the tables, which it reads when it runs."""
    design = Design(top="snncc_top", files={**core(), **table_files(tables)}, defines=("SNNCC_CHECK",))
    build_bench(verilator, compiler, design, ports_of(tables), folder)


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
    build_bench(verilator, compiler, design, ports_of(tables), folder, optimisation=optimisation)
    return simulate(tables, levels, folder)


def build_simulation(verilator: Tool, compiler: Tool, tables: Tables, folder: Path) -> None:
    """Make the program `simulation` of the core and its tables in `folder`, without its assertions."""
    design = Design(top="snncc_top", files={**core(), **table_files(tables)})
    build_bench(verilator, compiler, design, ports_of(tables), folder, assertions=False)


def simulate(tables: Tables, levels: Mapping[str, Ints], folder: Path) -> Written:
    """Run the program `simulation` in `folder`; raises ToolError where it fails."""
    return run_bench(ports_of(tables), _images(tables, levels), folder)


def ports_of(tables: Tables) -> Ports:
    """What a main program must know of the core."""
    widths = tables.widths
    return Ports(
        levels=WORD,
        host_bits=widths.level,
        map_bits=widths.level,
        map_signed=widths.signed_levels,
        values=widths.groups,
        value_bits=widths.potential,
        banks=widths.groups,
    )


def image_words(tables: Tables, levels: Mapping[str, Ints]) -> bytes:
    """The file of images that the program reads."""
    return image_file(_images(tables, levels))


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
    words[:, np.searchsorted(used, place), 2 + lane] = level_map.stored(levels)
    return words
