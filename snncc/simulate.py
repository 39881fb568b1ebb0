"""Running a data set through an artefact, by any engine."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc import artefact
from snncc.artefact import Artefact
from snncc.dataset import Data
from snncc.emitted import check_target_files, machine_of
from snncc.samples import load_images, overlap
from snncc.shards import require_cluster
from snncc.sim.evaluate import Evaluation, Runner, engine_runner, evaluate_images
from snncc.steps import NO_OPTIONS, StepOptions, StepReport, check_options, report
from snncc.targets import check_runs, find_engine, load_target, target_names
from snncc_ir.encoding import InputFormat, format_of
from snncc_ir.errors import SnnccError, ToolError
from snncc_ir.progress import Progress, Watch, no_watch, silent

Array = NDArray[Any]

OWN_ENGINES = ("native", "levels", "spikes", "reference")
"""The engines that every artefact has."""

CHUNK = 64
"""Images that are looked at together."""

Elsewhere = Callable[[Artefact, Path, Array, str | None, Progress], Evaluation]
"""Evaluates images `[N, *shape]` of a file on other machines by one of our own engines, or the fastest."""


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """An evaluation of a data set, its labels where there are any, and what the user should know.

    `steps` is what the step options asked for.
    """

    evaluation: Evaluation
    labels: Array | None
    warnings: tuple[str, ...]
    names: Mapping[str, str]
    """IR name of every output, by its name in the model."""
    steps: StepReport

    @property
    def outputs(self) -> dict[str, Array]:
        """Every output in real units, by its name in the model, made safe."""
        return {name: self.evaluation.outputs[node] for name, node in self.names.items()}

    @property
    def accuracy(self) -> float | None:
        """Share of right predictions, None without labels."""
        return None if self.labels is None else self.evaluation.accuracy(self.labels)


def simulate(
    path: Path,
    data: Path | Data,
    *,
    engine: str | None = None,
    limit: int | None = None,
    steps: StepOptions = NO_OPTIONS,
    elsewhere: Elsewhere | None = None,
    watch: Watch = no_watch,
) -> Simulation:
    """Run the images of `data` through the artefact `path`, here or `elsewhere`."""
    found = artefact.read(path)
    check_options(found.graph, engine, steps)
    images, labels = load_images(found, data, limit)
    form = format_of(found.graph.inputs[0])
    own = engine is None or engine in OWN_ENGINES
    if elsewhere is not None and not own:
        raise SnnccError(
            f"engine {engine} does not run there",
            where="--scheduler",
            hint=f"there are {', '.join(OWN_ENGINES)}",
        )
    runner = None if own else _foreign_runner(found, str(engine), watch)
    progress = silent if runner else watch("simulate")
    known = set(found.manifest.get("calibration", {}).get("digests", []))
    warnings = (*overlap(form, images, known), *_off_range(form, images))
    if elsewhere is None:
        evaluation = evaluate_images(found.graph, form, images, engine, progress, runner)
    else:
        if isinstance(data, Data):
            raise SnnccError(
                "needs images in a file, which its workers read",
                where="--scheduler",
                hint="save them as .npz",
            )
        evaluation = elsewhere(found, data, images, engine, progress)
    warnings += (evaluation.note,) if evaluation.note else ()
    made = report(found.graph, evaluation.trace, labels, steps)
    return Simulation(
        evaluation=evaluation,
        labels=labels,
        warnings=warnings,
        names=found.manifest["outputs"],
        steps=made,
    )


def on_cluster(path: Path, scheduler: str | None, folder: Path | None, size: int) -> Elsewhere | None:
    """What evaluates on the Dask cluster of `scheduler`, if it is given, in shards of `size` images.

    Finished shards are kept in `folder`, or beside the artefact `path`. Raises ToolError where Dask is not
    installed, which is an extra.
    """
    if scheduler is None:
        if folder is not None:
            raise SnnccError("goes with --scheduler alone", where=f"--shards {folder}", hint="leave it out")
        return None
    require_cluster("--scheduler")
    folder = folder or path.with_name(f"{path.resolve().name}.shards")
    return (
        importlib.import_module("snncc.cluster").Cluster(address=scheduler, folder=folder, size=size).evaluate
    )


def engine_names() -> tuple[str, ...]:
    """The engines of every artefact, and those of all targets."""
    backends = map(load_target, target_names())
    return (*OWN_ENGINES, *(engine.name for backend in backends for engine in backend.engines))


def _foreign_runner(found: Artefact, name: str, watch: Watch) -> Runner:
    known = find_engine(name)
    if known is None:
        raise SnnccError(
            f"no engine is called {name!r}", where="--engine", hint=f"there are {', '.join(engine_names())}"
        )
    backend, engine = known
    machine = machine_of(found)
    if backend.name != found.manifest["target"]:
        raise SnnccError(
            f"engine {name} runs artefacts for {backend.name}, this one is for {found.manifest['target']}",
            where=str(found.path),
            hint=f"compile with --target {backend.name}",
        )
    check_runs(engine, found.graph)
    check_target_files(found)
    missing = engine.missing()
    if missing:
        raise ToolError(f"engine {name} cannot run here: {missing}")
    progress = watch(f"simulate in {name}")
    return engine_runner(found.graph, lambda levels: engine.run(found.graph, machine, levels, progress))


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
