"""The figures of points: each network is built and evaluated once, and priced for every code and chip."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.code_choice import Chooser
from snncc.driver import Prepared, check_target, context_of, run_passes
from snncc.fit import IMAGES, own_cost
from snncc.loss import loss
from snncc.options import default_passes
from snncc.passes.base import Context
from snncc.passes.choose_code import ChooseCode
from snncc.passes.pipeline import Pipeline, parse
from snncc.sim.evaluate import evaluate_images, phased_steps
from snncc.sim.recoded import evaluate_codes
from snncc.sweep.grid import ANY, Setting, Study
from snncc.sweep.material import Material, agreed
from snncc.sweep.points import Figures, Row
from snncc_ir.costs import Counts
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.progress import Watch, no_watch
from snncc_ir.timing import Phased

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Task:
    """Points of one network, which differ in code and chip alone; `digest` is that of the files.

    `reference` are the answers of the float network.
    """

    study: Study
    digest: str
    settings: tuple[Setting, ...]
    reference: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.settings[0]} and {len(self.settings) - 1} more"


def network_of(material: Material, setting: Setting) -> str:
    """The passes that decide the integers of a point; SnnccError where its options do not go together."""
    return str(_pipelines(material.prepared(setting))[0])


def _pipelines(prepared: Prepared) -> tuple[Pipeline, Pipeline]:
    """The passes that make the network, and those that choose its codes."""
    passes = parse(default_passes(prepared.options, prepared.machine)).passes
    first = next(i for i, step in enumerate(passes) if isinstance(step, ChooseCode))
    return Pipeline(passes[:first]), Pipeline(passes[first:])


def measure(task: Task, watch: Watch = no_watch) -> Iterator[Row]:
    """A row for every point of a task, in their order."""
    material = agreed(task.study, task.digest)
    points = [(setting, material.prepared(setting, watch)) for setting in task.settings]
    try:
        network = _Network(material, points[0][1], _context(task.study, task.digest, watch))
    except SnnccError as error:
        yield from (Row(setting=setting, figures=None, reason=str(error)) for setting in task.settings)
        return
    coded = {setting: network.coded(prepared) for setting, prepared in points}
    graphs = [found for found in coded.values() if isinstance(found, Graph)]
    answers = _answers(material, graphs, watch)
    for setting, prepared in points:
        yield _row(task, material, setting, prepared, coded[setting], answers)


@functools.lru_cache(maxsize=1)
def _context(study: Study, digest: str, watch: Watch) -> Context:
    """What the passes of every point may know: the calibration depends on none of their options."""
    material = agreed(study, digest)
    return context_of(material.prepared(ANY, watch), material.samples)


class _Network:
    """The integer network of a task, before its codes are chosen."""

    def __init__(self, material: Material, prepared: Prepared, context: Context) -> None:
        self.context = context
        built = run_passes(prepared, _pipelines(prepared)[0], context)
        self.lowered = replace(material.lowered, graph=built.graph)

    def coded(self, prepared: Prepared) -> Graph | SnnccError:
        """The network in the codes of a point, or why it cannot have them."""
        context = replace(self.context, codes=Chooser(prepared.machine))
        try:
            built = run_passes(replace(prepared, lowered=self.lowered), _pipelines(prepared)[1], context)
            check_target(built.graph, prepared.backend, prepared.machine)
        except SnnccError as error:
            return error
        return built.graph


@dataclass(frozen=True)
class _Answer:
    """What an image costs in a code, and the predictions of all images."""

    predictions: Array
    counts: Counts
    steps: int


def _codes_of(graph: Graph) -> str:
    """What tells the codings of a network apart."""
    return repr((graph.timing, graph.strands))


def _answers(material: Material, graphs: Sequence[Graph], watch: Watch) -> dict[str, _Answer]:
    """The answers in every coding: all phased ones from one run, each streaming one from its own."""
    distinct = {_codes_of(graph): graph for graph in graphs}
    phased = {key: graph for key, graph in distinct.items() if isinstance(graph.timing, Phased)}
    found = {}
    if phased:
        networks, progress = tuple(phased.values()), watch("simulate")
        run, counts = evaluate_codes(networks, material.samples.form, material.images, progress)
        for (key, graph), own in zip(phased.items(), counts, strict=True):
            found[key] = _Answer(run.predictions, own, phased_steps(graph))
    for key, graph in distinct.items():
        if key not in phased:
            progress = watch("simulate")
            single = evaluate_images(graph, material.samples.form, material.images, None, progress)
            found[key] = _Answer(single.predictions, single.counts, single.steps)
    return found


def _row(
    task: Task,
    material: Material,
    setting: Setting,
    prepared: Prepared,
    coded: Graph | SnnccError,
    answers: Mapping[str, _Answer],
) -> Row:
    if isinstance(coded, SnnccError):
        return Row(setting=setting, figures=None, reason=str(coded))
    try:
        costs = _costs(material, prepared, coded)
    except SnnccError as error:
        return Row(setting=setting, figures=None, reason=str(error))
    answer, labels, images = answers[_codes_of(coded)], material.labels, len(material.images)
    lost = loss(answer.predictions, np.asarray(task.reference), labels)
    measured = replace(
        costs,
        accuracy=None if labels is None else float((answer.predictions == labels).mean()),
        loss=lost.points,
        steps=answer.steps,
        spikes=sum(answer.counts.spikes.values()) / images,
        synops=sum(answer.counts.synops.values()) / images,
    )
    return Row(setting=setting, figures=measured)


def _costs(material: Material, prepared: Prepared, graph: Graph) -> Figures:
    """What the chip says of a network, on the first images; raises TargetError where it does not fit."""
    machine, (node,) = prepared.machine, graph.inputs
    levels = material.samples.form.to_levels(np.asarray(material.images[:IMAGES]))
    inputs = {node.name: np.asarray(levels)}
    none = Figures(accuracy=None, loss=0.0, steps=0, spikes=0.0, synops=0.0)
    if machine.core is not None:
        planned, cost = own_cost(graph, machine, inputs, prepared.options.watch)
        return replace(
            none,
            energy=cost.total.energy / 1000,
            time=cost.latency,
            cores=len(planned.plan.cores),
            chips=planned.plan.chips,
        )
    if machine.fabric is None:
        return none
    found = prepared.backend.figures(prepared.backend.emit(graph, machine, inputs))
    return replace(
        none,
        time=None if found["fmax_mhz"] is None else found["cycles"] / found["fmax_mhz"],
        luts=found["luts"],
        brams=found["brams"],
        multipliers=found["multipliers"],
        cycles=found["cycles"],
    )
