"""Emitted files: a program that is the same for every network of a profile, and one network's data.

Whatever comes from a model (names, shapes, numbers) is data in `network.json` and `tensors.npz`, never code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files

from snncc_backends.lava.describe import Array, Plain
from snncc_ir.store import write_arrays

FOLDER = "lava"
"""Where the files lie in an artefact."""

SHARED = {name: name for name in ("run.py", "command.py", "execute.py")}
"""Files of all programs, and where below `templates` they are. They are read as text: they import Lava."""


def packed(program: Mapping[str, str], network: Plain, arrays: Mapping[str, Array]) -> dict[str, bytes]:
    """The files of a program and a description, by path relative to the artefact."""
    templates = files("snncc_backends.lava").joinpath("templates")
    found = {path: templates.joinpath(*place.split("/")).read_bytes() for path, place in program.items()}
    text = json.dumps(network, indent=1, allow_nan=False)
    found |= {"network.json": text.encode() + b"\n", "tensors.npz": write_arrays(dict(arrays))}
    return {f"{FOLDER}/{path}": content for path, content in found.items()}
