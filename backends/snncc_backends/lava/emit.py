"""The emitted files of a network of level neurons: the program and its data."""

from __future__ import annotations

from snncc_backends.lava.describe import describe
from snncc_backends.lava.files import SHARED, packed
from snncc_ir.graph import Graph

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


def emit_files(graph: Graph) -> dict[str, bytes]:
    """The program and the data of a phased integer graph, by path relative to the artefact."""
    return packed(PROGRAM, *describe(graph))
