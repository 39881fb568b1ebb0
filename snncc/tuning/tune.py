"""`snncc tune`: an artefact whose numbers have learned, and how they did."""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from snncc import __version__, artefact
from snncc.artefact import Artefact
from snncc.dataset import Data
from snncc.emitted import machine_of
from snncc.explain import find_model
from snncc.frontend.calibrate import float_outputs
from snncc.frontend.load import Model
from snncc.frontend.lower import lower
from snncc.golden import golden_inputs, golden_vectors
from snncc.samples import Samples, image_digests, load_images
from snncc.sim.native.library import NativeError, threads
from snncc.sim.reals import RealEngine
from snncc.sim.training.trainer import Training
from snncc.targets import load_target
from snncc.tuning import history
from snncc.tuning.course import Course
from snncc.tuning.history import State, begun
from snncc.tuning.judging import Judge
from snncc.tuning.kept import Kept
from snncc.tuning.learner import Learner
from snncc.tuning.material import Material, check_changes, check_classes, divided
from snncc.tuning.phased import StaircaseLearner
from snncc.tuning.recipe import NO_CHANGE, Recipe
from snncc.tuning.streaming import StreamingLearner
from snncc.tunings import ENTRY, Gain
from snncc_ir.aims import Aim, Loss, Surrogate
from snncc_ir.encoding import format_of
from snncc_ir.errors import DataError, ModelError, SnnccError, ToolError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Quantiser
from snncc_ir.nodes import Readout
from snncc_ir.progress import Watch, no_watch
from snncc_ir.timing import Rate
from snncc_ir.training import Objective

Array = NDArray[Any]

TEMPERATURE = 2.0
SUPERSEDED = ("kind", "format", "files", "requantised", "max_loss", "binarised", "balanced")
"""Entries of the manifest that say something of the numbers before."""


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    """What to learn from, and how; `aim` None is the labels where there are any, else the float network."""

    data: Path | Data
    output: Path
    recipe: Recipe
    aim: Aim | None = None
    model: Path | None = None
    force: bool = False
    watch: Watch = no_watch


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What a tuning gave, and all of its epochs."""

    path: Path
    gain: Gain
    epochs: tuple[history.Epoch, ...]
    seconds: float

    @property
    def plain(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {"artefact": str(self.path), **self.notes, "seconds": round(self.seconds, 3)}

    @property
    def notes(self) -> dict[str, Any]:
        """What the manifest says of it."""
        return {**self.gain.as_plain(), "epochs": history.as_plain(list(self.epochs))}


def tune(path: Path, options: TuneOptions) -> Tuned:
    """Tune the artefact `path` and write the better network to `options.output`.

    Raises SnnccError for what cannot be learned, DataError for images or labels that do not fit, and
    KeyboardInterrupt with a text that says what is kept.
    """
    start = time.perf_counter()
    artefact.check_free(options.output, force=options.force)
    found = artefact.read(path)
    task = _prepared(found, options)
    kept = Kept(
        path=options.output.with_name(f"{options.output.name}.tuning"),
        name=_name(found, task, options),
        size=len(task.course.learner.start()),
    )
    state = kept.read() or begun(task.course.learner.start())
    kept.write(state)  # a place that cannot be written is found before the first epoch
    try:
        task.course.run(state, kept.write, options.watch("tune"))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted; {len(state.history)} of {options.recipe.epochs} epochs are kept in {kept.path}: "
            "the same command goes on from there"
        ) from None
    graph, tuned = _outcome(task, state, options, start)
    _write(found, graph, task, tuned, options)
    kept.remove()
    return tuned


@dataclass(frozen=True, kw_only=True)
class _Task:
    aim: Aim
    course: Course
    held: Material
    graph: Graph


def _prepared(found: Artefact, options: TuneOptions) -> _Task:
    graph, recipe = found.graph, options.recipe
    images, labels = load_images(found, options.data, None)
    where = str(options.data if isinstance(options.data, Path) else options.data.path)
    aim = options.aim or (Aim.FLOAT if labels is None else Aim.LABELS)
    classes = math.prod(graph.types[graph.outputs[0]].shape)
    _check_labels(labels, classes, aim, where)
    form = format_of(graph.inputs[0])
    check_changes(recipe.changes, form)
    whole = Material(images=images, labels=labels if aim.needs_labels else None, form=form)
    learned, held = divided(whole, recipe.seed, where)
    check_classes(learned, classes, where)
    model = find_model(found, options.model) if aim.needs_model else None
    teacher = None if model is None else _float_network(model)
    answers = _answers(model, teacher, held) if aim is Aim.FLOAT and model and teacher else None
    judge = Judge(material=held, answers=answers)
    backend, machine = load_target(str(found.manifest["target"])), machine_of(found)
    course = Course(
        learner=_learner(graph, learned, teacher, aim, recipe),
        recipe=recipe,
        material=learned,
        classes=classes,
        judge=judge,
        refusals=lambda made: tuple(backend.refusals(made, machine)),
        before=judge(graph),
    )
    return _Task(aim=aim, course=course, held=held, graph=graph)


def _check_labels(labels: Array | None, classes: int, aim: Aim, where: str) -> None:
    if not aim.needs_labels:
        return
    if labels is None:
        raise DataError(
            "has no labels", where=where, hint="learn the float network's answers instead: --aim float"
        )
    if classes < 2:
        raise DataError(
            "has labels, but the network's first output is one number", where=where, hint="give --aim float"
        )


def _learner(graph: Graph, material: Material, teacher: Graph | None, aim: Aim, recipe: Recipe) -> Learner:
    if isinstance(graph.timing, Rate):
        return _streaming(graph, aim, recipe)
    objective = Objective(
        loss=Loss.AUTO,
        temperature=TEMPERATURE,
        batch=recipe.batch,
        labelled=float(aim.needs_labels),
        surrogate=recipe.surrogate,
    )
    return StaircaseLearner(graph, material, Training(teacher), objective)


def _streaming(graph: Graph, aim: Aim, recipe: Recipe) -> Learner:
    if aim.needs_model:
        raise SnnccError(
            "a network of the code rate learns from labels alone",
            where=f"--aim {aim.value}",
            hint="give images with labels, or compile it with another code",
        )
    if recipe.surrogate is not Surrogate.STRAIGHT:
        raise SnnccError(
            "is for levels 0 and 1; a network of the code rate has a surrogate of its own",
            where=f"--surrogate {recipe.surrogate.value}",
            hint="leave it out",
        )
    try:
        return StreamingLearner(graph, threads=threads())
    except NativeError as error:
        raise ToolError(f"{error}, which networks of the code rate learn with", where=graph.name) from error


def _float_network(model: Model) -> Graph:
    graph = lower(model).graph
    given = [node.name for node in graph.populations if isinstance(node.neuron, Quantiser)]
    if given:
        raise ModelError(
            f"came quantised ({given[0]}), so there is no float network to learn from",
            where=str(model.path),
            hint="learn from labels: --aim labels",
        )
    return graph


def _answers(model: Model, teacher: Graph, held: Material) -> Array:
    """The float network's first output; class scores before any softmax, as in the lowered network."""
    name = teacher.outputs[0]
    if isinstance(teacher.by_name[name], Readout):
        return RealEngine(teacher).run(held.form.to_reals(held.form.to_levels(held.images)), {})[name]
    samples = Samples(images=held.images, form=held.form, synthetic=False, calibrates=False)
    return float_outputs(model, samples.batches(held.images))[0]


def _name(found: Artefact, task: _Task, options: TuneOptions) -> str:
    """A digest of all that decides what a tuning computes."""
    digests = (found.digest, task.course.material.digest, task.held.digest)
    return hashlib.sha256(repr((__version__, digests, task.aim, task.course.recipe)).encode()).hexdigest()


def _outcome(task: _Task, state: State, options: TuneOptions, start: float) -> tuple[Graph, Tuned]:
    """The best network, which is the old one where no epoch lowered the held-out loss."""
    course, best, after = task.course, state.best_epoch, task.course.before
    held = None if best is None else state.history[best].held_out
    if held is None or held.loss >= course.before.loss:
        best = None
    else:
        after = held
    graph = task.graph if best is None else course.learner.graph(state.best)
    gain = Gain(
        aim=task.aim,
        images=len(course.material),
        held_out=len(task.held),
        before=course.before,
        after=after,
        best=best,
    )
    seconds = time.perf_counter() - start
    return graph, Tuned(path=options.output, gain=gain, epochs=tuple(state.history), seconds=seconds)


def _write(found: Artefact, graph: Graph, task: _Task, tuned: Tuned, options: TuneOptions) -> None:
    """The artefact of the tuned network, whose manifest tells its history."""
    held, recipe = task.held, task.course.recipe
    golden = golden_vectors(
        graph, Samples(images=held.images, form=held.form, synthetic=False, calibrates=True)
    )
    machine = machine_of(replace(found, graph=graph, golden=golden))
    files = load_target(str(found.manifest["target"])).emit(graph, machine, golden_inputs(golden))
    entry = {
        "from": found.digest,
        **tuned.notes,
        "rate": recipe.rate,
        "batch": recipe.batch,
        "seed": recipe.seed,
        "surrogate": recipe.surrogate.value,
        "augment": "+".join(change.value for change in recipe.changes) or NO_CHANGE,
        "data": task.course.material.digest,
    }
    kept = {key: value for key, value in found.manifest.items() if key not in SUPERSEDED}
    seen = [*kept["calibration"]["digests"], *image_digests(held.form, task.course.material.images)]
    notes = {
        **kept,
        "snncc": __version__,
        "calibration": {**kept["calibration"], "digests": list(dict.fromkeys(seen))},
        ENTRY: [*kept.get(ENTRY, []), entry],
    }
    artefact.write(options.output, graph, golden, files, notes, force=options.force)
