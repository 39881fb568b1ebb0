"""Running a program in a session of its own, so that whatever happens nothing of it is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
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


def run_program(command: Sequence[str], folder: Path, timeout: float, poll: Callable[[], None]) -> None:
    """Run `command` in `folder` and call `poll` every moment; raises ToolError where it fails or is late.

    Its output goes to files of `folder`, and so do its temporary files. Whether it ends, fails, is late, or
    this process is interrupted: when this function returns or raises, its whole process group is gone.
    """
    with (folder / "stdout.txt").open("wb") as out, (folder / "stderr.txt").open("wb") as err:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**clean_environment(), "TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        try:
            _wait(process, timeout, poll)
        finally:
            stop_group(process)
    if process.returncode != 0:
        raise ToolError(f"the Lava program ended with status {process.returncode}\n{tail(folder)}")


def clean_environment() -> dict[str, str]:
    """This process's environment without what steers Python: the program may run on another one."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def _wait(process: subprocess.Popen[bytes], timeout: float, poll: Callable[[], None]) -> None:
    end = time.monotonic() + timeout
    while True:
        try:
            process.wait(TICK)
        except subprocess.TimeoutExpired:
            poll()
        else:
            return
        if time.monotonic() > end:
            raise ToolError(
                f"the Lava program took longer than {timeout:g} seconds",
                hint="run fewer images, or set SNNCC_LAVA_TIMEOUT to more seconds",
            )


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


def tail(folder: Path) -> str:
    """The end of what the program printed to standard error."""
    text = (folder / "stderr.txt").read_text(encoding="utf-8", errors="replace").strip()
    lines = text[-TAIL_CHARACTERS:].splitlines()[-TAIL_LINES:]
    return "\n".join(lines) or "it printed no error"
