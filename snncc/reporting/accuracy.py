"""Where accuracy is lost, and what it costs in every code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from snncc import explain
from snncc.artefact import Artefact
from snncc.dataset import Data
from snncc.report.content import Accuracy, Costs, Curve, Loss, Point, Shares, Table
from snncc.reporting.images import Array, Images, as_phased, as_rate
from snncc.sim.evaluate import Evaluation, evaluate_images
from snncc.sim.stairs import Cause
from snncc.sim.trace import every_step
from snncc.summary import summary
from snncc_ir.codes import PHASED_CODES, Code
from snncc_ir.errors import GraphError, SnnccError
from snncc_ir.graph import Graph
from snncc_ir.progress import Watch
from snncc_ir.timing import Phased, Rate

RATE_STEPS = 64
"""Steps of the `rate` curve of a phased network."""

Energies = Mapping[Code, float]


def loss(found: Artefact, data: Path | Data, model: Path | None, limit: int, watch: Watch) -> Loss:
    """What `snncc explain` measures; SnnccError where the model is not there or cannot be taken apart."""
    made = explain.explain(found.path, data, model_path=model, limit=limit, watch=watch)
    heads, rows = explain.table(made)
    return Loss(
        headline=explain.headline(made),
        table=Table(heads=tuple(heads), rows=tuple(tuple(row) for row in rows)),
        shares=_shares(made),
        notes=(*explain.notes(made), explain.advice(made)),
    )


def _shares(made: explain.Explanation) -> Shares:
    parts = made.found.parts
    nodes = {switch.node for switch in parts}
    names = tuple(row["name"] for row in summary(made.artefact.graph) if row["name"] in nodes)
    found = {(switch.node, switch.cause): made.share(part) for switch, part in parts.items()}
    causes = [cause for cause in Cause if any(switch.cause is cause for switch in parts)]
    return Shares(
        names=names,
        values={cause.value: tuple(found.get((name, cause), 0.0) for name in names) for cause in causes},
    )


def costs(graph: Graph, images: Images, energies: Energies, watch: Watch) -> Costs:
    """Accuracy and costs of the phased codes, and of a streaming code after each of its steps.

    The images have labels. Energies are in microjoules per image.
    """
    notes: list[str] = []
    codes = () if _is_for_rate(graph) else PHASED_CODES
    if not codes:
        notes.append(
            "Its populations have one level, for rate: the phased codes, one spike each, are left out."
        )
    points = tuple(_point(as_phased(graph, code), code, images, energies, watch) for code in codes)
    curve = _curve(graph, images, notes, watch)
    return Costs(images=images.count, points=points, curves=(curve,) if curve else (), notes=tuple(notes))


def _is_for_rate(graph: Graph) -> bool:
    """True for networks of the plain rate neuron, whose integers are no staircase of several levels."""
    tops = (graph.strand(node.name).top for node in graph.populations)
    return isinstance(graph.timing, Rate) and all(top == 1 for top in tops)


def _point(graph: Graph, code: Code, images: Images, energies: Energies, watch: Watch) -> Point:
    run, labels = _run(graph, images, f"code {code.value}", watch)
    return Point(
        name=code.value,
        accuracy=run.accuracy(labels),
        steps=run.steps,
        spikes=sum(run.counts.spikes.values()) / run.images,
        synops=sum(run.counts.synops.values()) / run.images,
        microjoules=energies.get(code),
    )


def _run(graph: Graph, images: Images, stage: str, watch: Watch) -> tuple[Evaluation, Array]:
    if images.stored is None or images.labels is None:
        raise ValueError("accuracy needs images with labels")
    run = evaluate_images(graph, images.form, images.stored, None, watch(stage))
    return run, images.labels


def _curve(graph: Graph, images: Images, notes: list[str], watch: Watch) -> Curve | None:
    """The graph's own streaming code, or the classic neuron on the same integers."""
    streamed = graph
    if isinstance(graph.timing, Phased):
        try:
            streamed = as_rate(graph, RATE_STEPS)
        except GraphError as error:
            notes.append(f"rate is left out: {error}")
            return None
    name = streamed.populations[0].code.value if streamed.populations else Code.RATE.value
    run, labels = _run(streamed, images, name, watch)
    if run.trace is None:
        notes.append(f"{name} is left out: the first output is no readout")
        return None
    if streamed is not graph:
        notes.append(
            "rate is the classic converted neuron (integrate, fire above the threshold, subtract it; its "
            "input is sent anew in each step) with the weights, biases and thresholds of this network. "
            "It is approximate however long it runs. "
            f"Synaptic delays add {streamed.latency} steps to those shown here."
        )
    rows = every_step(run.trace, labels)
    return Curve(
        name=name,
        points=tuple(
            Point(
                name=name, accuracy=row.accuracy or 0.0, steps=row.step, spikes=row.spikes, synops=row.synops
            )
            for row in rows
        ),
    )


def accuracy(
    found: Artefact,
    images: Images,
    data: Path | Data | None,
    options: tuple[Path | None, int],
    energies: Energies,
    watch: Watch,
) -> Accuracy | None:
    """The whole section; None without data. `options` are the model's path and the number of images."""
    if data is None:
        return None
    notes, made = [], None
    try:
        made = loss(found, data, *options, watch)
    except SnnccError as error:
        notes.append(f"Where the loss comes from is not known: {error}")
    if images.labels is None:
        notes.append("The data has no labels, so accuracy is not known.")
        return Accuracy(loss=made, costs=None, notes=tuple(notes))
    return Accuracy(loss=made, costs=costs(found.graph, images, energies, watch), notes=tuple(notes))
