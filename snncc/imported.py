"""`snncc compile model.nir`: an artefact of a network that spikes already."""

from __future__ import annotations

import hashlib
import importlib
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from snncc import __version__, artefact
from snncc.driver import Compiled, size_of
from snncc.golden import GOLDEN_SAMPLES, golden_inputs, golden_vectors
from snncc.machines import Chosen, choose_machine
from snncc.options import CompileOptions
from snncc.samples import Samples
from snncc.targets import load_target
from snncc_backends.nir import require
from snncc_ir.backend import Backend
from snncc_ir.encoding import format_of
from snncc_ir.errors import SnnccError, TargetError
from snncc_ir.graph import Graph

TAKEN = ("output", "target", "machine", "lanes", "steps", "dt", "force", "watch", "code")
"""The options that say something of a NIR file; its own steps come first."""


def import_network(path: Path, options: CompileOptions, max_loss: float | None = None) -> Compiled:
    """Write an artefact of the NIR file `path`, which computes what the file says.

    Warnings say what is rounded, which only neurons that leak are.
    Raises ModelError where no rate graph does, ToolError where the package nir is not installed.
    """
    start = time.perf_counter()
    _check_options(options, max_loss)
    require(str(path))
    artefact.check_free(options.output, force=options.force)
    backend = load_target(options.target)
    chosen = choose_machine(backend, options.machine, options.lanes)
    machine = chosen.machine
    lifted = importlib.import_module("snncc_backends.nir.lift").lift(path, options.steps, None, options.dt)
    graph: Graph = lifted.graph
    refusals = backend.refusals(graph, machine)
    if refusals:
        raise TargetError(f"cannot express this network: {'; '.join(refusals)}", where=machine.name)
    golden = golden_vectors(graph, _noise(graph))
    files = backend.emit(graph, machine, golden_inputs(golden))
    notes = {**_notes(path, graph, backend, chosen), "outputs": dict(lifted.outputs)}
    artefact.write(options.output, graph, golden, files, notes, force=options.force)
    summary = {
        "artefact": str(options.output),
        "target": options.target,
        "chip": machine.name,
        "pipeline": notes["pipeline"],
        **size_of(graph),
        "requantised": [],
        **backend.figures(files),
        "seconds": round(time.perf_counter() - start, 3),
    }
    return Compiled(path=options.output, graph=graph, summary=summary, warnings=lifted.warnings)


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


def _noise(graph: Graph) -> Samples:
    """Random inputs for the golden vectors."""
    if len(graph.inputs) != 1:
        raise SnnccError(f"has {len(graph.inputs)} inputs; one is taken", where=graph.name)
    form = format_of(graph.inputs[0])
    levels = form.levels
    rng = np.random.default_rng(0)
    drawn = rng.integers(levels.lo, levels.hi + 1, (GOLDEN_SAMPLES, *levels.shape))
    return Samples(images=form.to_reals(drawn), form=form, synthetic=True, calibrates=False)


def _notes(path: Path, graph: Graph, backend: Backend, chosen: Chosen) -> dict[str, Any]:
    levels = graph.levels(graph.inputs[0].name)
    return {
        "snncc": __version__,
        "source": {
            "file": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "external": {},
        },
        "target": backend.name,
        **chosen.notes,
        **({"lanes": chosen.machine.lanes} if chosen.machine.lanes else {}),
        "pipeline": "",
        "input": f"levels {levels.lo}..{levels.hi}, as the file says them",
        "pixels": levels.lo == 0,
        "calibration": {"kind": "none", "images": 0, "digests": []},
    }
