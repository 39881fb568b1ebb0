"""A sweep's networks on this machine: here, or in processes that share its processors."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from multiprocessing.queues import SimpleQueue
from multiprocessing.sharedctypes import Synchronized

from snncc.shards import Refused, refused
from snncc.sweep.kept import Kept
from snncc.sweep.measure import Task, measure
from snncc_ir.errors import SnnccError, ToolError
from snncc_ir.progress import Watch, no_watch

POLL = 0.2
"""Seconds after which the progress is looked at again."""

Report = Callable[[], None]
"""Called whenever a point may have been finished."""


def run_here(tasks: Sequence[Task], kept: Kept, report: Report, watch: Watch = no_watch) -> None:
    """Measure all tasks one after the other; every point is kept as soon as it is finished."""
    for task in tasks:
        for row in measure(task, watch):
            kept.keep(row)
            report()


def run_processes(tasks: Sequence[Task], kept: Kept, jobs: int, report: Report) -> None:
    """The same in up to `jobs` processes of equal shares of the processors; each keeps its own points.

    None of them outlives this call, or the process that made it. Raises the SnnccError of any of them, and
    ToolError where one dies.
    """
    context = multiprocessing.get_context("spawn")
    jobs = min(jobs, len(tasks))
    turn: Synchronized[int] = context.Value("i", 0)
    errors: SimpleQueue[Refused] = context.SimpleQueue()
    shares = _shares(jobs)
    workers = [
        context.Process(target=_work, args=(tuple(tasks), kept, turn, errors, share), daemon=True)
        for share in shares
    ]
    with _running(workers):
        while any(worker.is_alive() for worker in workers):
            wait([worker.sentinel for worker in workers if worker.is_alive()], POLL)
            report()
            _check(workers, errors)
        _check(workers, errors)


@contextmanager
def _running(workers: Sequence[BaseProcess]) -> Iterator[None]:
    try:
        for worker in workers:
            worker.start()
        yield
    finally:
        for worker in workers:
            if worker.pid is not None:
                worker.kill()
                worker.join()


def _check(workers: Sequence[BaseProcess], errors: SimpleQueue[Refused]) -> None:
    if not errors.empty():
        raise errors.get().error()
    for worker in workers:
        if worker.exitcode:
            raise ToolError(
                f"a process ended before its work was done (exit code {worker.exitcode})",
                where="--jobs",
                hint="what is finished is kept: run the same again, with fewer --jobs if memory is short",
            )


def _shares(jobs: int) -> tuple[tuple[int, ...], ...]:
    """The processors of each process: all engines take as many threads as they may use processors."""
    if not hasattr(os, "sched_getaffinity"):
        return ((),) * jobs
    mine = sorted(os.sched_getaffinity(0))
    return tuple(tuple(mine[job::jobs]) or (mine[job % len(mine)],) for job in range(jobs))


def _work(
    tasks: tuple[Task, ...],
    kept: Kept,
    turn: Synchronized[int],
    errors: SimpleQueue[Refused],
    share: tuple[int, ...],
) -> None:
    """Take one task after the other until there are none left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that made this one ends it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if share:
        os.sched_setaffinity(0, share)
    try:
        while (number := _next(turn)) < len(tasks):
            run_here(tasks[number : number + 1], kept, _nothing)
    except SnnccError as error:
        errors.put(refused(error))


def _next(turn: Synchronized[int]) -> int:
    with turn.get_lock():
        turn.value += 1
        return turn.value - 1


def _nothing() -> None:
    """Report nothing: who waits looks at the files."""


def _end_with_parent() -> None:
    """A parent that was killed cannot end its processes."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
