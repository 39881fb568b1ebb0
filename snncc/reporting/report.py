"""`snncc report`: everything that is known of an artefact on one page."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from snncc import __version__, artefact
from snncc.artefact import Artefact
from snncc.dataset import Data
from snncc.driver import size_of
from snncc.emitted import machine_of
from snncc.explain import IMAGES, find_model
from snncc.fit import Fit
from snncc.folder import replace_file
from snncc.report import require
from snncc.report.content import Accuracy, Content, Fact, Mood, Overview, Statement, Verified, table
from snncc.reporting import activity
from snncc.reporting.accuracy import accuracy
from snncc.reporting.beside import Source
from snncc.reporting.cores import cores
from snncc.reporting.energy import by_code, meter_on
from snncc.reporting.fpga import fpga
from snncc.reporting.images import Images, find_images
from snncc.reporting.network import network
from snncc.samples import image_digests
from snncc.sim.evaluate import evaluate_images
from snncc.summary import timing_note
from snncc.verify import Status, verify
from snncc_backends.chips import find_chip
from snncc_ir.errors import ArtefactError
from snncc_ir.progress import Watch, no_watch, silent

PAGE = b"<!doctype html>\n<!-- snncc report -->\n"
"""How every report begins."""

DIGESTS = "digests"
"""The manifest's longest entry, of which the page shows the number alone."""


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """What a report is made on: `model` is the ONNX file, by default beside the artefact or here.

    `chip` is a chip of cores to lay the network on; by default the artefact's own, if it is one.
    """

    data: Path | Data | None = None
    model: Path | None = None
    chip: str | None = None
    limit: int = IMAGES
    climb: bool = True


@dataclass(frozen=True, kw_only=True)
class Written:
    """A page that was written, its size in bytes, and the sections that it has."""

    file: Path
    size: int
    sections: tuple[str, ...]

    @property
    def plain(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {"file": str(self.file), "bytes": self.size, "sections": list(self.sections)}


def report(
    path: Path, file: Path, options: ReportOptions, *, force: bool = False, watch: Watch = no_watch
) -> Written:
    """Write the report on the artefact `path` as `file`, in one step.

    Raises ToolError without the extra `report`, DataError for images that the network does not take,
    ArtefactError where the page cannot be written or replaced.
    """
    require("snncc report")
    _check_free(file, force=force)
    content = gather(artefact.read(path), options, watch)
    render: Callable[[Content], str] = import_module("snncc.report.page").render  # needs the extra
    page = PAGE + render(content).encode()
    try:
        replace_file(file, page)
    except OSError as error:
        raise ArtefactError(
            f"cannot be written ({error.strerror or error})",
            where=str(file),
            hint="check the rights and the space there",
        ) from error
    return Written(file=file, size=len(page), sections=content.sections)


def gather(found: Artefact, options: ReportOptions, watch: Watch = no_watch) -> Content:
    """Measure everything that the page shows; SnnccError where `options` name a model that is another one."""
    if options.model is not None:
        find_model(found, options.model)
    images = find_images(found, options.data, options.limit)
    machine = find_chip(options.chip) if options.chip else machine_of(found)
    meter = meter_on(machine, images)
    fitted = None if meter is None else meter.fit(found.graph)
    measured = None
    if options.data is not None:
        source = Source(found=found, data=options.data, model=options.model, limit=options.limit)
        measured = accuracy(source, images, meter, by_code(fitted), watch)
    verified = _verified(found, climb=options.climb, watch=watch)
    return Content(
        title=str(found.manifest["source"]["file"]),
        version=__version__,
        overview=_overview(found, images, measured, verified, fitted),
        network=network(found),
        accuracy=measured,
        levels=activity.levels(found.graph, images) if found.graph.populations else None,
        raster=activity.raster(found.graph, images),
        cores=None if fitted is None else cores(fitted),
        fpga=fpga(found, images, watch),
        verified=verified,
        manifest=_manifest(found),
    )


def _check_free(file: Path, *, force: bool) -> None:
    """Refuse to replace what is no report, or what is one without `force`."""
    if not file.parent.is_dir():
        raise ArtefactError(
            "its folder does not exist", where=str(file), hint="make it, or give another --out"
        )
    if not file.exists():
        return
    if not force:
        raise ArtefactError(
            "exists already", where=str(file), hint="give --force to replace it, or another --out"
        )
    if not file.is_file() or not _is_report(file):
        raise ArtefactError(
            "is no report of snncc, so --force does not replace it",
            where=str(file),
            hint="give another --out",
        )


def _is_report(file: Path) -> bool:
    with file.open("rb") as handle:
        return handle.read(len(PAGE)) == PAGE


def _verified(found: Artefact, *, climb: bool, watch: Watch) -> Verified:
    if not climb:
        text = "The engines were not compared (--no-verify); snncc verify does it."
        return Verified(verdict=Statement(text=text))
    ladder = verify(found.path, watch=watch)
    ran = [rung for rung in ladder.rungs if rung.status is not Status.NOT_RUN]
    different = [rung.engine for rung in ran if rung.status is Status.DIFFERENT]
    absent = [rung.engine for rung in ladder.rungs if rung.status is Status.NOT_RUN]
    text = f"{len(ran)} executions compute the same integers"
    if different:
        text = f"differs from the reference: {', '.join(different)}"
    if absent:
        text += f"; not run here: {', '.join(absent)}"
    heads: tuple[str, ...] = ("engine", "status", "inputs", "detail")
    rows = [(each.engine, each.status.value, str(each.inputs), each.detail) for each in ladder.rungs]
    shown = len(heads) if any(each.detail for each in ladder.rungs) else len(heads) - 1
    return Verified(
        verdict=Statement(text=text, mood=Mood.GOOD if ladder.equal else Mood.BAD),
        table=table(heads[:shown], (row[:shown] for row in rows)),
    )


def _overview(
    found: Artefact, images: Images, measured: Accuracy | None, verified: Verified, fitted: Fit | None
) -> Overview:
    manifest, graph, size = found.manifest, found.graph, size_of(found.graph)
    figures = [Fact(name=name, value=f"{count:,}") for name, count in size.items()]
    if images.stored is not None:
        figures[:0] = _performance(found, images)
    codes = ", ".join(dict.fromkeys(node.code.value for node in graph.populations)) or "none"
    (node,) = graph.inputs
    kind = manifest["calibration"]["kind"]
    facts = {
        "source": f"{manifest['source']['file']}, sha256 {manifest['source']['sha256'][:16]}",
        "target": f"{manifest['target']} ({manifest['chip']})",
        "code": codes,
        "timing": timing_note(graph),
        "input": f"{graph.types[node.name]}: {manifest['input']}",
        "outputs": ", ".join(f"{name}: {graph.types[each]}" for name, each in manifest["outputs"].items()),
        "calibrated on": "nothing (it came quantised)"
        if kind == "none"
        else f"{manifest['calibration']['images']} {'random images' if kind == 'synthetic' else kind}",
        "passes": str(manifest["pipeline"]).replace(";", "; "),
        "artefact": found.path.absolute().name,
    }
    return Overview(
        figures=tuple(figures),
        statements=tuple(_statements(found, images, measured, verified, fitted)),
        facts=tuple(Fact(name=name, value=value) for name, value in facts.items()),
    )


def _performance(found: Artefact, images: Images) -> list[Fact]:
    """Accuracy and costs of the artefact as it is."""
    if images.stored is None:
        return []
    run = evaluate_images(found.graph, images.form, images.stored, None, silent)
    facts = []
    if images.labels is not None:
        facts.append(
            Fact(name=f"accuracy on {run.images:,} images", value=f"{run.accuracy(images.labels):.2%}")
        )
    costs = {"spikes": run.counts.spikes, "synaptic operations": run.counts.synops}
    facts.append(Fact(name="time steps per image", value=f"{run.steps:,}"))
    facts += [
        Fact(name=f"{name} per image", value=f"{sum(each.values()) / run.images:,.0f}")
        for name, each in costs.items()
    ]
    return facts


def _statements(
    found: Artefact, images: Images, measured: Accuracy | None, verified: Verified, fitted: Fit | None
) -> list[Statement]:
    said = [verified.verdict]
    if measured is not None and measured.loss is not None:
        said.append(Statement(text=measured.loss.headline))
    if fitted is not None:
        said.append(cores(fitted).headline)
    if found.manifest["calibration"]["kind"] == "synthetic":
        text = "Calibrated on random noise: thresholds are guesses, and accuracy suffers."
        said.append(Statement(text=text, mood=Mood.BAD))
    known = set(found.manifest["calibration"].get(DIGESTS, []))
    if images.stored is not None and known:
        shared = sum(digest in known for digest in image_digests(images.form, images.stored))
        if shared:
            seen = f"{shared} of {images.count} images were calibrated or tuned on"
            text = f"{seen}; accuracy on them says little."
            said.append(Statement(text=text, mood=Mood.BAD))
    return said


def _manifest(found: Artefact) -> str:
    """The manifest as JSON, its list of image digests as a number."""
    plain = json.loads(json.dumps(found.manifest))
    digests = plain.get("calibration", {}).get(DIGESTS)
    if digests:
        plain["calibration"][DIGESTS] = f"{len(digests)} digests"
    return json.dumps(plain, indent=2, allow_nan=True)
