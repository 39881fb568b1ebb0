"""What every worker does: it prepares a network, runs it when told, and says how long that took."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

Run = Callable[[], Any]


class Prepared(NamedTuple):
    """Ways to run one batch, each to scores `[N, classes]`; `density` is spikes per neuron and step."""

    ways: dict[str, Run]
    density: Callable[[], float | None]


LONG = 1.0
"""Seconds of a run beside which warming up is nothing."""

Prepare = Callable[[Path, int, int, int], Prepared]
"""From the network's folder, the batch, the threads and the steps."""


def timed(run: Run, repeat: int = 1) -> tuple[float, float]:
    """Elapsed and processor time of one of `repeat` runs."""
    wall, used = time.perf_counter(), time.process_time()
    for _ in range(repeat):
        run()
    return (time.perf_counter() - wall) / repeat, (time.process_time() - used) / repeat


def serve(prepare: Prepare) -> None:
    """Answer the lines of standard input until it ends, one JSON object each."""
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries that print must not be taken for answers
    run: Run | None = None
    for line in sys.stdin:
        asked = json.loads(line)
        if "network" in asked:
            made = prepare(Path(asked["network"]), asked["batch"], asked["threads"], asked["steps"])
            chosen, scores, first = _fastest(made.ways)
            run = made.ways[chosen]
            answer = {
                "way": chosen,
                "predictions": [int(row.argmax()) for row in scores.reshape(asked["batch"], -1)],
                "density": made.density(),
                "seconds": first,
            }
        elif run is None:
            raise ValueError("nothing was prepared")
        else:
            wall, used = timed(run, asked["repeat"])
            answer = {"wall": wall, "cpu": used, "memory": _memory()}
        print(json.dumps(answer), file=answers, flush=True)


def _fastest(ways: dict[str, Run]) -> tuple[str, Any, float]:
    """The way that takes least, its scores and its seconds."""
    tried = {name: _tried(run) for name, run in ways.items()}
    best = min(tried, key=lambda name: tried[name][1])
    return best, *tried[best]


def _tried(run: Run) -> tuple[Any, float]:
    """The scores and seconds of a run; one that is short has been warmed up."""
    start = time.perf_counter()
    scores = run()
    taken = time.perf_counter() - start
    return scores, taken if taken > LONG else timed(run)[0]


def _memory() -> float:
    """MiB that this process has held at most; not what its parent had before it, which getrusage counts."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
