"""`snncc compile model.nir`: an artefact of a network that spikes already."""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import fields
from pathlib import Path

import numpy as np

from snncc import ready
from snncc.driver import Compiled
from snncc.options import CompileOptions
from snncc_backends.nir import require
from snncc_ir.errors import SnnccError

TAKEN = ("output", "target", "machine", "lanes", "steps", "dt", "force", "watch", "code")
"""The options that say something of a NIR file; its own steps come first."""


def import_network(path: Path, options: CompileOptions, max_loss: float | None = None) -> Compiled:
    """Write an artefact of the NIR file `path`, which computes what the file says.

    Warnings say what is rounded, which only neurons that leak are.
    Raises ModelError where no rate graph does, ToolError where the package nir is not installed.
    """
    _check_options(options, max_loss)
    require(str(path))
    target = ready.begin(options)
    lifted = importlib.import_module("snncc_backends.nir.lift").lift(path, options.steps, None, options.dt)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    made = ready.Ready(
        graph=lifted.graph,
        source={"file": path.name, "sha256": digest, "external": {}},
        outputs=lifted.outputs,
        input="as the file says them",
        warnings=lifted.warnings,
    )
    return ready.write(made, target, options)


def _check_options(options: CompileOptions, max_loss: float | None) -> None:
    """Refuse what would change a network that is what it is."""
    if options.dt is not None and not 0 < options.dt < np.inf:
        raise SnnccError(f"must be a positive number of seconds, not {options.dt:g}", where="--dt")
    given = [
        item.name
        for item in fields(CompileOptions)
        if item.name not in TAKEN and getattr(options, item.name) != item.default
    ]
    given += [] if options.code in ("radix", "rate") else ["code"]
    given += [] if max_loss is None else ["max_loss"]
    if given:
        names = {"pixels": "--scale, --mean, --std", "goal": "--target-fps, --max-lut"}
        flags = ", ".join(names.get(name, f"--{name.replace('_', '-')}") for name in given)
        raise SnnccError("a NIR file says it already, or has no use for it", where=flags, hint="leave it out")
