"""The emitted files of a network of stock neurons: the program and its data."""

from __future__ import annotations

from snncc_backends.lava.files import SHARED, packed
from snncc_backends.lava.stock.describe import describe
from snncc_ir.graph import Graph

PROGRAM = {
    **SHARED,
    "play.py": "stock/play.py",
    "build.py": "stock/build.py",
    "synapses.py": "stock/synapses.py",
    "probe/__init__.py": "stock/probe/__init__.py",
    "probe/processes.py": "stock/probe/processes.py",
}
"""The program's files, and where below `templates` they are."""


def emit_files(graph: Graph) -> dict[str, bytes]:
    """The program and the data of a graph that is not refused, by path relative to the artefact."""
    return packed(PROGRAM, *describe(graph))
