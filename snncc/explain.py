"""Where a network loses accuracy: its loss against the float network, by population and by cause."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc import artefact
from snncc.artefact import Artefact
from snncc.dataset import Data
from snncc.frontend.load import Model, load
from snncc.frontend.lower import lower
from snncc.passes.pipeline import parse
from snncc.samples import load_images
from snncc.sim.attribution import Attribution, Batch, Loss, attribute
from snncc.sim.hybrid import Hybrid, Source, Switch
from snncc.sim.stairs import Cause
from snncc.summary import summary
from snncc.tunings import tunings
from snncc_ir.encoding import PIXEL_TOP, InputFormat, format_of
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.nodes import Input, Population, Readout
from snncc_ir.progress import Watch, no_watch
from snncc_ir.timing import Rate

Array = NDArray[Any]

IMAGES = 256
"""Images that are looked at unless the user says otherwise."""

BATCH = 16
"""Images that are looked at together: few, so that their values stay in the caches."""

HELD = 1 << 24
"""Values of all steps of a `rate` network that are held at once."""

ON_GRID = 1e-2
"""How far, in levels, an input may lie from its level without counting as rounded."""

ADVICE = {
    Cause.WEIGHTS: "give the weights more bits (--weight-bits)",
    Cause.ROUNDING: "give it more level bits (--level-bits)",
    Cause.SATURATION: "raise its threshold (balance with method=max or a higher percentile) or give it more "
    "level bits",
    Cause.TIMING: "run more steps (--steps), or choose a phased code or stbif, which lose nothing to timing",
}
INPUT_ADVICE = "give the input more bits (--input-bits)"
IMPORTED_ADVICE = (
    "its levels came with the network: if that was quantised after training, a greater range may help; "
    "if it was trained so, this is no loss"
)
TUNED_ADVICE = "they have learned, so this is no loss by itself; look at the next greatest share"
RATE_ADVICE = "run more steps (--steps): a rate over T steps has T + 1 values"


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The loss of an artefact, and the model that it was compared with.

    `imported` are the populations that came quantised: what they round is part of the network.
    """

    artefact: Artefact
    model: Path
    found: Attribution
    imported: tuple[str, ...]

    @property
    def reference(self) -> str:
        """What the artefact is compared with."""
        return "the imported network without its saturation" if self.imported else "the float network"

    @property
    def worst(self) -> Switch | None:
        """The switch with the greatest share of the squared error; None where nothing is lost."""
        if self.found.total.error <= 0:
            return None
        return max(self.found.parts, key=lambda switch: self.found.parts[switch].error)

    def share(self, loss: Loss) -> float:
        """A part of the squared error as a share of the whole."""
        return loss.error / self.found.total.error if self.found.total.error > 0 else 0.0


def explain(
    path: Path,
    data: Path | Data,
    *,
    model_path: Path | None = None,
    limit: int = IMAGES,
    watch: Watch = no_watch,
) -> Explanation:
    """Attribute the loss of the artefact `path` on the first images of `data`.

    The float network is that of `model_path`, by default the file of the manifest's name beside the
    artefact or in the working folder; its sha256 must be the manifest's.
    """
    found = artefact.read(path)
    images, labels = load_images(found, data, limit)
    model = find_model(found, model_path)
    hybrid = Hybrid(
        float_graph(lower(model).graph, str(found.manifest["pipeline"]), found.graph), found.graph
    )
    form = format_of(found.graph.inputs[0])
    switches = hybrid.switches
    if not _is_rounded(form, images):
        switches = tuple(switch for switch in switches if switch.node != found.graph.inputs[0].name)
    batches = _batches(form, images, labels, _batch_size(found.graph))
    attribution = attribute(hybrid, switches, batches, len(images), watch("explain"))
    return Explanation(artefact=found, model=model.path, found=attribution, imported=hybrid.imported)


def refuse_idle(*, data: Path | None, model: Path | None, limit: int | None, chip: str | None) -> None:
    """Refuse options that would say nothing of what was asked."""
    if model is not None and chip is not None:
        what = "is what a loss is compared with, and --chip asks for none"
        raise SnnccError(what, where="--model", hint="leave one of them out")
    given = [name for name, value in (("--model", model), ("--limit", limit)) if value is not None]
    if data is None and given:
        raise SnnccError(
            "says something of images, and there are none", where=", ".join(given), hint="give --data"
        )


def float_graph(graph: Graph, pipeline: str, compiled: Graph) -> Graph:
    """The lowered network in the units and parts of the compiled one: what the pipeline's passes rescale."""
    for step in parse(pipeline).passes:
        graph = step.rescaled(graph, compiled)
    return graph


def find_model(found: Artefact, given: Path | None) -> Model:
    """The ONNX file that an artefact was compiled from: `given`, or of its name beside it or here.

    Raises SnnccError where it is not there, or is another one.
    """
    source = found.manifest["source"]
    name = Path(str(source["file"])).name
    places = [given] if given else [found.path.absolute().parent / name, Path(name)]
    for place in places:
        if given is None and not place.is_file():
            continue
        model = load(place)
        same = model.sha256 == source["sha256"] and dict(model.external) == source.get("external", {})
        if same:
            return model
        if given is not None:
            raise SnnccError(
                f"is not the model that {found.path} was compiled from (sha256 {source['sha256'][:12]})",
                where=str(given),
                hint="give that one, or compile this one again",
            )
    raise SnnccError(
        f"the model that it was compiled from, {name}, is neither beside it nor here",
        where=str(found.path),
        hint="give it with --model",
    )


def _batch_size(graph: Graph) -> int:
    if not isinstance(graph.timing, Rate):
        return BATCH
    values = sum(int(np.prod(value.shape)) for value in graph.types.values())
    return int(max(1, min(BATCH, HELD // (values * graph.timing.steps))))


def _batches(form: InputFormat, images: Array, labels: Array | None, size: int) -> Iterator[Batch]:
    for first in range(0, len(images), size):
        part = np.asarray(images[first : first + size])
        source = Source(np.asarray(form.to_levels(part)), _places(form, part))
        yield source, None if labels is None else labels[first : first + size]


def _places(form: InputFormat, images: Array) -> Array:
    """Where images lie between the levels: what `to_levels` rounds."""
    if images.dtype == np.uint8:
        return images.astype(np.float64) * form.levels.hi / PIXEL_TOP
    return np.asarray(images / form.scale + form.zero, dtype=np.float64)


def _is_rounded(form: InputFormat, images: Array) -> bool:
    """True where some image does not lie on the input's levels."""
    for source, _ in _batches(form, images, None, BATCH):
        if (np.abs(source.places - source.levels) > ON_GRID).any():
            return True
    return False


def advice(explanation: Explanation) -> str:
    """What to change first, and why."""
    worst, graph = explanation.worst, explanation.artefact.graph
    if worst is None:
        return f"the outputs are those of {explanation.reference}: nothing is lost"
    node = graph.by_name[worst.node]
    kind = {Population: "population", Readout: "readout"}.get(type(node), "input")
    what = IMPORTED_ADVICE if worst.node in explanation.imported else ADVICE[worst.cause]
    if isinstance(node, Input):
        what = INPUT_ADVICE
    elif worst.cause is Cause.WEIGHTS and tunings(explanation.artefact):
        what = TUNED_ADVICE
    elif worst.cause is Cause.TIMING:
        what = ADVICE[worst.cause]
    elif worst.cause is Cause.ROUNDING and isinstance(graph.timing, Rate):
        what = RATE_ADVICE
    share = explanation.share(explanation.found.parts[worst])
    return f"{kind} {worst.node}: {share:.0%} of the squared output error is {worst.cause.value}: {what}"


def as_plain(explanation: Explanation) -> dict[str, Any]:
    """What `--json` prints (docs/explain.md)."""
    found, worst = explanation.found, explanation.worst
    return {
        "artefact": str(explanation.artefact.path),
        "model": str(explanation.model),
        "imported": list(explanation.imported),
        "tuned": [gain.as_plain() for gain in tunings(explanation.artefact)],
        "images": found.images,
        "accuracy": found.accuracy,
        "float_accuracy": found.float_accuracy,
        "total": _plain_loss(explanation, found.total),
        "nodes": [_plain_node(explanation, row) for row in summary(explanation.artefact.graph)],
        "worst": None if worst is None else {"node": worst.node, "cause": worst.cause.value},
        "advice": advice(explanation),
    }


def _plain_node(explanation: Explanation, row: dict[str, Any]) -> dict[str, Any]:
    parts = explanation.found.parts
    own = [switch for switch in parts if switch.node == row["name"]]
    return {**row, "loss": {switch.cause.value: _plain_loss(explanation, parts[switch]) for switch in own}}


def _plain_loss(explanation: Explanation, loss: Loss) -> dict[str, Any]:
    return {
        "error": loss.error,
        "share": explanation.share(loss),
        "disagreement": loss.disagreement,
        "accuracy": loss.wrong,
    }


def table(explanation: Explanation) -> tuple[list[str], list[list[str]]]:
    """The loss as a table for people: shares of the squared error, and points of accuracy or disagreement."""
    found = explanation.found
    causes = [cause for cause in Cause if any(switch.cause is cause for switch in found.parts)]
    labelled = found.accuracy is not None
    points = "accuracy lost" if labelled else "disagreement"
    rows = []
    for row in summary(explanation.artefact.graph):
        own = {switch.cause: loss for switch, loss in found.parts.items() if switch.node == row["name"]}
        if own:
            levels = "-" if row["levels"] is None else "{}..{}".format(*row["levels"])
            cells = [_percent(explanation, own.get(cause)) for cause in causes]
            total = sum(explanation.share(loss) for loss in own.values())
            lost = sum(points_lost(loss) for loss in own.values())
            rows.append([row["name"], str(row["neurons"]), levels, *cells, f"{total:.1%}", f"{lost:+.2f}"])
    whole = "100.0%" if found.total.error > 0 else "-"
    rows.append(["total", "", "", *("" for _ in causes), whole, f"{points_lost(found.total):+.2f}"])
    return ["node", "neurons", "levels", *(cause.value for cause in causes), "sum", f"{points}, points"], rows


def _percent(explanation: Explanation, loss: Loss | None) -> str:
    return "-" if loss is None else f"{round(explanation.share(loss), 3) + 0.0:.1%}"


def points_lost(loss: Loss) -> float:
    """Percentage points of accuracy; of answers that differ where there are no labels."""
    return 100 * (loss.disagreement if loss.wrong is None else loss.wrong)


def headline(explanation: Explanation) -> str:
    """The whole loss in one line."""
    found = explanation.found
    accuracy, reference = "", explanation.reference
    if found.accuracy is not None and found.float_accuracy is not None:
        name = "without saturation" if explanation.imported else "float"
        accuracy = f"accuracy {found.accuracy:.2%}, {name} {found.float_accuracy:.2%}; "
    return (
        f"{found.images} images: {accuracy}{found.total.disagreement:.2%} of the answers differ from those "
        f"of {reference}; mean squared output error {found.total.error:.4g}"
    )


def notes(explanation: Explanation) -> list[str]:
    """What is not among the losses, and what tuning gained."""
    learned = [f"tuned on {gain.images} images: {gain}" for gain in tunings(explanation.artefact)]
    if learned:
        learned.append("weights are compared with the float network's, from which tuning moves them")
    if not explanation.imported:
        return learned
    return [
        *learned,
        f"{len(explanation.imported)} of {len(explanation.artefact.graph.populations)} populations came "
        "quantised: their weights and the rounding to their levels are the network itself, and no loss",
    ]
