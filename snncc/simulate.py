"""Running a data set through an artefact, by any engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc import artefact, dataset
from snncc.artefact import Artefact
from snncc.driver import image_digests, machine_of
from snncc.sim.evaluate import Evaluation, Runner, engine_runner, evaluate_images
from snncc.targets import find_engine
from snncc_ir.encoding import InputFormat, format_of
from snncc_ir.errors import DataError, SnnccError, ToolError
from snncc_ir.progress import Watch, no_watch, silent
from snncc_ir.timing import Phased

Array = NDArray[Any]

OWN_ENGINES = ("levels", "spikes", "reference")
"""The engines that every artefact has."""

CHUNK = 64
"""Images that are looked at together."""


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """An evaluation of a data set, its labels where there are any, and what the user should know."""

    evaluation: Evaluation
    labels: Array | None
    warnings: tuple[str, ...]

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
    watch: Watch = no_watch,
) -> Simulation:
    """Run the images of `data_path` through the artefact `path`."""
    found = artefact.read(path)
    data = dataset.load(data_path)
    if data.images is None:
        raise DataError("has no array called 'images'", where=str(data_path))
    form = format_of(found.graph.inputs[0])
    images = dataset.fit(data.images[:limit], form.levels.shape, data.path)
    if images.dtype == np.uint8 and not found.manifest.get("pixels"):
        raise DataError(
            "holds pixels (uint8), but the network was compiled on real numbers",
            where=str(data_path),
            hint="give floating-point images as at compile time, or compile on pixels",
        )
    labels = None if data.labels is None else data.labels[:limit]
    name = engine or ("levels" if isinstance(found.graph.timing, Phased) else "spikes")
    runner = None if name in OWN_ENGINES else _foreign_runner(found, name, watch)
    progress = silent if runner else watch("simulate")
    warnings = (*_overlap(found, form, images), *_off_range(form, images))
    evaluation = evaluate_images(found.graph, form, images, name, progress, runner)
    return Simulation(evaluation=evaluation, labels=labels, warnings=warnings)


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
