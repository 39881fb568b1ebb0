"""From an ONNX file to an artefact, and from an artefact to an evaluation: what knows all the parts."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc import __version__, artefact, dataset
from snncc.artefact import Artefact
from snncc.frontend.calibrate import calibrate
from snncc.frontend.load import Model, load
from snncc.frontend.lower import Lowered, lower
from snncc.passes.base import Context, Pass
from snncc.passes.pipeline import Pipeline, parse, print_pass
from snncc.sim.drives import Layers
from snncc.sim.training.trainer import Training
from snncc.targets import find_machine, load_target
from snncc_ir.backend import Backend
from snncc_ir.encoding import InputFormat
from snncc_ir.errors import DataError, SnnccError, TargetError
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine
from snncc_ir.nodes import Readout
from snncc_ir.progress import Progress, Watch, no_watch
from snncc_ir.semantics import evaluate
from snncc_ir.statistics import Calibration
from snncc_ir.streaming import run_streaming
from snncc_ir.text import print_graph
from snncc_ir.timing import Phased
from snncc_ir.types import Shape

Array = NDArray[Any]

PIPELINE_OPTIONS = ("level_bits", "weight_bits", "code", "steps", "reset")
"""Options that do nothing but fill in the default pipeline."""

CALIBRATION_BATCH = 32
CORRECTION_IMAGES = 512
"""Calibration images that bias correction looks at."""

SYNTHETIC_IMAGES = 64
GOLDEN_SAMPLES = 2


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


@dataclass(frozen=True)
class _Samples:
    """Calibration images as they were stored, and how they become levels."""

    images: Array
    form: InputFormat
    synthetic: bool


def compile_model(path: Path, options: CompileOptions) -> Compiled:
    """Compile the ONNX file `path` into an artefact at `options.output`."""
    start = time.perf_counter()
    artefact.check_free(options.output, force=options.force)
    _check_options(options)
    backend = load_target(options.target)
    machine = find_machine(backend, options.machine)
    pipeline = parse(options.passes or default_passes(options, machine))
    model = load(path)
    lowered = lower(model)
    samples = _samples(lowered, options)
    graph = _run_passes(model, lowered, samples, pipeline, options)
    _check_target(graph, backend, machine)
    notes = _notes(model, samples, pipeline, backend, machine)
    artefact.write(
        options.output,
        graph,
        golden_vectors(graph, samples),
        backend.emit(graph, machine),
        notes,
        force=options.force,
    )
    summary = {
        "artefact": str(options.output),
        "target": options.target,
        "chip": machine.name,
        "pipeline": str(pipeline),
        **size_of(graph),
        "seconds": round(time.perf_counter() - start, 3),
    }
    return Compiled(path=options.output, graph=graph, summary=summary, warnings=_warnings(samples))


def _check_options(options: CompileOptions) -> None:
    """Refuse options that a pipeline of the user's own would silently overrule."""
    defaults = {item.name: item.default for item in fields(CompileOptions)}
    given = [name for name in PIPELINE_OPTIONS if getattr(options, name) != defaults[name]]
    if options.passes is not None and given:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise SnnccError(f"says what {flags} would say", where="--passes", hint=f"leave out {flags}")


def default_passes(options: CompileOptions, machine: Machine) -> str:
    """The pipeline that the options stand for."""
    code = f"code={options.code},input={machine.input_code.value},steps={options.steps},reset={options.reset}"
    return (
        f"balance{{method=mse,level_bits={options.level_bits}}};"
        f"quantize{{weight_bits={options.weight_bits},level_bits={options.level_bits}}};"
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


def _samples(lowered: Lowered, options: CompileOptions) -> _Samples:
    shape = lowered.graph.inputs[0].type.shape
    if options.calibrate is None:
        pixels = np.random.default_rng(0).integers(0, 256, (SYNTHETIC_IMAGES, *shape), dtype=np.uint8)
        return _Samples(pixels, _pixel_format(shape, options), synthetic=True)
    data = dataset.load(options.calibrate)
    stored = data.images if data.calibration is None else data.calibration
    if stored is None:
        raise DataError("has no images to calibrate on", where=str(options.calibrate))
    images = dataset.fit(stored, shape, data.path)
    if images.dtype == np.uint8:
        return _Samples(images, _pixel_format(shape, options), synthetic=False)
    if options.pixels != PixelScaling():
        raise DataError(
            f"holds {images.dtype}, but --scale, --mean and --std speak of pixels (uint8)",
            where=str(options.calibrate),
            hint="leave them out: such images are in the network's own units",
        )
    form = dataset.real_format(np.asarray(images), options.input_bits, str(data.path))
    return _Samples(images, form, synthetic=False)


def _pixel_format(shape: Shape, options: CompileOptions) -> InputFormat:
    pixels = options.pixels
    return dataset.pixel_format(shape, options.input_bits or 8, pixels.scale, pixels.mean, pixels.std)


def _run_passes(
    model: Model, lowered: Lowered, samples: _Samples, pipeline: Pipeline, options: CompileOptions
) -> Graph:
    context = Context(
        calibration=_calibrate(model, lowered, samples, options.watch),
        input_format=samples.form,
        samples=samples.form.to_levels(samples.images[:CORRECTION_IMAGES]),
        layers=Layers(),
        training=Training(lowered.graph),
        watch=options.watch,
    )
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


def _calibrate(model: Model, lowered: Lowered, samples: _Samples, watch: Watch) -> Calibration:
    """Statistics of all calibration images, with the drive means of those that bias correction sees."""
    whole = _calibrated(model, lowered, samples, samples.images, watch("calibrate"))
    if len(samples.images) <= CORRECTION_IMAGES:
        return whole
    part = _calibrated(model, lowered, samples, samples.images[:CORRECTION_IMAGES], watch("drive means"))
    merged = {
        name: replace(statistics, drive_mean=part.populations[name].drive_mean)
        for name, statistics in whole.populations.items()
    }
    return replace(whole, populations=merged)


def _calibrated(
    model: Model, lowered: Lowered, samples: _Samples, images: Array, progress: Progress
) -> Calibration:
    def batches() -> Iterator[NDArray[np.float32]]:
        for first in range(0, len(images), CALIBRATION_BATCH):
            levels = samples.form.to_levels(np.asarray(images[first : first + CALIBRATION_BATCH]))
            yield samples.form.to_reals(levels)

    return calibrate(
        model, lowered, batches(), total=len(images), progress=progress, synthetic=samples.synthetic
    )


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


def _notes(
    model: Model, samples: _Samples, pipeline: Pipeline, backend: Backend, machine: Machine
) -> dict[str, Any]:
    return {
        "snncc": __version__,
        "source": {"file": model.path.name, "sha256": model.sha256, "external": dict(model.external)},
        "target": backend.name,
        "chip": machine.name,
        "pipeline": str(pipeline),
        "input": samples.form.verdict,
        "pixels": samples.images.dtype == np.uint8,
        "calibration": {
            "kind": "synthetic" if samples.synthetic else "images",
            "images": len(samples.images),
            "digests": [] if samples.synthetic else image_digests(samples.form, samples.images),
        },
    }


def _warnings(samples: _Samples) -> tuple[str, ...]:
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


def golden_vectors(graph: Graph, samples: _Samples) -> dict[str, Array]:
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
