"""Running Lava so that it always ends: with a result, or with the traceback of what failed.

Lava by itself waits forever for a process that has raised or was killed, and when the program ends without
`stop`. So the run is started without blocking and watched.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.magma.runtime.mgmt_token_enums import MGMT_RESPONSE, enum_equal

TICK = 0.01
"""Seconds between two looks at the running network."""

PATIENCE = 2.0
"""Seconds to wait for the traceback of a process that is known to have failed."""

CHANNEL_SIZE = 8
"""Messages that a channel holds; Lava's default of 64 fills the shared memory of small machines."""


@dataclass(frozen=True)
class Stage:
    """So many steps, and what to do before them while the network stands still."""

    steps: int
    before: Callable[[], None] = lambda: None


def execute(first: AbstractProcess, stages: Sequence[Stage], watch: Watch, scratch: Path) -> float:
    """Run all steps of the network that process `first` is of, and stop Lava; gives their seconds.

    A failure ends the program, after its traceback was printed and `scratch` was removed.
    """
    stop_on_signals(scratch)
    try:
        first.create_runtime(
            run_cfg=Loihi2SimCfg(select_tag="fixed_pt"), compile_config={"pypy_channel_size": CHANNEL_SIZE}
        )
        started = time.perf_counter()
        for stage in stages:
            stage.before()
            first.run(condition=RunSteps(num_steps=stage.steps, blocking=False))
            watch.wait(first.runtime)
            first.wait()
        seconds = time.perf_counter() - started
        first.stop()
    except Exception as error:  # whatever it is, the processes of the network must not outlive it
        print(getattr(error, "trace", "") or traceback.format_exc(), file=sys.stderr)
        abandon(scratch)
    return seconds


class Watch:
    """Looks after a running network."""

    def __init__(self, steps: int, progress: Any, file: Path | None, with_parent: bool) -> None:
        """Write `progress.value`, the time step reached, to `file`; give up once the parent is gone."""
        self._steps, self.progress, self._file = steps, progress, file
        self._parent = os.getppid() if with_parent else None
        self._shown = -1

    def wait(self, runtime: Any) -> None:
        """Return when the run is over; raise RuntimeError where it will never end."""
        actors = runtime._messaging_infrastructure.actors
        response = runtime.service_to_runtime[0]
        while not response.probe():
            time.sleep(TICK)
            self._check(actors)
            self._show()
        if not enum_equal(response.peek(), MGMT_RESPONSE.DONE):
            show_failures(actors, PATIENCE)
            raise RuntimeError("a process of the network failed")
        self._show()

    def _check(self, actors: Sequence[Any]) -> None:
        if self._parent is not None and os.getppid() != self._parent:
            raise RuntimeError("the program that started run.py is gone")
        if show_failures(actors):
            raise RuntimeError("a process of the network failed")
        if not all(actor.is_alive() for actor in actors):
            show_failures(actors, PATIENCE)
            raise RuntimeError("a process of the network was killed; is there enough memory?")

    def _show(self) -> None:
        if self._file is not None and self.progress.value != self._shown:
            self._shown = self.progress.value
            self._file.write_text(f"{self._shown} {self._steps}\n", encoding="ascii")


def show_failures(actors: Sequence[Any], patience: float = 0.0) -> bool:
    """Print the tracebacks of processes that have raised, waiting up to `patience` seconds for the first."""
    end = time.monotonic() + patience
    while not (reports := [actor.exception for actor in actors if actor.exception]):
        if time.monotonic() >= end:
            return False
        time.sleep(TICK)
    for _, text in reports:
        print(text, file=sys.stderr)
    return True


def stop_on_signals(scratch: Path) -> None:
    """End this program and all processes of the network on Ctrl-C and on termination."""
    main_process = os.getpid()

    def handle(number: int, frame: object) -> None:
        if os.getpid() != main_process:  # a process of the network, which inherited this handler
            os._exit(128 + number)
        print(f"run.py: stopped by {signal.Signals(number).name}", file=sys.stderr)
        abandon(scratch)

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)


def abandon(scratch: Path) -> NoReturn:
    """End the processes of the network and this one, at once: Lava's own `stop` would wait for the dead."""
    children = multiprocessing.active_children()
    for child in children:
        child.kill()
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and any(child.is_alive() for child in children):
        time.sleep(TICK)
    shutil.rmtree(scratch, ignore_errors=True)
    sys.stderr.flush()
    os._exit(1)  # the resource tracker, a process that outlives this one, then removes the shared memory
