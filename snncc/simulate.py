"""Running a data set through an artefact, by any engine."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc import artefact
from snncc.artefact import Artefact
from snncc.driver import Watch, image_digests, load_images, machine_of, no_watch
from snncc.sim import trace as traces
from snncc.sim.evaluate import Evaluation, Runner, engine_runner, evaluate_images
from snncc.targets import find_engine
from snncc_ir.encoding import InputFormat, format_of
from snncc_ir.errors import SnnccError, ToolError
from snncc_ir.graph import Graph
from snncc_ir.nodes import Readout
from snncc_ir.progress import silent
from snncc_ir.streaming import settle_bound
from snncc_ir.timing import Phased, Rate

Array = NDArray[Any]

OWN_ENGINES = ("levels", "spikes", "reference")
"""The engines that every artefact has."""

CHUNK = 64
"""Images that are looked at together."""


@dataclass(frozen=True, kw_only=True)
class StepOptions:
    """What to say of the steps of a streaming code: each of them, and an early exit.

    `exit_margin` is in the real units of the first output: an image stops at the first step at which the
    greatest drive, summed so far and divided by all T steps, is more than this above the second.
    """

    every_step: bool = False
    exit_margin: float | None = None


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """An evaluation of a data set, its labels where there are any, and what the user should know.

    `steps` is what the step options asked for, as `--json` prints it.
    """

    evaluation: Evaluation
    labels: Array | None
    warnings: tuple[str, ...]
    steps: dict[str, Any]

    @property
    def accuracy(self) -> float | None:
        """Share of right predictions, None without labels."""
        return None if self.labels is None else self.evaluation.accuracy(self.labels)


def simulate(
    path: Path,
    data_path: Path,
    *,
    engine: str | None = None,
    limit: int | None = None,
    steps: StepOptions = StepOptions(),
    watch: Watch = no_watch,
) -> Simulation:
    """Run the images of `data_path` through the artefact `path`."""
    found = artefact.read(path)
    _check_steps(found.graph, engine, steps)
    images, labels = load_images(found, data_path, limit)
    form = format_of(found.graph.inputs[0])
    name = engine or ("levels" if isinstance(found.graph.timing, Phased) else "spikes")
    runner = None if name in OWN_ENGINES else _foreign_runner(found, name, watch)
    progress = silent if runner else watch("simulate")
    warnings = (*_overlap(found, form, images), *_off_range(form, images))
    evaluation = evaluate_images(found.graph, form, images, name, progress, runner)
    report = _step_report(found.graph, evaluation, labels, steps)
    return Simulation(evaluation=evaluation, labels=labels, warnings=warnings, steps=report)


def _check_steps(graph: Graph, engine: str | None, steps: StepOptions) -> None:
    """Refuse step options where there are no steps to speak of."""
    margin = steps.exit_margin
    if margin is not None and not 0 <= margin < float("inf"):
        raise SnnccError(f"must be a number of at least 0, not {margin}", where="--exit-margin")
    where = "--exit-margin" if margin is not None else "--every-step"
    if margin is None and not steps.every_step:
        return
    if isinstance(graph.timing, Phased):
        raise SnnccError(
            "this network's codes are phased: it has no answer before its last step",
            where=where,
            hint="compile with --code rate",
        )
    if margin is not None and not isinstance(graph.timing, Rate):
        raise SnnccError(
            "stbif certifies by itself when its answer is final", where=where, hint="see --every-step"
        )
    if engine not in (None, "spikes"):
        raise SnnccError(f"engine {engine} does not report its steps", where=where, hint="use spikes")
    if not isinstance(graph.by_name[graph.outputs[0]], Readout):
        raise SnnccError("the first output sends levels: it has no drive to look at", where=where)


def _step_report(
    graph: Graph, evaluation: Evaluation, labels: Array | None, steps: StepOptions
) -> dict[str, Any]:
    """`every_step`, `certificate` and `exit` of `simulate --json` (docs/methods.md)."""
    trace = evaluation.trace
    report: dict[str, Any] = {}
    if trace is None:
        return {}
    if steps.every_step:
        report["every_step"] = [_plain(row) for row in traces.every_step(trace, labels)]
        if trace.exact is not None:
            report["certificate"] = _certificate(graph, trace)
    if steps.exit_margin is not None:
        report["exit"] = _plain(traces.leave_early(trace, labels, steps.exit_margin))
    return report


def _plain(row: traces.Progress | traces.Exit) -> dict[str, Any]:
    renamed = {"spikes": "spikes_per_image", "synops": "synops_per_image", "steps": "steps_per_image"}
    return {renamed.get(key, key): value for key, value in asdict(row).items()}


def _certificate(graph: Graph, trace: traces.Trace) -> dict[str, Any]:
    """When the images of a `stbif` network settled, and whether on the levels of the phased codes."""
    settled = trace.settled
    return {
        "mean": float(settled.mean()),
        "median": float(np.median(settled)),
        "max": int(settled.max()),
        "bound": settle_bound(graph),
        "equal_to_levels": int(0 if trace.exact is None else trace.exact.sum()),
    }


def _foreign_runner(found: Artefact, name: str, watch: Watch) -> Runner:
    known = find_engine(name)
    if known is None:
        raise SnnccError(f"no engine is called {name!r}", where="--engine")
    backend, engine = known
    machine = machine_of(found)
    if backend.name != found.manifest["target"]:
        raise SnnccError(
            f"engine {name} runs artefacts for {backend.name}, this one is for {found.manifest['target']}",
            where=str(found.path),
            hint=f"compile with --target {backend.name}",
        )
    artefact.check_emitted(found, backend.emit(found.graph, machine))
    missing = engine.missing()
    if missing:
        raise ToolError(f"engine {name} cannot run here: {missing}")
    progress = watch(f"simulate in {name}")
    return engine_runner(found.graph, lambda levels: engine.run(found.graph, machine, levels, progress))


def _overlap(found: Artefact, form: InputFormat, images: Array) -> tuple[str, ...]:
    known = set(found.manifest.get("calibration", {}).get("digests", []))
    shared = sum(digest in known for digest in image_digests(form, images)) if known else 0
    if not shared:
        return ()
    return (f"{shared} of {len(images)} images were calibrated on; accuracy on them says little",)


def _off_range(form: InputFormat, images: Array) -> tuple[str, ...]:
    """Say how many real images hold values beyond the input's levels, which are clipped."""
    if images.dtype == np.uint8:
        return ()
    low, high = form.levels.lo - 0.5, form.levels.hi + 0.5
    clipped = 0
    for first in range(0, len(images), CHUNK):
        places = np.asarray(images[first : first + CHUNK]) / form.scale + form.zero
        clipped += int(((places < low) | (places > high)).reshape(len(places), -1).any(axis=1).sum())
    if not clipped:
        return ()
    return (f"{clipped} of {len(images)} images hold values beyond the input's levels; they are clipped",)
