"""Running other programs for `setup.py`: what they print is shown only where they fail."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

UNREACHABLE = re.compile(
    r"name resolution|Name or service not known|NewConnectionError|Failed to establish a new connection"
    r"|Network is unreachable|dns error|Connection refused|ConnectTimeout|Read timed out|Max retries exceeded"
    r"|nodename nor servname|error sending request",
    re.IGNORECASE,
)


class SetupError(Exception):
    """What cannot be done, and what to do about it."""


def uv() -> str | None:
    """The uv program, if it is to be used."""
    return shutil.which(os.environ.get("UV", "uv"))


def run(command: Sequence[str], timeout: float | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run a command for its output and exit status."""
    output, silent = subprocess.PIPE, subprocess.DEVNULL
    return subprocess.run(command, stdin=silent, stdout=output, stderr=silent, timeout=timeout, check=False)


def quietly(command: Sequence[str], check: bool = True) -> None:
    """Run a command and show what it printed only if it failed."""
    environment = dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1", PYTHONUNBUFFERED="1")
    environment.pop("VIRTUAL_ENV", None)
    environment.setdefault("PIP_RETRIES", "2")
    environment.setdefault("UV_HTTP_RETRIES", "2")
    done = subprocess.run(
        command,
        env=environment,
        cwd=str(ROOT),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if not check or done.returncode == 0:
        return
    output = done.stdout.decode(errors="replace").rstrip()
    if UNREACHABLE.search(output):
        raise SetupError("the package index cannot be reached. Check the network, then run the same again.")
    raise SetupError(f"this command failed with exit status {done.returncode}: {' '.join(command)}\n{output}")


def say(text: str) -> None:
    """Print one line of progress."""
    print(f"setup: {text}", flush=True)
