"""What the workers of the learning benchmark share: the problem, the loop, time and memory."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Problem:
    """Spikes by image and step, labels, weights, and the numbers of the neurons."""

    starts: Any
    places: Any
    labels: Any
    weights: list[Any]
    decay: float
    band: float
    rate: float
    threads: int


class Step(NamedTuple):
    """Of one batch: its loss, and the processor seconds of the parts of a training step."""

    loss: float
    forward: float
    backward: float
    update: float


class Trained(Protocol):
    """One way to train the network."""

    def step(self, chosen: Array) -> Step:
        """One training step."""

    def gradients(self) -> list[Any]:
        """Those of the last step, by weights `[inputs, outputs]`."""


def seconds() -> float:
    """Processor time of all threads of this process."""
    return time.process_time()


def serve(make: Callable[[Problem], Trained]) -> None:
    """Answer the lines of standard input until it ends, one JSON object each."""
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries that print must not be taken for answers
    trained: Trained | None = None
    for line in sys.stdin:
        asked = json.loads(line)
        if "problem" in asked:
            trained = make(_read(Path(asked["problem"])))
            Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
            before = _memory("VmRSS")
            answer: dict[str, Any] = {"memory": before}
        elif trained is None:
            raise ValueError("nothing was prepared")
        elif "gradients" in asked:
            np.savez(asked["gradients"], *trained.gradients())
            answer = {}
        else:
            start = time.perf_counter()
            step = trained.step(np.array(asked["chosen"]))
            wall = time.perf_counter() - start
            answer = {**step._asdict(), "wall": wall, "memory": _memory("VmHWM") - before}
        print(json.dumps(answer), file=answers, flush=True)


def _read(path: Path) -> Problem:
    with np.load(path, allow_pickle=False) as archive:
        numbers = json.loads(archive["numbers"].tobytes())
        weights = [archive[f"weights{i}"] for i in range(3)]
        return Problem(archive["starts"], archive["places"], archive["labels"], weights, **numbers)


def _memory(entry: str) -> float:
    """MiB that this process holds (VmRSS), or has held at most (VmHWM)."""
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{entry}:")
    )
    return int(line.split()[1]) / 1024
