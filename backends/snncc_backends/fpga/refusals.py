"""What the level core, or a device, cannot express, each reason as one sentence."""

from __future__ import annotations

from collections.abc import Iterator

from snncc_backends.fpga.capacity import block_memories, capacity_refusals
from snncc_backends.fpga.planning.maps import WORD
from snncc_backends.fpga.tables.assemble import tables_on
from snncc_backends.fpga.tables.tables import Tables
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine

MOST_LANES = 512
MOST_LEVELS = 255
FIELD = 1 << 16
"""Counts of blocks, tiles and columns are below this."""


def find_refusals(graph: Graph, machine: Machine) -> tuple[str, ...]:
    """Every reason why `machine` cannot run a phased graph."""
    if not graph.is_integer:
        return (f"{graph.name}: the graph holds real values; quantize it first",)
    reasons = tuple(lane_refusals(machine))
    if reasons:
        return reasons
    try:
        tables = tables_on(graph, machine)
    except TargetError as error:
        return (str(error),)
    reasons = table_refusals(tables, machine)
    if reasons:  # what no field holds has no size in memory
        return reasons
    return tuple(capacity_refusals(block_memories(tables), machine))


def table_refusals(tables: Tables, machine: Machine) -> tuple[str, ...]:
    """Why a core cannot run tables, whatever memories the device has."""
    return (*_widths(tables, machine), *_counts(tables))


def lane_refusals(machine: Machine) -> Iterator[str]:
    """Why the cores cannot have so many lanes."""
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
