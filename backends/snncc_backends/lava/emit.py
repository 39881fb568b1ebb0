"""The emitted files: a fixed program, and one network's data.

The program is the same for every network, byte for byte. Whatever comes from a model (names, shapes, numbers)
is data in `network.json` and `tensors.npz`, never code.
"""

from __future__ import annotations

import json
from importlib.resources import files

from snncc_backends.lava.describe import describe
from snncc_ir.graph import Graph
from snncc_ir.store import write_arrays

FOLDER = "lava"
"""Where the files lie in an artefact."""

PROGRAM = (
    "run.py",
    "command.py",
    "execute.py",
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
"""The program's files, below `templates`. They are read as text: importing them needs Lava."""


def emit_files(graph: Graph) -> dict[str, bytes]:
    """The program and the data of a phased integer graph, by path relative to the artefact."""
    network, arrays = describe(graph)
    text = json.dumps(network, indent=1, allow_nan=False)
    data = {"network.json": text.encode() + b"\n", "tensors.npz": write_arrays(arrays)}
    return {f"{FOLDER}/{path}": content for path, content in (*program().items(), *data.items())}


def program() -> dict[str, bytes]:
    """The fixed files, by path relative to their folder."""
    templates = files("snncc_backends.lava").joinpath("templates")
    return {path: templates.joinpath(*path.split("/")).read_bytes() for path in PROGRAM}
