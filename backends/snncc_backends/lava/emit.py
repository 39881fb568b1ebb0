"""The emitted files of a network of level neurons: the program and its data."""

from __future__ import annotations

from snncc_backends.lava.describe import Writer, described
from snncc_backends.lava.files import SHARED, packed
from snncc_backends.lava.slices import SliceWriter
from snncc_ir.graph import Graph
from snncc_ir.plan import Plan

OWN = (
    "play.py",
    "build.py",
    "network/__init__.py",
    "network/processes.py",
    "numerics/__init__.py",
    "numerics/linear.py",
    "numerics/pool.py",
    "numerics/receive.py",
    "numerics/record.py",
    "numerics/send.py",
    "numerics/strand.py",
)

PROGRAM = {**SHARED, **{name: name for name in OWN}}
"""The program's files, and where below `templates` they are."""


def emit_files(graph: Graph, plan: Plan | None = None) -> dict[str, bytes]:
    """The program and the data of a phased integer graph, by path relative to the artefact.

    With a plan there is a process for each of its slices, else one for each population.
    """
    writer = Writer(graph) if plan is None else SliceWriter(graph, plan)
    return packed(PROGRAM, *described(writer))
