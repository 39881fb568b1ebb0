"""What a simulation says of the steps of a streaming code: each of them, its certificate, an early exit."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.sim.trace import Exit, Progress, Trace, every_step, leave_early
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.nodes import Readout
from snncc_ir.streaming import settle_bound
from snncc_ir.timing import Phased, Rate

Array = NDArray[Any]

COLUMNS = ("step", "accuracy", "spikes", "synaptic operations", "certified")
"""What a row of the table holds; spikes and synaptic operations per image so far."""


@dataclass(frozen=True, kw_only=True)
class StepOptions:
    """What to say of the steps.

    `exit_margin` is in the real units of the first output: an image stops at the first step at which the
    greatest drive, summed so far and divided by all T steps, is more than this above the second.
    """

    every_step: bool = False
    exit_margin: float | None = None


NO_OPTIONS = StepOptions()
"""Say nothing of the steps."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """After how many steps images settled, and how many did so on the levels of the phased codes."""

    mean: float
    median: float
    max: int
    bound: int
    equal_to_levels: int


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """What the options asked for."""

    rows: tuple[Progress, ...] = ()
    certificate: Certificate | None = None
    exit: Exit | None = None

    def as_plain(self) -> dict[str, Any]:
        """`every_step`, `certificate` and `exit` of `simulate --json`."""
        found: dict[str, Any] = {}
        if self.rows:
            found["every_step"] = [_renamed(row) for row in self.rows]
        if self.certificate is not None:
            found["certificate"] = asdict(self.certificate)
        if self.exit is not None:
            found["exit"] = _renamed(self.exit)
        return found

    @property
    def table(self) -> list[tuple[str, ...]]:
        """The steps 1, 2, 4, ... and the last."""
        last = len(self.rows)
        return [_cells(row) for row in self.rows if row.step & (row.step - 1) == 0 or row.step == last]

    @property
    def lines(self) -> list[str]:
        """Certificate and exit in words."""
        found = []
        if (made := self.certificate) is not None:
            found.append(
                f"settled after {made.mean:.1f} steps on average, {made.median:g} in the median, "
                f"{made.max} at most (bound {made.bound}); {made.equal_to_levels} images on the levels of "
                "the phased codes"
            )
        if (left := self.exit) is not None:
            accuracy = "" if left.accuracy is None else f": accuracy {left.accuracy:.2%}"
            found.append(
                f"stopped by a margin of {left.margin:g}{accuracy} after {left.steps:.1f} steps, "
                f"{left.spikes:.0f} spikes and {left.synops:.0f} synaptic operations"
            )
        return found


def _renamed(row: Progress | Exit) -> dict[str, Any]:
    names = {"spikes": "spikes_per_image", "synops": "synops_per_image", "steps": "steps_per_image"}
    return {names.get(key, key): value for key, value in asdict(row).items()}


def _cells(row: Progress) -> tuple[str, ...]:
    shares = ("-" if share is None else f"{share:.2%}" for share in (row.accuracy, row.certified))
    accuracy, certified = shares
    return str(row.step), accuracy, f"{row.spikes:.0f}", f"{row.synops:.0f}", certified


def check_options(graph: Graph, engine: str | None, options: StepOptions) -> None:
    """Refuse step options where there are no steps to speak of."""
    margin = options.exit_margin
    where = "--every-step" if margin is None else "--exit-margin"
    if margin is None and not options.every_step:
        return
    if margin is not None and not 0 <= margin < float("inf"):
        raise SnnccError(f"must be a number of at least 0, not {margin}", where=where)
    if isinstance(graph.timing, Phased):
        what = "this network's codes are phased: it has no answer before its last step"
        raise SnnccError(what, where=where, hint="compile with --code rate")
    if margin is not None and not isinstance(graph.timing, Rate):
        what = "stbif certifies by itself when its answer is final"
        raise SnnccError(what, where=where, hint="see --every-step")
    if engine not in (None, "native", "spikes"):
        raise SnnccError(f"engine {engine} does not report its steps", where=where, hint="use spikes")
    if not isinstance(graph.by_name[graph.outputs[0]], Readout):
        raise SnnccError(
            "the first output sends levels: it has no drive to look at", where=where, hint="leave it out"
        )


def report(graph: Graph, trace: Trace | None, labels: Array | None, options: StepOptions) -> StepReport:
    """The report on a run's trace; empty where there is none."""
    if trace is None:
        return StepReport()
    margin = options.exit_margin
    return StepReport(
        rows=tuple(every_step(trace, labels)) if options.every_step else (),
        certificate=_certificate(graph, trace) if options.every_step else None,
        exit=None if margin is None else leave_early(trace, labels, margin),
    )


def _certificate(graph: Graph, trace: Trace) -> Certificate | None:
    if trace.exact is None:
        return None
    settled = trace.settled
    return Certificate(
        mean=float(settled.mean()),
        median=float(np.median(settled)),
        max=int(settled.max()),
        bound=settle_bound(graph),
        equal_to_levels=int(trace.exact.sum()),
    )
