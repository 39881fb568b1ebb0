"""The engines as processes: each in its own environment, asked in turn."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = HERE.parent / ".peers"

AT_LEAST = 0.03
"""Seconds of one measurement: what is faster is run several times."""


@dataclass(frozen=True)
class Engine:
    """An engine by the environment that it runs in, None for ours, its worker and the worker's argument."""

    name: str
    environment: str | None
    worker: str
    argument: str = ""

    @property
    def command(self) -> list[str]:
        """What starts its worker."""
        python = ENVIRONMENTS / self.environment / "bin" / "python" if self.environment else sys.executable
        return [
            str(python),
            "-W",
            "ignore",
            str(HERE / "workers" / f"{self.worker}_worker.py"),
            self.argument,
        ]


LEVELS, RATE = Engine("levels", None, "snncc", "levels"), Engine("rate", None, "snncc", "rate")
FLOAT = Engine("ORT float32", "onnxruntime", "onnxruntime", "float")
INT8 = Engine("ORT int8", "onnxruntime", "onnxruntime", "int8")
PEERS = tuple(Engine(name, name, name) for name in ("spikingjelly", "sinabs", "snntorch", "norse", "torch"))
STATIC = (LEVELS, FLOAT, INT8)
EVERY = (LEVELS, RATE, FLOAT, INT8, *PEERS)


class Worker:
    """An engine's process."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
        self._process = subprocess.Popen(
            engine.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=environment,
        )  # fmt: skip

    def ask(self, **question: object) -> dict[str, Any]:
        """The answer to a question; RuntimeError with what the process said if it has ended."""
        if self._process.stdin is None or self._process.stdout is None or self._process.stderr is None:
            raise TypeError("the worker has no pipes")
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended, and says why below
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.engine.name}: {self._process.stderr.read()[-2000:]}")
        return dict(json.loads(answer))

    def __enter__(self) -> Worker:
        """The worker itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


@dataclass(frozen=True)
class Setting:
    """How a network is run."""

    batch: int
    threads: int
    steps: int = 32


@dataclass(frozen=True)
class Timing:
    """Median seconds per image: processor time with one thread, elapsed with several."""

    seconds: float
    way: str
    density: float | None
    memory: float


@dataclass(frozen=True)
class Effort:
    """Rounds of a setting; an engine that has taken `seconds` sits out the rest."""

    rounds: int
    seconds: float


QUICK, FULL = Effort(3, 6.0), Effort(5, 30.0)


@contextmanager
def workers(engines: Sequence[Engine]) -> Iterator[dict[Engine, Worker]]:
    """A process for each engine while the block runs."""
    with ExitStack() as stack:
        yield {engine: stack.enter_context(Worker(engine)) for engine in engines}


def measure(
    running: Mapping[Engine, Worker], folder: Path, setting: Setting, effort: Effort
) -> dict[Engine, Timing]:
    """The engines in turn, each in its fastest way."""
    question = {**asdict(setting), "network": str(folder)}
    ready = {engine: worker.ask(**question) for engine, worker in running.items()}
    times: dict[Engine, list[float]] = {engine: [] for engine in running}
    memory: dict[Engine, float] = {}
    for made in range(effort.rounds):
        for engine, worker in running.items():
            seconds = ready[engine]["seconds"]
            if made * seconds < effort.seconds:
                answer = worker.ask(repeat=max(1, round(AT_LEAST / seconds)))
                times[engine].append(answer["cpu" if setting.threads == 1 else "wall"] / setting.batch)
                memory[engine] = answer["memory"]
    return {
        engine: Timing(
            statistics.median(taken), ready[engine]["way"], ready[engine]["density"], memory[engine]
        )
        for engine, taken in times.items()
    }
