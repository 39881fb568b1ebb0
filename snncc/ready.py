"""An artefact of a graph that is whole already: a network that spikes and needs no calibration."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from snncc import __version__, artefact
from snncc.driver import Compiled, check_target, size_of
from snncc.golden import GOLDEN_SAMPLES, golden_inputs, golden_vectors
from snncc.machines import Chosen, choose_machine
from snncc.options import CompileOptions
from snncc.samples import Samples
from snncc.targets import load_target
from snncc_ir.backend import Backend
from snncc_ir.encoding import format_of
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is compiled for, and since when (`time.perf_counter`)."""

    backend: Backend
    chosen: Chosen
    start: float


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A graph, `source` and `outputs` as the manifest names them, where its `input` is from, and warnings."""

    graph: Graph
    source: Mapping[str, Any]
    outputs: Mapping[str, str]
    input: str
    warnings: tuple[str, ...] = ()


def begin(options: CompileOptions) -> Target:
    """The target of the options; SnnccError where there is none, or where something lies in the way."""
    start = time.perf_counter()
    artefact.check_free(options.output, force=options.force)
    backend = load_target(options.target)
    chosen = choose_machine(backend, options.machine, options.lanes)
    return Target(backend=backend, chosen=chosen, start=start)


def write(ready: Ready, target: Target, options: CompileOptions) -> Compiled:
    """Write the artefact; TargetError where the machine cannot express the graph."""
    backend, machine, graph = target.backend, target.chosen.machine, ready.graph
    check_target(graph, backend, machine)
    golden = golden_vectors(graph, _noise(graph))
    files = backend.emit(graph, machine, golden_inputs(golden))
    notes = _notes(ready, target)
    artefact.write(options.output, graph, golden, files, notes, force=options.force)
    summary = {
        "artefact": str(options.output),
        "target": options.target,
        "chip": machine.name,
        "pipeline": notes["pipeline"],
        **size_of(graph),
        "requantised": [],
        **backend.figures(files),
        "seconds": round(time.perf_counter() - target.start, 3),
    }
    return Compiled(path=options.output, graph=graph, summary=summary, warnings=ready.warnings)


def _noise(graph: Graph) -> Samples:
    """Random inputs for the golden vectors."""
    if len(graph.inputs) != 1:
        raise SnnccError(f"has {len(graph.inputs)} inputs; one is taken", where=graph.name)
    form = format_of(graph.inputs[0])
    levels = form.levels
    rng = np.random.default_rng(0)
    drawn = rng.integers(levels.lo, levels.hi + 1, (GOLDEN_SAMPLES, *levels.shape))
    return Samples(images=form.to_reals(drawn), form=form, synthetic=True, calibrates=False)


def _notes(ready: Ready, target: Target) -> dict[str, Any]:
    levels = ready.graph.levels(ready.graph.inputs[0].name)
    machine = target.chosen.machine
    return {
        "snncc": __version__,
        "source": dict(ready.source),
        "target": target.backend.name,
        **target.chosen.notes,
        **({"lanes": machine.lanes} if machine.lanes else {}),
        "pipeline": "",
        "input": f"levels {levels.lo}..{levels.hi}, {ready.input}",
        "outputs": dict(ready.outputs),
        "pixels": levels.lo == 0,
        "calibration": {"kind": "none", "images": 0, "digests": []},
    }
