"""What the level core, or a device, cannot express, each reason as one sentence."""

from __future__ import annotations

from collections.abc import Iterator

from snncc_backends.fpga.assemble import build_tables
from snncc_backends.fpga.capacity import block_memories
from snncc_backends.fpga.maps import WORD
from snncc_backends.fpga.tables import Tables
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine
from snncc_ir.timing import Phased

MOST_LANES = 512
MOST_LEVELS = 255
FIELD = 1 << 16
"""Counts of blocks, tiles and columns are below this."""


def find_refusals(graph: Graph, machine: Machine) -> tuple[str, ...]:
    """Every reason why `machine` cannot run the graph."""
    if not graph.is_integer:
        return (f"{graph.name}: the graph holds real values; quantize it first",)
    if not isinstance(graph.timing, Phased):
        timing = type(graph.timing).__name__.lower()
        return (f"{graph.name}: {timing} timing; the level core runs phased codes, choose one",)
    reasons = tuple(_lanes(machine))
    if reasons:
        return reasons
    try:
        tables = build_tables(graph, machine.lanes)
    except TargetError as error:
        return (str(error),)
    reasons = (*_widths(tables, machine), *_counts(tables))
    return reasons or tuple(_capacity(tables, machine))  # what no field holds has no size in memory


def _lanes(machine: Machine) -> Iterator[str]:
    lanes = machine.lanes
    if lanes < WORD or lanes > MOST_LANES or lanes & (lanes - 1):
        yield f"{lanes} lanes; give a power of two from {WORD} to {MOST_LANES} with --lanes"


def _widths(tables: Tables, machine: Machine) -> Iterator[str]:
    limit = machine.membrane_bits.value
    for item in tables.passes:
        bits = item.potential.bits
        if bits > limit:
            yield (
                f"{item.split.task.computes}: potentials of {bits} bits by the width certificate, "
                f"{machine.name} has {limit}; use fewer weight bits or level bits"
            )


def _counts(tables: Tables) -> Iterator[str]:
    if tables.widths.map_words > FIELD:
        yield f"maps of {tables.widths.map_words} words in a bank, the core addresses {FIELD}; use more lanes"
    for item in tables.passes:
        task = item.split.task
        if task.neurons.top > MOST_LEVELS:
            yield f"{task.name}: {task.neurons.top + 1} levels, the level core gives {MOST_LEVELS + 1}"
        sizes = (len(task.window_rows), len(task.window_columns), task.shape[0])
        windows = (task.window_rows.shape[1], task.window_columns.shape[1], len(task.projections))
        if max(sizes) >= FIELD or max(windows) > 255:
            yield f"{task.name}: too large for a descriptor ({sizes}, {windows}); cut it into smaller layers"


def _capacity(tables: Tables, machine: Machine) -> Iterator[str]:
    if machine.fabric is None:
        return
    needed = block_memories(tables)
    total, limit = sum(needed.values()), machine.fabric.blocks.value
    if total > limit:
        worst = max(needed, key=lambda name: needed[name])
        yield (
            f"needs {total} block memories, {machine.name} has {limit}; {worst} take {needed[worst]}: "
            "use fewer weight or level bits, another number of lanes, or a larger device"
        )
