"""The same model compiled otherwise, for comparison: the published rate mode beside phased codes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from snncc import dataset
from snncc.artefact import Artefact
from snncc.dataset import Data
from snncc.driver import Prepared, context_of, run_passes
from snncc.explain import find_model
from snncc.frontend.lower import lower
from snncc.options import CompileOptions, default_passes
from snncc.passes.pipeline import parse
from snncc.passes.published import Published, pipeline_text
from snncc.reporting.images import Array
from snncc.samples import Samples
from snncc.targets import find_machine, load_target
from snncc_ir.encoding import format_of
from snncc_ir.errors import DataError, SnnccError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog
from snncc_ir.progress import Watch

TARGET = "sim"
MOST_IMAGES = 512
"""Images that are calibrated on."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """An artefact, the data that a report is made on, and the model's path if it was given.

    `limit` is the number of images that are measured on.
    """

    found: Artefact
    data: Path | Data
    model: Path | None
    limit: int


@dataclass(frozen=True, kw_only=True)
class Other:
    """A network of the same model, and what its thresholds were set on."""

    graph: Graph
    calibrated: str


def published(source: Source, method: Published, steps: int, watch: Watch) -> Other:
    """The network of `compile --published`, on the artefact's own input.

    Raises SnnccError where the model is not there, no images are left to calibrate on, or it is none that
    the method takes.
    """
    options = CompileOptions(output=source.found.path, target=TARGET, published=method, steps=steps)
    return _compiled(source, options, watch)


def phased(source: Source, watch: Watch) -> Other:
    """The network that `compile` makes by default."""
    return _compiled(source, CompileOptions(output=source.found.path, target=TARGET), watch)


def is_published(found: Artefact, method: Published, steps: int) -> bool:
    """True where the artefact is what `published` would make."""
    own = parse(pipeline_text(method, weight_bits=CompileOptions.weight_bits, steps=steps))
    return str(own) == found.manifest["pipeline"]


def _compiled(source: Source, options: CompileOptions, watch: Watch) -> Other:
    model = find_model(source.found, source.model)
    lowered = lower(model)
    if not any(isinstance(node.neuron, Analog) for node in lowered.graph.populations):
        raise SnnccError("came quantised: it has no thresholds to choose", where=model.path.name)
    data = dataset.load(source.data)
    images, calibrated = _calibration(data, source.limit)
    (node,) = source.found.graph.inputs
    form = format_of(node)
    fitted = dataset.fit(images, form.levels.shape, data.path)
    backend = load_target(TARGET)
    prepared = Prepared(
        options=replace(options, watch=watch),
        backend=backend,
        machine=find_machine(backend, None),
        chip={},
        model=model,
        lowered=lowered,
        samples=Samples(images=fitted, form=form, synthetic=False, calibrates=True),
    )
    pipeline = parse(default_passes(options, prepared.machine))
    built = run_passes(prepared, pipeline, context_of(prepared, prepared.samples))
    return Other(graph=built.graph, calibrated=calibrated)


def _calibration(data: Data, limit: int) -> tuple[Array, str]:
    """Images that are not measured on, and what they are."""
    if data.calibration is not None:
        images, what = data.calibration[:MOST_IMAGES], "calibration images"
    elif data.images is not None and len(data.images) > limit:
        images, what = data.images[limit : limit + MOST_IMAGES], "images behind those measured on"
    else:
        raise DataError(
            "has no images to calibrate on beside those measured on",
            where=str(data.path),
            hint="give it an array 'calibration', or a smaller --limit",
        )
    if data.images is not None and images.dtype != data.images.dtype:
        kinds = f"images of {data.images.dtype}, but calibration images of {images.dtype}"
        raise DataError(f"has {kinds}", where=str(data.path), hint="give both in the same units")
    return images, f"{len(images):,} {what}"
