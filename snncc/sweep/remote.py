"""A sweep's networks on a Dask cluster: a worker gives all points of a network at once."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace

from snncc.shards import Refused, refused
from snncc.sweep.kept import Kept
from snncc.sweep.measure import Task, measure
from snncc.sweep.points import Row
from snncc_ir.errors import SnnccError


def run_cluster(tasks: Sequence[Task], kept: Kept, address: str, report: Callable[[], None]) -> None:
    """Measure all tasks on the cluster of a scheduler; a network's points are kept when it is finished.

    Raises ToolError where the cluster cannot do it, and the SnnccError of a worker.
    """
    tasks = [replace(task, study=task.study.resolved()) for task in tasks]
    results = importlib.import_module("snncc.cluster").results
    for _, rows in results(address, run_task, tasks):
        for row in rows:
            kept.keep(row)
        report()


def run_task(task: Task) -> tuple[Row, ...] | Refused:
    """The rows of a task on a worker, which may be any machine that sees the files under the same paths."""
    try:
        return tuple(measure(task))
    except SnnccError as error:
        return refused(error, f"worker on {socket.gethostname()}")
