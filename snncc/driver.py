"""From an ONNX file to an artefact, and from an artefact to an evaluation: what knows all the parts."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc import __version__, artefact, dataset
from snncc.artefact import Artefact
from snncc.frontend.calibrate import calibrate, float_outputs
from snncc.frontend.load import Model, load
from snncc.frontend.lower import Lowered, lower
from snncc.passes.base import Context, Pass
from snncc.passes.pipeline import Pipeline, parse, print_pass
from snncc.passes.published import Published, pipeline_text
from snncc.sim.drives import Layers
from snncc.targets import find_machine, load_target
from snncc_ir.backend import Backend
from snncc_ir.encoding import InputFormat, format_of
from snncc_ir.errors import DataError, SnnccError, TargetError
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine
from snncc_ir.nodes import Readout
from snncc_ir.progress import Progress, silent
from snncc_ir.semantics import evaluate
from snncc_ir.statistics import Calibration
from snncc_ir.streaming import run_streaming
from snncc_ir.text import print_graph
from snncc_ir.timing import Phased
from snncc_ir.types import Shape

Array = NDArray[Any]

PIPELINE_OPTIONS = ("level_bits", "weight_bits", "code", "steps", "reset")
"""Options that do nothing but fill in the default pipeline."""

FULL_WEIGHT_BITS = 8
"""Weights of fewer bits are rounded so that they follow the calibration images, which takes longer."""

PUBLISHED_OPTIONS = ("weight_bits", "steps")
"""Those that a published conversion leaves open."""

CALIBRATION_BATCH = 32
CORRECTION_IMAGES = 512
"""Calibration images that bias correction looks at."""

SYNTHETIC_IMAGES = 64
GOLDEN_SAMPLES = 2

Watch = Callable[[str], Progress]
"""Gives a progress reporter for a stage's name."""


def no_watch(stage: str) -> Progress:
    """Report nothing."""
    return silent


@dataclass(frozen=True, kw_only=True)
class PixelScaling:
    """How pixels become the network's inputs: (p / scale - mean) / std."""

    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        numbers = (self.scale, *self.mean, *self.std)
        if not np.isfinite(numbers).all() or self.scale <= 0 or min(self.std) <= 0:
            raise DataError(
                "scale and std must be positive numbers, mean a number", where="--scale, --mean, --std"
            )


@dataclass(frozen=True, kw_only=True)
class CompileOptions:
    """What `snncc compile` may be told; every default is the command's."""

    output: Path
    target: str
    machine: str | None = None
    calibrate: Path | None = None
    pixels: PixelScaling = PixelScaling()
    input_bits: int | None = None
    level_bits: int = 4
    weight_bits: int = 8
    code: str = "radix"
    steps: int = 64
    reset: str = "subtract"
    widths: str = ""
    published: Published | None = None
    passes: str | None = None
    dump_ir: Path | None = None
    force: bool = False
    watch: Watch = field(default=no_watch, compare=False)


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """What a compilation gave; `summary` is what `--json` prints."""

    path: Path
    graph: Graph
    summary: dict[str, Any]
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Calibration images as they were stored, their labels if there are any, and how they become levels."""

    images: Array
    form: InputFormat
    synthetic: bool
    labels: Array | None = None

    def chosen(self, index: Array) -> Samples:
        """The images at these places."""
        labels = None if self.labels is None else self.labels[index]
        return replace(self, images=self.images[index], labels=labels)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """All that a compilation has before its first pass."""

    options: CompileOptions
    backend: Backend
    machine: Machine
    model: Model
    lowered: Lowered
    samples: Samples


def compile_model(path: Path, options: CompileOptions) -> Compiled:
    """Compile the ONNX file `path` into an artefact at `options.output`."""
    start = time.perf_counter()
    prepared = prepare(path, options)
    pipeline = parse(options.passes or default_passes(options, prepared.machine))
    graph = run_passes(prepared, pipeline, context_of(prepared, prepared.samples))
    return write(prepared, graph, pipeline, start, {})


def prepare(path: Path, options: CompileOptions) -> Prepared:
    """Check the options, and read the model and the calibration images."""
    artefact.check_free(options.output, force=options.force)
    _check_options(options)
    backend = load_target(options.target)
    machine = find_machine(backend, options.machine)
    parse(options.passes or default_passes(options, machine))
    model = load(path)
    lowered = lower(model)
    samples = _samples(lowered, options)
    return Prepared(
        options=options, backend=backend, machine=machine, model=model, lowered=lowered, samples=samples
    )


def write(
    prepared: Prepared, graph: Graph, pipeline: Pipeline, start: float, more: Mapping[str, Any]
) -> Compiled:
    """Write the artefact of an integer graph; `more` goes into its manifest and the summary.

    `start` is when the compilation began, by `time.perf_counter`.
    """
    options, backend, machine = prepared.options, prepared.backend, prepared.machine
    _check_target(graph, backend, machine)
    artefact.write(
        options.output,
        graph,
        golden_vectors(graph, prepared.samples),
        backend.emit(graph, machine),
        {**_notes(prepared, pipeline), **more},
        force=options.force,
    )
    summary = {
        "artefact": str(options.output),
        "target": options.target,
        "chip": machine.name,
        "pipeline": str(pipeline),
        **size_of(graph),
        **more,
        "seconds": round(time.perf_counter() - start, 3),
    }
    return Compiled(path=options.output, graph=graph, summary=summary, warnings=_warnings(prepared.samples))


def _check_options(options: CompileOptions) -> None:
    """Refuse options that a pipeline of the user's own would silently overrule."""
    defaults = {item.name: item.default for item in fields(CompileOptions)}
    given = [name for name in PIPELINE_OPTIONS if getattr(options, name) != defaults[name]]
    if options.passes is not None:
        _refuse_overruled("--passes", [*given, *(["published"] if options.published else [])])
    if options.published is not None:
        _refuse_overruled("--published", [name for name in given if name not in PUBLISHED_OPTIONS])


def _refuse_overruled(where: str, names: list[str]) -> None:
    if names:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in names)
        raise SnnccError(f"says what {flags} would say", where=where, hint=f"leave out {flags}")


def default_passes(options: CompileOptions, machine: Machine) -> str:
    """The pipeline that the options stand for."""
    if options.published is not None:
        return pipeline_text(options.published, weight_bits=options.weight_bits, steps=options.steps)
    code = f"code={options.code},input={machine.input_code.value},steps={options.steps},reset={options.reset}"
    rounding = "gptq" if options.weight_bits < FULL_WEIGHT_BITS else "nearest"
    return (
        f"balance{{method=mse,level_bits={options.level_bits},widths={options.widths}}};"
        f"quantize{{weight_bits={options.weight_bits},rounding={rounding}}};"
        f"correct_bias;choose_code{{{code}}}"
    )


def size_of(graph: Graph) -> dict[str, int]:
    """Populations, neurons (readouts included) and weights of a graph."""
    neurons = [node for node in graph.nodes if node in graph.populations or isinstance(node, Readout)]
    return {
        "populations": len(graph.populations),
        "neurons": sum(int(np.prod(graph.types[node.name].shape)) for node in neurons),
        "weights": sum(node.weight.data.size for node in graph.linears),
    }


def _samples(lowered: Lowered, options: CompileOptions) -> Samples:
    shape = lowered.graph.inputs[0].type.shape
    if options.calibrate is None:
        pixels = np.random.default_rng(0).integers(0, 256, (SYNTHETIC_IMAGES, *shape), dtype=np.uint8)
        return Samples(images=pixels, form=_pixel_format(shape, options), synthetic=True)
    data = dataset.load(options.calibrate)
    stored, labels = data.images, data.labels
    if data.calibration is not None:
        stored, labels = data.calibration, data.calibration_labels
    if stored is None:
        raise DataError("has no images to calibrate on", where=str(options.calibrate))
    images = dataset.fit(stored, shape, data.path)
    if images.dtype == np.uint8:
        form = _pixel_format(shape, options)
        return Samples(images=images, form=form, synthetic=False, labels=labels)
    if options.pixels != PixelScaling():
        raise DataError(
            f"holds {images.dtype}, but --scale, --mean and --std speak of pixels (uint8)",
            where=str(options.calibrate),
            hint="leave them out: such images are in the network's own units",
        )
    form = dataset.real_format(np.asarray(images), options.input_bits, str(data.path))
    return Samples(images=images, form=form, synthetic=False, labels=labels)


def _pixel_format(shape: Shape, options: CompileOptions) -> InputFormat:
    pixels = options.pixels
    return dataset.pixel_format(shape, options.input_bits or 8, pixels.scale, pixels.mean, pixels.std)


def context_of(prepared: Prepared, samples: Samples) -> Context:
    """What passes may know, calibrated on `samples`."""
    return Context(
        calibration=_calibrate(prepared, samples),
        input_format=samples.form,
        samples=samples.form.to_levels(samples.images[:CORRECTION_IMAGES]),
        layers=Layers(),
    )


def float_outputs_of(prepared: Prepared, samples: Samples) -> tuple[Array, ...]:
    """The original network's outputs for all images of `samples`."""
    return float_outputs(prepared.model, _batches(samples, samples.images))


def run_passes(prepared: Prepared, pipeline: Pipeline, context: Context) -> Graph:
    """The integer graph that the pipeline makes of the lowered one."""
    options, lowered = prepared.options, prepared.lowered
    dump = _Dump(options.dump_ir)
    dump.write("lower", lowered.graph)
    progress = options.watch("passes")
    done = 0

    def after(step: Pass, graph: Graph, seconds: float) -> None:
        nonlocal done
        done += 1
        dump.write(print_pass(step).split("{")[0], graph)
        progress(done, len(pipeline.passes))

    graph = pipeline.run(lowered.graph, context, after)
    if not graph.is_integer:
        raise SnnccError(
            "leaves real values in the network", where=str(pipeline), hint="end it with quantize"
        )
    return graph


def _calibrate(prepared: Prepared, samples: Samples) -> Calibration:
    """Statistics of all calibration images, with the drive means of those that bias correction sees."""
    watch = prepared.options.watch
    whole = _calibrated(prepared, samples, samples.images, watch("calibrate"))
    if len(samples.images) <= CORRECTION_IMAGES:
        return whole
    part = _calibrated(prepared, samples, samples.images[:CORRECTION_IMAGES], watch("drive means"))
    merged = {
        name: replace(statistics, drive_mean=part.populations[name].drive_mean)
        for name, statistics in whole.populations.items()
    }
    return replace(whole, populations=merged)


def _calibrated(prepared: Prepared, samples: Samples, images: Array, progress: Progress) -> Calibration:
    return calibrate(
        prepared.model,
        prepared.lowered,
        _batches(samples, images),
        total=len(images),
        progress=progress,
        synthetic=samples.synthetic,
    )


def _batches(samples: Samples, images: Array) -> Iterator[NDArray[np.float32]]:
    for first in range(0, len(images), CALIBRATION_BATCH):
        levels = samples.form.to_levels(np.asarray(images[first : first + CALIBRATION_BATCH]))
        yield samples.form.to_reals(levels)


class _Dump:
    """Writes the graph's text after every pass, numbered in order."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.count = 0

    def write(self, stage: str, graph: Graph) -> None:
        if self.folder is None:
            return
        file = self.folder / f"{self.count:02}-{stage}.txt"
        self.count += 1
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file.write_text(print_graph(graph), encoding="utf-8")
        except OSError as error:
            raise SnnccError(
                f"cannot be written ({error.strerror})", where=str(file), hint="see --dump-ir"
            ) from error


def _check_target(graph: Graph, backend: Backend, machine: Machine) -> None:
    refusals = backend.refusals(graph, machine)
    if refusals:
        raise TargetError(f"cannot express this network: {'; '.join(refusals)}", where=machine.name)


def _notes(prepared: Prepared, pipeline: Pipeline) -> dict[str, Any]:
    model, samples = prepared.model, prepared.samples
    return {
        "snncc": __version__,
        "source": {"file": model.path.name, "sha256": model.sha256, "external": dict(model.external)},
        "target": prepared.backend.name,
        "chip": prepared.machine.name,
        "pipeline": str(pipeline),
        "input": samples.form.verdict,
        "outputs": prepared.lowered.named_outputs,
        "pixels": samples.images.dtype == np.uint8,
        "calibration": {
            "kind": "synthetic" if samples.synthetic else "images",
            "images": len(samples.images),
            "digests": [] if samples.synthetic else image_digests(samples.form, samples.images),
        },
    }


def _warnings(samples: Samples) -> tuple[str, ...]:
    found = []
    if samples.synthetic:
        found.append(
            "calibrated on random noise: thresholds are guesses and accuracy will suffer; "
            "give real images with --calibrate"
        )
    if not samples.form.exact:
        found.append(samples.form.verdict)
    return tuple(found)


def image_digests(form: InputFormat, images: Array) -> list[str]:
    """Twelve hexadecimal digits per image that name its levels."""
    found = []
    for first in range(0, len(images), CALIBRATION_BATCH):
        levels = form.to_levels(np.asarray(images[first : first + CALIBRATION_BATCH])).astype("<i2")
        found += [hashlib.sha256(image.tobytes()).hexdigest()[:12] for image in levels]
    return found


def golden_vectors(graph: Graph, samples: Samples) -> dict[str, Array]:
    """Inputs with the reference's levels (signed spike counts of streaming codes) and readout drives."""
    (node,) = graph.inputs
    levels = graph.levels(node.name)
    rng = np.random.default_rng(0)
    inputs = np.concatenate(
        [
            samples.form.to_levels(np.asarray(samples.images[:GOLDEN_SAMPLES])),
            rng.integers(levels.lo, levels.hi + 1, (1, *levels.shape)),
            np.full((1, *levels.shape), levels.hi),
        ]
    )
    return {f"input.{node.name}": inputs.astype(np.int16), **reference_values(graph, inputs)}


def reference_values(graph: Graph, inputs: Array) -> dict[str, Array]:
    """`levels.NAME` of populations and wired outputs, `output.NAME` of readouts, by the reference."""
    feed = {graph.inputs[0].name: inputs}
    readouts = [node.name for node in graph.of_type(Readout)]
    if isinstance(graph.timing, Phased):
        values = evaluate(graph, feed)
        outputs = {name: values[name] for name in readouts}
    else:
        run = run_streaming(graph, feed, keep_trains=False)
        values, outputs = run.counts, {name: run.outputs[name][-1] for name in readouts}
    return {
        **{f"levels.{name}": values[name].astype(np.int32) for name in graph.reported},
        **{f"output.{name}": values for name, values in outputs.items()},
    }


def machine_of(found: Artefact) -> Machine:
    """The machine that an artefact was compiled for."""
    return find_machine(load_target(str(found.manifest["target"])), str(found.manifest["chip"]))


def load_images(found: Artefact, path: Path, limit: int | None) -> tuple[Array, Array | None]:
    """The first images of a data set in the layout of the artefact's input, and their labels, if any."""
    data = dataset.load(path)
    if data.images is None:
        raise DataError("has no array called 'images'", where=str(path))
    form = format_of(found.graph.inputs[0])
    images = dataset.fit(data.images[:limit], form.levels.shape, data.path)
    if images.dtype == np.uint8 and not found.manifest.get("pixels"):
        raise DataError(
            "holds pixels (uint8), but the network was compiled on real numbers",
            where=str(path),
            hint="give floating-point images as at compile time, or compile on pixels",
        )
    return images, None if data.labels is None else data.labels[:limit]
