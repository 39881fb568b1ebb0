"""The engine `lava`: emits into a private folder and runs the program there, in a Python that has Lava."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_backends.lava.files import FOLDER
from snncc_backends.lava.interpreter import find_interpreter
from snncc_backends.lava.profiles import emit_files, find_refusals
from snncc_backends.lava.stock.describe import depth_of
from snncc_backends.tools.process import Job, run_job, seconds_from
from snncc_ir.backend import EngineRun
from snncc_ir.errors import DataError, TargetError, ToolError
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine
from snncc_ir.nodes import Population, Readout
from snncc_ir.progress import Progress
from snncc_ir.semantics import check_input
from snncc_ir.timing import Rate

Array = NDArray[Any]

TIMEOUT_VARIABLE = "SNNCC_LAVA_TIMEOUT"
"""Seconds that a run may take."""


@dataclass(frozen=True)
class LavaEngine:
    """Lava, one operating system process per population."""

    name: str = "lava"

    def missing(self) -> str | None:
        """None where an interpreter has lava-nc, else what to install."""
        return find_interpreter().missing

    def runs(self, graph: Graph) -> bool:
        """All graphs."""
        return True

    def run(
        self, graph: Graph, machine: Machine, inputs: Mapping[str, Array], progress: Progress
    ) -> EngineRun:
        """Run images `inputs[name][I, *shape]` back to back; the emitted files are made anew."""
        refusals = find_refusals(graph, machine)
        if refusals:
            raise TargetError("; ".join(refusals))
        levels = {node.name: check_input(node, inputs[node.name]) for node in graph.inputs}
        images = len(next(iter(levels.values())))
        if images == 0:
            raise DataError("no images to run", where=graph.name)
        found = find_interpreter()
        if found.python is None:
            raise ToolError(found.missing or "no Python with Lava was found")
        with tempfile.TemporaryDirectory(prefix="snncc-lava-") as name:
            folder = Path(name)
            _write(emit_files(graph, machine), levels, folder)
            report = _Report(folder / "progress.txt", progress)
            steps = steps_of(graph, images)
            job = Job(
                name="the Lava program",
                command=_command(found.python, folder),
                folder=folder,
                timeout=time_limit(graph, steps),
                if_late=f"run fewer images, or set {TIMEOUT_VARIABLE} to more seconds",
            )
            run_job(job, report)
            return _read(graph, levels, job)


def steps_of(graph: Graph, images: int) -> int:
    """Time steps that a run takes: phased images follow each other, stock neurons start anew for each."""
    if isinstance(graph.timing, Rate):
        ends = [node for node in graph.nodes if isinstance(node, Population | Readout)]
        return images * (graph.timing.steps + max(depth_of(graph, node) for node in ends))
    return (images + graph.latency - 1) * graph.window


def time_limit(graph: Graph, steps: int) -> float:
    """Seconds after which a run is given up: ten times or more what it takes on a slow machine."""
    neurons = sum(int(np.prod(graph.types[node.name].shape)) for node in graph.nodes)
    per_step = 0.05 * len(graph.nodes) + 2e-5 * neurons
    return seconds_from(TIMEOUT_VARIABLE, 120 + 5 * len(graph.nodes) + per_step * steps)


def _write(files: Mapping[str, bytes], levels: Mapping[str, Array], folder: Path) -> None:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    with (folder / "levels.npz").open("wb") as stream:
        np.savez(stream, allow_pickle=False, **levels)


def _command(python: str, folder: Path) -> tuple[str, ...]:
    """The program in isolated mode: nothing of this process's Python reaches it."""
    files = {"--input": "levels.npz", "--output": "out.npz", "--progress": "progress.txt"}
    options = [str(part) for option, file in files.items() for part in (option, folder / file)]
    isolated = (python, "-I", "-W", "ignore::UserWarning")
    return (*isolated, str(folder / FOLDER / "run.py"), *options, "--with-parent")


@dataclass
class _Report:
    """Passes on the time step that the program writes into a file."""

    file: Path
    progress: Progress
    shown: str = ""

    def __call__(self) -> None:
        try:
            text = self.file.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            return
        if text != self.shown and text.endswith("\n"):
            self.shown = text
            done, total = map(int, text.split())
            self.progress(done, total)


def _read(graph: Graph, levels: Mapping[str, Array], job: Job) -> EngineRun:
    try:
        with np.load(job.folder / "out.npz", allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError) as error:
        raise ToolError(f"the Lava program wrote no result ({error})\n{job.tail()}") from error
    senders = graph.populations if isinstance(graph.timing, Rate) else (*graph.inputs, *graph.populations)
    trains = {node.name: arrays[f"train.{node.name}"] for node in senders}
    if isinstance(graph.timing, Rate):  # a pixel is a bias: it acts in every step
        trains |= {name: np.repeat(x[:, None], graph.timing.steps, axis=1) for name, x in levels.items()}
    outputs = {node.name: arrays[f"output.{node.name}"] for node in graph.of_type(Readout)}
    return EngineRun(trains=trains, outputs=outputs, steps=int(arrays["steps"]))
