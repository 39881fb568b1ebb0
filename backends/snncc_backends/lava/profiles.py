"""The two kinds of programs: level neurons, and stock LIF neurons for machines that have no others."""

from __future__ import annotations

from snncc_backends.lava import emit, refusals
from snncc_backends.lava.stock import emit as stock_emit
from snncc_backends.lava.stock import refusals as stock_refusals
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine


def find_refusals(graph: Graph, machine: Machine) -> tuple[str, ...]:
    """Every reason why `machine` cannot run the graph."""
    found = stock_refusals if machine.lif else refusals
    return found.find_refusals(graph, machine)


def emit_files(graph: Graph, machine: Machine) -> dict[str, bytes]:
    """The program and the data of a graph that is not refused, by path relative to the artefact."""
    return stock_emit.emit_files(graph) if machine.lif else emit.emit_files(graph, machine.plan)
