"""What the event core, or a device, cannot express, each reason as one sentence."""

from __future__ import annotations

from collections.abc import Iterator

from snncc_backends.fpga.capacity import capacity_refusals
from snncc_backends.fpga.events.assemble import build_event_tables
from snncc_backends.fpga.events.capacity import event_block_memories, event_multipliers
from snncc_backends.fpga.events.plan import PAYLOAD
from snncc_backends.fpga.events.tables import EventTables
from snncc_backends.fpga.refusals import lane_refusals
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine
from snncc_ir.neurons import Table

FIELD = 1 << 16
"""Rows, columns and words of an image, and words of a memory, are fewer than this."""


def find_event_refusals(graph: Graph, machine: Machine) -> tuple[str, ...]:
    """Every reason why `machine` cannot run a streaming graph."""
    if not graph.is_integer:
        return (f"{graph.name}: the graph holds real values; quantize it first",)
    reasons = (*lane_refusals(machine), *_tables(graph))
    if reasons:
        return reasons
    try:
        tables = build_event_tables(graph, machine.lanes)
    except TargetError as error:
        return (str(error),)
    needed = event_block_memories(tables)
    return (
        *_widths(tables, machine),
        *_counts(tables),
        *_multipliers(tables, machine),
        *capacity_refusals(needed, machine),
    )


def _tables(graph: Graph) -> Iterator[str]:
    for node in graph.populations:
        if isinstance(node.neuron, Table):
            yield f"{node.name}: breakpoint tables, which the event core does not run; use a phased code"


def _widths(tables: EventTables, machine: Machine) -> Iterator[str]:
    limit = machine.membrane_bits.value
    for placed in tables.units:
        bits = max(placed.potential.bits, int(placed.unit.firing.theta.max()).bit_length() + 1)
        if bits > limit:
            yield (
                f"{placed.unit.name}: potentials of {bits} bits by the width certificate, "
                f"{machine.name} has {limit}; use fewer steps, weight bits or level bits"
            )


def _counts(tables: EventTables) -> Iterator[str]:
    widths = tables.widths
    for what, words in (("potentials", widths.potential_words), ("inputs", widths.input_words)):
        if words > FIELD:
            yield f"{what} of {words} words, the core addresses {FIELD}; use more lanes"
    if widths.payload > PAYLOAD:
        yield f"levels times multipliers of {widths.payload} bits, the core has {PAYLOAD}"


def _multipliers(tables: EventTables, machine: Machine) -> Iterator[str]:
    needed = event_multipliers(tables)
    if machine.fabric is not None and needed > machine.fabric.multipliers.value:
        limit = machine.fabric.multipliers.value
        yield f"needs {needed} multipliers, {machine.name} has {limit}; use fewer lanes, or a larger device"
