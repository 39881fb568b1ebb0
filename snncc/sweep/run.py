"""`snncc sweep`: every point once, kept as it is finished; a sweep that was stopped goes on from there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from snncc.shards import require_cluster
from snncc.sweep.chips import ChangedError
from snncc.sweep.frontier import frontier, usual_costs
from snncc.sweep.grid import Axes, Setting, Study
from snncc.sweep.kept import Kept
from snncc.sweep.local import Report, run_here, run_processes
from snncc.sweep.material import Material, read_material
from snncc.sweep.measure import Task, network_of
from snncc.sweep.pick import Choice, Pick, choose
from snncc.sweep.points import Quantity, Row
from snncc.sweep.remote import run_cluster
from snncc_ir.errors import SnnccError
from snncc_ir.progress import Watch, no_watch


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """What `snncc sweep` may be told, beside how to show it.

    Results are kept in `folder`; `against` is what the frontier weighs accuracy against. The work is done
    in `jobs` processes, or on the Dask cluster of `scheduler`.
    """

    study: Study
    axes: Axes
    folder: Path
    against: tuple[Quantity, ...] = ()
    pick: Pick | None = None
    jobs: int = 1
    scheduler: str | None = None
    watch: Watch = field(default=no_watch, compare=False)


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """The rows of all points in the order of the lists, and which of them are on the frontier.

    `float_accuracy` is that of the network before it was compiled; None without labels.
    """

    study: Study
    rows: tuple[Row, ...]
    against: tuple[Quantity, ...]
    frontier: tuple[bool, ...]
    images: int
    float_accuracy: float | None
    pick: Pick | None
    choice: Choice | None
    warnings: tuple[str, ...]


def sweep(options: SweepOptions) -> Sweep:
    """Measure every point that is not kept already.

    Raises SnnccError for what no point can have, and KeyboardInterrupt with a text that says what is kept.
    """
    if options.scheduler is not None:
        require_cluster("--scheduler")
    settings = options.axes.settings()
    read_material.cache_clear()  # an earlier sweep of this process may have seen other files there
    material = read_material(options.study)
    kept = Kept(options.folder, material.digest)
    before = sum(kept.path(setting).is_file() for setting in settings)
    try:
        reference = _reference(material, kept, options.watch)
        rows = _rows(options, material, kept, settings, reference)
    except KeyboardInterrupt:
        done = sum(kept.path(setting).is_file() for setting in settings)
        raise KeyboardInterrupt(
            f"interrupted; {done} of {len(settings)} points are kept in {kept.folder}: the same command goes "
            "on from there"
        ) from None
    against = options.against or usual_costs(rows)
    taken = f"{before} of {len(settings)} points were in {kept.folder} already"
    labels = material.labels
    return Sweep(
        study=options.study,
        rows=rows,
        against=against,
        frontier=frontier(rows, against),
        images=len(material.images),
        float_accuracy=None if labels is None else float((np.asarray(reference) == labels).mean()),
        pick=options.pick,
        choice=None if options.pick is None else choose(options.pick, rows),
        warnings=(*material.warnings, *((taken,) if before else ())),
    )


def _reference(material: Material, kept: Kept, watch: Watch) -> tuple[int, ...]:
    """The answers of the float network."""
    found = kept.reference()
    if found is not None and len(found) == len(material.images):
        return found
    answers = material.float_predictions(watch("float network"))
    kept.keep_reference(answers)
    return tuple(answers.tolist())


def _rows(
    options: SweepOptions,
    material: Material,
    kept: Kept,
    settings: Sequence[Setting],
    reference: tuple[int, ...],
) -> tuple[Row, ...]:
    found = {setting: row for setting in settings if (row := kept.row(setting)) is not None}
    networks: dict[str, list[Setting]] = {}
    for setting in settings:
        if setting not in found:
            try:
                networks.setdefault(network_of(material, setting), []).append(setting)
            except ChangedError:
                raise
            except SnnccError as error:
                kept.keep(Row(setting=setting, figures=None, reason=str(error)))
    blank = Task(study=options.study, digest=material.digest, settings=(), reference=reference)
    tasks = [replace(blank, settings=tuple(points)) for points in networks.values()]
    progress = options.watch("sweep")

    def report() -> None:
        progress(sum(kept.path(setting).is_file() for setting in settings), len(settings))

    _run(options, tasks, kept, report)
    report()
    return tuple(found[setting] if setting in found else _finished(kept, setting) for setting in settings)


def _run(options: SweepOptions, tasks: Sequence[Task], kept: Kept, report: Report) -> None:
    if options.scheduler is not None:
        run_cluster(tasks, kept, options.scheduler, report)
    elif options.jobs > 1 and len(tasks) > 1:
        run_processes(tasks, kept, options.jobs, report)
    else:
        run_here(tasks, kept, report, options.watch)


def _finished(kept: Kept, setting: Setting) -> Row:
    row = kept.row(setting)
    if row is None:
        raise SnnccError(
            "is gone: somebody deletes what this sweep writes",
            where=str(kept.path(setting)),
            hint="run it again",
        )
    return row
