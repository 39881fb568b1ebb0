"""From an ONNX file to an artefact: what knows all the parts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc import __version__, artefact
from snncc.code_choice import Chooser, check_choice
from snncc.code_choice import as_plain as plain_choice
from snncc.fit import Fit, fit, fit_summary, images_among, with_plan
from snncc.frontend.calibrate import float_outputs
from snncc.frontend.load import Model, load
from snncc.frontend.lower import Lowered, lower
from snncc.golden import golden_inputs, golden_vectors
from snncc.loss import loss, predictions_of
from snncc.machines import choose_machine
from snncc.options import CompileOptions, check_options, check_partition, default_passes, implied
from snncc.passes.base import Context, Pass
from snncc.passes.binarise import Binarise
from snncc.passes.pipeline import Pipeline, parse, print_pass
from snncc.samples import CORRECTION_IMAGES, Samples, calibration_of, image_digests, read_samples
from snncc.sim.drives import Layers
from snncc.sim.evaluate import evaluate_images
from snncc.sim.training.adjoint import Adjoint
from snncc.sim.training.trainer import Training
from snncc.targets import load_target
from snncc_ir.backend import Backend
from snncc_ir.certificates import Requantised
from snncc_ir.errors import SnnccError, TargetError
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine
from snncc_ir.nodes import Readout
from snncc_ir.progress import silent
from snncc_ir.selection import CodeChoice
from snncc_ir.text import print_graph
from snncc_ir.timing import Phased

Array = NDArray[Any]

STREAMED_IMAGES = 64
"""Images on which the cost of one-bit weights is measured where a network runs step by step."""


BALANCE_IMAGES = 8
"""Images on which the cycles of cores in a row are counted."""


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """What a compilation gave; `summary` is what `--json` prints, `fit` what it takes of a chip of cores."""

    path: Path
    graph: Graph
    summary: dict[str, Any]
    warnings: tuple[str, ...]
    fit: Fit | None = None
    choice: CodeChoice | None = None


@dataclass(frozen=True)
class Findings:
    """What passes report on the way."""

    certificates: list[Requantised] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    choices: list[CodeChoice] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Built:
    """What a pipeline gave: the integer graph, and what the passes reported."""

    pipeline: Pipeline
    graph: Graph
    findings: Findings


@dataclass(frozen=True, kw_only=True)
class Settled:
    """Options that go together, and what they name; `chip` is what the manifest says of the machine."""

    options: CompileOptions
    backend: Backend
    machine: Machine
    chip: Mapping[str, str]

    def prepared(self, model: Model, lowered: Lowered, samples: Samples) -> Prepared:
        """With what was read for them."""
        return Prepared(
            options=self.options,
            backend=self.backend,
            machine=self.machine,
            chip=self.chip,
            model=model,
            lowered=lowered,
            samples=samples,
        )


@dataclass(frozen=True, kw_only=True)
class Prepared(Settled):
    """All that a compilation has before its first pass."""

    model: Model
    lowered: Lowered
    samples: Samples


def compile_model(path: Path, options: CompileOptions) -> Compiled:
    """Compile the ONNX file `path` into an artefact at `options.output`."""
    start = time.perf_counter()
    prepared = prepare(path, options)
    options = prepared.options
    pipeline = parse(options.passes or default_passes(options, prepared.machine))
    built = run_passes(prepared, pipeline, context_of(prepared, prepared.samples))
    return write(prepared, built, start, {})


def prepare(path: Path, options: CompileOptions) -> Prepared:
    """Check the options, and read the model and the calibration images."""
    artefact.check_free(options.output, force=options.force)
    settled = settle(options)
    model = load(path)
    lowered = lower(model)
    return settled.prepared(model, lowered, read_samples(model, lowered, settled.options))


def settle(options: CompileOptions) -> Settled:
    """Target and machine of the options, and the options with what the machine leaves no choice of.

    Raises SnnccError where they do not go together.
    """
    backend = load_target(options.target)
    chosen = choose_machine(backend, options.machine, options.lanes)
    machine = chosen.machine
    options = implied(options, machine)
    check_options(options)
    check_partition(options, machine)
    if options.goal is not None and backend.balancer is None:
        raise TargetError(
            f"target {backend.name} has no cores in a row",
            where="--target-fps, --max-lut",
            hint="leave them out",
        )
    check_choice(parse(options.passes or default_passes(options, machine)), machine)
    return Settled(options=options, backend=backend, machine=machine, chip=chosen.notes)


def write(prepared: Prepared, built: Built, start: float, more: Mapping[str, Any]) -> Compiled:
    """Write the artefact of what was built; `more` goes into its manifest and the summary.

    `start` is when the compilation began, by `time.perf_counter`.
    """
    machine, balanced = _balanced(prepared, built.graph)
    prepared = replace(prepared, machine=machine)
    options, backend, machine, graph = prepared.options, prepared.backend, prepared.machine, built.graph
    check_target(graph, backend, machine)
    more = {
        "requantised": [asdict(certificate) for certificate in built.findings.certificates],
        **_binary_cost(prepared, built),
        **balanced,
        **more,
    }
    golden = golden_vectors(graph, prepared.samples)
    machine = with_plan(graph, machine, golden) if options.partition else machine
    files = backend.emit(graph, machine, golden_inputs(golden))
    artefact.write(
        options.output,
        graph,
        golden,
        files,
        {**_notes(prepared, built.pipeline), **more},
        force=options.force,
    )
    fitted = fit(graph, machine, images_among(golden), options.watch) if machine.core else None
    choice = built.findings.choices[-1] if built.findings.choices else None
    summary = {
        "artefact": str(options.output),
        "target": options.target,
        "chip": machine.name,
        "pipeline": str(built.pipeline),
        **size_of(graph),
        **more,
        **backend.figures(files),
        **({"codes": plain_choice(choice)} if choice else {}),
        **(fit_summary(fitted) if fitted else {}),
        "seconds": round(time.perf_counter() - start, 3),
    }
    warnings = _warnings(prepared, built)
    return Compiled(
        path=options.output, graph=graph, summary=summary, warnings=warnings, fit=fitted, choice=choice
    )


def size_of(graph: Graph) -> dict[str, int]:
    """Populations, neurons (readouts included) and weights of a graph."""
    neurons = [node for node in graph.nodes if node in graph.populations or isinstance(node, Readout)]
    return {
        "populations": len(graph.populations),
        "neurons": sum(int(np.prod(graph.types[node.name].shape)) for node in neurons),
        "weights": sum(node.weight.data.size for node in graph.linears),
    }


def context_of(prepared: Prepared, samples: Samples) -> Context:
    """What passes may know, calibrated on `samples`."""
    return Context(
        calibration=calibration_of(prepared.model, prepared.lowered, samples, prepared.options.watch),
        input_format=samples.form,
        samples=samples.form.to_levels(samples.images[:CORRECTION_IMAGES]),
        layers=Layers(),
        training=Training(prepared.lowered.graph),
        adjoints=Adjoint,
        codes=Chooser(prepared.machine),
        watch=prepared.options.watch,
    )


def float_outputs_of(prepared: Prepared, samples: Samples) -> tuple[Array, ...]:
    """The original network's outputs for all images of `samples`."""
    return float_outputs(prepared.model, samples.batches(samples.images))


def run_passes(prepared: Prepared, pipeline: Pipeline, context: Context) -> Built:
    """What the pipeline makes of the lowered graph."""
    options, lowered, findings = prepared.options, prepared.lowered, Findings()
    context = replace(
        context,
        certify=findings.certificates.append,
        warn=findings.warnings.append,
        chose=findings.choices.append,
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
    return Built(pipeline=pipeline, graph=graph, findings=findings)


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


def _balanced(prepared: Prepared, graph: Graph) -> tuple[Machine, dict[str, Any]]:
    """The machine, with the cores in a row that the goal asks for if there is one, and what they are for."""
    options, balancer = prepared.options, prepared.backend.balancer
    if options.goal is None or balancer is None:
        return prepared.machine, {}
    (node,) = graph.inputs
    samples = prepared.samples
    images = samples.form.to_levels(np.asarray(samples.images[:BALANCE_IMAGES]))
    progress = options.watch("balance")
    found = balancer.balance(graph, prepared.machine, options.goal, {node.name: images}, progress)
    expected = {
        "images": len(images),
        "cycles": round(found.interval, 1),
        "images_per_second": round(found.images_per_second, 1),
    }
    return found.machine, {"balanced": expected}


def check_target(graph: Graph, backend: Backend, machine: Machine) -> None:
    """Raise TargetError where the machine cannot express the graph."""
    refusals = backend.refusals(graph, machine)
    if refusals:
        raise TargetError(f"cannot express this network: {'; '.join(refusals)}", where=machine.name)


def _notes(prepared: Prepared, pipeline: Pipeline) -> dict[str, Any]:
    model, samples = prepared.model, prepared.samples
    known = samples.kind == "images"
    return {
        "snncc": __version__,
        "source": {"file": model.path.name, "sha256": model.sha256, "external": dict(model.external)},
        "target": prepared.backend.name,
        **prepared.chip,
        **({"partition": True} if prepared.options.partition else {}),
        **({"lanes": prepared.machine.lanes} if prepared.machine.lanes else {}),
        **({"chain": [asdict(part) for part in prepared.machine.chain]} if prepared.machine.chain else {}),
        "pipeline": str(pipeline),
        "input": samples.form.verdict,
        "outputs": prepared.lowered.named_outputs,
        "pixels": samples.images.dtype == np.uint8,
        "calibration": {
            "kind": samples.kind,
            "images": len(samples.images) if samples.calibrates else 0,
            "digests": image_digests(samples.form, samples.images) if known else [],
        },
    }


def _warnings(prepared: Prepared, built: Built) -> tuple[str, ...]:
    samples = prepared.samples
    found = [*samples.warnings]
    if not samples.form.exact:
        found.append(samples.form.verdict)
    found += built.findings.warnings
    found += [
        f"{row.population}: {row.approximated} of {row.channels} channels approximate those of the imported "
        f"network; {row.reason}"
        for row in built.findings.certificates
        if row.approximated
    ]
    return tuple(found)


def _binary_cost(prepared: Prepared, built: Built) -> dict[str, Any]:
    """What one-bit weights made of real ones cost on calibration images; empty where there are none."""
    samples = prepared.samples
    if samples.synthetic or not any(isinstance(step, Binarise) for step in built.pipeline.passes):
        return {}
    phased = isinstance(built.graph.timing, Phased)
    most = CORRECTION_IMAGES if phased else STREAMED_IMAGES
    samples = samples.chosen(np.arange(min(len(samples.images), most)))
    real = predictions_of(float_outputs_of(prepared, samples)[0])
    found = evaluate_images(built.graph, samples.form, samples.images, None, silent).predictions
    return {"binarised": loss(found, real, samples.labels).as_plain()}
