"""A training step of snncc's sparse gradients beside dense ones in PyTorch, in processes that take turns."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from peer_engines import Engine, Worker

from snncc.learn.data import Labelled
from snncc.learn.engine import Weights

SPARSE = Engine("snncc, sparse", None, "learning_snncc")
DENSE = (
    Engine("PyTorch, by steps", "torch", "learning_torch", "steps"),
    Engine("PyTorch, by layers", "torch", "learning_torch", "layers"),
)
EVERY = (SPARSE, *DENSE)
PARTS = ("forward", "backward", "update")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The network's numbers, the batch, and how often it is measured."""

    decay: float
    band: float
    rate: float
    threads: int
    batch: int
    rounds: int


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Medians over the rounds: seconds of a batch by part, of all of it, and MiB on top of code and data."""

    forward: float
    backward: float
    update: float
    whole: float
    memory: float


def measure(data: Labelled, weights: Weights, setting: Setting) -> dict[Engine, Cost]:
    """All engines on the same batches in turn; the first batch warms up."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        problem = Path(folder) / "problem.npz"
        _write(problem, data, weights, setting)
        running = {engine: stack.enter_context(Worker(engine)) for engine in EVERY}
        for worker in running.values():
            worker.ask(problem=str(problem))
        rows: dict[Engine, list[dict[str, Any]]] = {engine: [] for engine in EVERY}
        for chosen in _batches(len(data), setting):
            for engine, worker in running.items():
                rows[engine].append(worker.ask(chosen=chosen))
    return {engine: _cost(found[1:], setting.threads) for engine, found in rows.items()}


def gradients(data: Labelled, weights: Weights, setting: Setting) -> list[float]:
    """Greatest difference of our gradients from PyTorch's, over its greatest gradient, by layer on a batch.

    `setting.band` is infinite: the dense gradient. The two round differently, so that a spike may differ.
    """
    with tempfile.TemporaryDirectory() as folder:
        problem = Path(folder) / "problem.npz"
        _write(problem, data, weights, setting)
        found = [_gradients(engine, problem, next(_batches(len(data), setting))) for engine in EVERY[:2]]
    return [float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(*found, strict=True)]


def _gradients(engine: Engine, problem: Path, chosen: list[int]) -> list[NDArray[Any]]:
    kept = problem.with_name("gradients.npz")
    with Worker(engine) as worker:
        worker.ask(problem=str(problem))
        worker.ask(chosen=chosen)
        worker.ask(gradients=str(kept))
    with np.load(kept) as archive:
        return [archive[f"arr_{i}"] for i in range(len(archive.files))]


def _batches(images: int, setting: Setting) -> Iterator[list[int]]:
    rng = np.random.default_rng(0)
    for _ in range(setting.rounds + 1):
        yield rng.permutation(images)[: setting.batch].tolist()


def _write(path: Path, data: Labelled, weights: Weights, setting: Setting) -> None:
    names = ("decay", "band", "rate", "threads")
    numbers = json.dumps({name: getattr(setting, name) for name in names}).encode()
    arrays = {f"weights{i}": weight for i, weight in enumerate(weights)}
    trains = {"starts": data.trains.starts, "places": data.trains.places, "labels": data.labels}
    np.savez(path, numbers=np.frombuffer(numbers, np.uint8), **arrays, **trains)


def _cost(rows: Sequence[dict[str, Any]], threads: int) -> Cost:
    """With one thread processor time, which other processes hardly change; with more elapsed time."""
    parts = {part: statistics.median(row[part] for row in rows) for part in PARTS}
    wholes = [sum(row[part] for part in PARTS) if threads == 1 else row["wall"] for row in rows]
    return Cost(**parts, whole=statistics.median(wholes), memory=max(row["memory"] for row in rows))
