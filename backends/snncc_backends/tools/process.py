"""Running a program in a session of its own, so that whatever happens nothing of it is left behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from snncc_ir.errors import ToolError

TICK = 0.05
"""Seconds between two looks at the program."""

GRACE = 10.0
"""Seconds that a program gets to end itself before it is killed."""

PROC = Path("/proc")
"""Where Linux tells about processes; other systems have no such folder."""

TAIL_LINES, TAIL_CHARACTERS = 40, 8000
"""How much of what a program printed is shown when it fails."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of a program: what messages call it, its command line, its folder, and its time in seconds."""

    name: str
    command: tuple[str, ...]
    folder: Path
    timeout: float
    if_late: str
    """What the user can do where the time is too short."""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """The file that gets all that the program prints."""
        return self.folder / f"{re.sub(r'[^a-z0-9]+', '-', self.name.lower())}.log"

    def tail(self) -> str:
        """The end of what the program printed."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            text = ""
        lines = text[-TAIL_CHARACTERS:].splitlines()[-TAIL_LINES:]
        return "\n".join(lines) or "it printed nothing"


def do_nothing() -> None:
    """What a caller without progress to show does while a program runs."""


def run_job(job: Job, poll: Callable[[], None] = do_nothing) -> None:
    """Run a program and call `poll` every moment; raises ToolError where it fails, is late or does not start.

    Its temporary files go to the job's folder. Whether it ends, fails, is late, or this process is
    interrupted: when this function returns or raises, its whole process group is gone.
    """
    with job.log.open("wb") as log:
        try:
            process = subprocess.Popen(
                job.command,
                cwd=job.folder,
                env={**clean_environment(), **job.environment, "TMPDIR": str(job.folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ToolError(f"{job.name} does not start: {job.command[0]}: {error.strerror}") from error
        try:
            _wait(job, process, poll)
        finally:
            stop_group(process)
    if process.returncode != 0:
        raise ToolError(f"{job.name} ended with status {process.returncode}\n{job.tail()}")


def clean_environment() -> dict[str, str]:
    """This process's environment without what steers Python: the program may run on another one."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def _wait(job: Job, process: subprocess.Popen[bytes], poll: Callable[[], None]) -> None:
    end = time.monotonic() + job.timeout
    while True:
        try:
            process.wait(TICK)
        except subprocess.TimeoutExpired:
            poll()
        else:
            return
        if time.monotonic() > end:
            raise ToolError(f"{job.name} took longer than {job.timeout:g} seconds", hint=job.if_late)


def seconds_from(variable: str, default: float) -> float:
    """A time limit: what an environment variable says, else `default`."""
    named = os.environ.get(variable)
    if not named:
        return default
    try:
        return float(named)
    except ValueError:
        raise ToolError(f"{variable}={named} is no number of seconds") from None


def stop_group(process: subprocess.Popen[bytes]) -> None:
    """End every process of the program's group: ask first, so that shared memory is removed, then kill."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        process.poll()  # collects the leader if it has ended
        if not _is_alive(process.pid):
            break
        _signal_group(process.pid, number)
        end = time.monotonic() + GRACE
        while time.monotonic() < end and _is_alive(process.pid):
            time.sleep(TICK / 5)
            process.poll()
    process.wait()


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
        os.killpg(group, signal.SIGCONT)  # a stopped process would not see the first signal


def _is_alive(group: int) -> bool:
    """Whether a process of the group still runs; those that wait to be collected do not count."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS, where only ended processes are left
        return False
    members = list(_members(group))
    return any(state != "Z" for state in members) if members else not PROC.is_dir()


def _members(group: int) -> Iterator[str]:
    """The state of every process of the group, on systems that have /proc."""
    for stat in PROC.glob("[0-9]*/stat"):
        try:
            text = stat.read_text(encoding="utf-8", errors="replace")
        except OSError:  # it has just gone
            continue
        # "pid (name) state parent group ...", where the name may hold anything
        state, _, own_group = text.rpartition(")")[2].split()[:3]
        if int(own_group) == group:
            yield state
