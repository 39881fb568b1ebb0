"""Where accuracy is lost, and what it costs in every code, with the published rate mode beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from snncc import explain
from snncc.passes.published import Published
from snncc.report.content import Accuracy, Costs, Curve, Loss, Point, Shares, table
from snncc.reporting.beside import Source, is_published, phased, published
from snncc.reporting.energy import Meter, of_phased, of_streamed
from snncc.reporting.images import Array, Images, as_phased, as_rate
from snncc.sim.attribution import Loss as Parted
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
"""Steps of the `rate` curves of a network that has none of its own."""

METHOD = Published.RUECKAUER
PUBLISHED = "rate, Rueckauer"
OWN = "rate, same weights"

Energies = Mapping[Code, float]


def loss(source: Source, watch: Watch) -> Loss:
    """What `snncc explain` measures; SnnccError where the model is not there or cannot be taken apart."""
    made = explain.explain(
        source.found.path, source.data, model_path=source.model, limit=source.limit, watch=watch
    )
    return Loss(
        headline=explain.headline(made),
        table=table(*explain.table(made)),
        shares=_shares(made, lambda each: 100 * made.share(each)),
        lost=_shares(made, explain.points_lost),
        lost_what="answers that differ" if made.found.accuracy is None else "accuracy lost",
        notes=(*explain.notes(made), explain.advice(made)),
    )


def _shares(made: explain.Explanation, part: Callable[[Parted], float]) -> Shares:
    """A part of every loss by population and cause."""
    parts = made.found.parts
    nodes = {switch.node for switch in parts}
    names = tuple(row["name"] for row in summary(made.artefact.graph) if row["name"] in nodes)
    found = {(switch.node, switch.cause): part(each) for switch, each in parts.items()}
    causes = [cause for cause in Cause if any(switch.cause is cause for switch in parts)]
    return Shares(
        names=names,
        values={cause.value: tuple(found.get((name, cause), 0.0) for name in names) for cause in causes},
    )


@dataclass(frozen=True, kw_only=True)
class Measure:
    """Images with labels to measure on, a meter where there is a chip, and what is to be said."""

    images: Images
    meter: Meter | None
    watch: Watch
    notes: list[str]

    def points(self, graph: Graph, energies: Energies) -> tuple[Point, ...]:
        """A network in every phased code."""
        return tuple(self._point(as_phased(graph, code), code, energies) for code in PHASED_CODES)

    def _point(self, graph: Graph, code: Code, energies: Energies) -> Point:
        run, labels = self._run(graph, f"code {code.value}")
        return Point(
            name=code.value,
            accuracy=run.accuracy(labels),
            steps=run.steps,
            spikes=sum(run.counts.spikes.values()) / run.images,
            synops=sum(run.counts.synops.values()) / run.images,
            microjoules=energies.get(code),
        )

    def curve(self, graph: Graph, name: str) -> Curve | None:
        """A streaming network after each of its steps; None and a note where its steps say nothing."""
        run, labels = self._run(graph, name)
        if run.trace is None:
            self.notes.append(f"{name} is left out: the first output is no readout.")
            return None
        energies = of_streamed(self.meter, graph, self.notes)
        points = [
            Point(
                name=name,
                accuracy=row.accuracy or 0.0,
                steps=row.step,
                spikes=row.spikes,
                synops=row.synops,
                microjoules=energies.get(row.step),
            )
            for row in every_step(run.trace, labels)
        ]
        return Curve(name=name, points=tuple(points))

    def _run(self, graph: Graph, stage: str) -> tuple[Evaluation, Array]:
        if self.images.stored is None or self.images.labels is None:
            raise ValueError("accuracy needs images with labels")
        run = evaluate_images(graph, self.images.form, self.images.stored, None, self.watch(stage))
        return run, self.images.labels


def costs(source: Source, measure: Measure, energies: Energies) -> Costs:
    """Accuracy and costs of the phased codes, of streaming codes after each step, of the published mode.

    Energies are in microjoules per image, those of the artefact's own network.
    """
    graph = source.found.graph
    points = _phased_points(source, measure, energies)
    makers = (partial(_own_curve, source, measure), partial(_published_curve, source, measure))
    curves = tuple(curve for make in makers if (curve := make()) is not None)
    return Costs(
        images=measure.images.count,
        own=(graph.populations[0].code if graph.populations else Code.GRADED).value,
        points=points,
        curves=curves,
        notes=tuple(measure.notes),
    )


def _is_for_rate(graph: Graph) -> bool:
    """True for networks of the plain rate neuron, whose integers are no staircase of several levels."""
    tops = (graph.strand(node.name).top for node in graph.populations)
    return isinstance(graph.timing, Rate) and all(top == 1 for top in tops)


def _phased_points(source: Source, measure: Measure, energies: Energies) -> tuple[Point, ...]:
    """The artefact's integers in every phased code; those of another network if it is for `rate` alone."""
    graph = source.found.graph
    if isinstance(graph.timing, Phased):
        return measure.points(graph, energies)
    if not _is_for_rate(graph):
        return measure.points(graph, of_phased(measure.meter, as_phased(graph, Code.RADIX)))
    try:
        other = phased(source, measure.watch)
    except SnnccError as error:
        measure.notes.append(
            f"Its populations have one level, for rate: the phased codes are left out. Those of the same "
            f"model are not known: {error}"
        )
        return ()
    measure.notes.append(
        "Its populations have one level, for rate: the phased codes are those of the same model compiled "
        f"with the default passes, calibrated on {other.calibrated}."
    )
    return measure.points(other.graph, of_phased(measure.meter, other.graph))


def _own_curve(source: Source, measure: Measure) -> Curve | None:
    """The artefact's own streaming code, or the classic neuron on the same integers."""
    graph = source.found.graph
    if not isinstance(graph.timing, Phased):
        code = graph.populations[0].code.value if graph.populations else Code.RATE.value
        return measure.curve(graph, PUBLISHED if _is_published(source) else code)
    try:
        streamed = as_rate(graph, RATE_STEPS)
    except GraphError as error:
        measure.notes.append(f"{OWN}, is left out: {error}")
        return None
    measure.notes.append(
        f"{OWN}: the classic converted neuron (integrate, fire above the threshold, subtract it; its "
        "input is sent anew in each step) with the weights, biases and thresholds of this network. "
        "It is approximate however long it runs. "
        f"Synaptic delays add {streamed.latency} steps to those shown here."
    )
    return measure.curve(streamed, OWN)


def _is_published(source: Source) -> bool:
    timing = source.found.graph.timing
    return isinstance(timing, Rate) and is_published(source.found, METHOD, timing.steps)


def _published_curve(source: Source, measure: Measure) -> Curve | None:
    """The published rate mode of the same model, where it can be compiled."""
    if _is_published(source):
        return None
    timing = source.found.graph.timing
    steps = timing.steps if isinstance(timing, Rate) else RATE_STEPS
    try:
        other = published(source, METHOD, steps, measure.watch)
    except SnnccError as error:
        measure.notes.append(f"{PUBLISHED}, is left out: {error}")
        return None
    measure.notes.append(
        f"{PUBLISHED}: the same model as compile --published {METHOD.value} makes it, with thresholds at "
        f"the 99.9th percentile of the activations of {other.calibrated} (docs/methods.md)."
    )
    return measure.curve(other.graph, PUBLISHED)


def accuracy(
    source: Source, images: Images, meter: Meter | None, energies: Energies, watch: Watch
) -> Accuracy:
    """The whole section; what cannot be known is said in its notes."""
    notes, made = list[str](), None
    try:
        made = loss(source, watch)
    except SnnccError as error:
        notes.append(f"Where the loss comes from is not known: {error}")
    if images.labels is None:
        notes.append("The data has no labels, so accuracy is not known.")
        return Accuracy(loss=made, costs=None, notes=tuple(notes))
    measure = Measure(images=images, meter=meter, watch=watch, notes=[])
    return Accuracy(loss=made, costs=costs(source, measure, energies), notes=tuple(notes))
