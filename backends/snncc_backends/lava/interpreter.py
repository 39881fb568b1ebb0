"""Finding a Python that has lava-nc: Lava runs on 3.10 alone, so often it is not the one snncc runs on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

VARIABLE = "SNNCC_LAVA_PYTHON"
"""Names the interpreter to use, before all others."""

PACKAGE = "lava-nc"
ENVIRONMENT = ".venv-lava"
"""What `make setup` calls the environment that it makes for Lava."""

PROBE = f"import importlib.metadata; print(importlib.metadata.version({PACKAGE!r}))"
PROBE_SECONDS = 60

INSTALL = (
    f"run `make setup` in a checkout of snncc, or install {PACKAGE}==0.10.0 with Python 3.10 "
    f"and set {VARIABLE} to that interpreter"
)


@dataclass(frozen=True)
class Found:
    """The interpreter to run Lava with, or why there is none."""

    python: str | None
    missing: str | None


def find_interpreter() -> Found:
    """SNNCC_LAVA_PYTHON if it is set, else this interpreter, else the environment of `make setup`."""
    named = os.environ.get(VARIABLE)
    if named:
        if lava_version(named):
            return Found(named, None)
        return Found(None, f"{VARIABLE}={named} is no Python that has {PACKAGE}; {INSTALL}")
    if _this_has_lava():
        return Found(sys.executable, None)
    for python in _environments():
        if lava_version(str(python)):
            return Found(str(python), None)
    return Found(None, f"no Python with {PACKAGE} was found; {INSTALL}")


def _this_has_lava() -> bool:
    """Whether snncc itself runs on a Python that has Lava and can import it."""
    if platform.python_version_tuple()[:2] != ("3", "10"):
        return False
    try:
        importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _environments() -> Iterator[Path]:
    """The environments named .venv-lava beside or above this package and this interpreter.

    Never those of the working directory: it may be a folder that somebody else made.
    """
    starts = (Path(__file__).resolve().parent, Path(sys.prefix).resolve())
    folders = dict.fromkeys(folder for start in starts for folder in (start, *start.parents))
    for folder in folders:
        python = folder / ENVIRONMENT / "bin" / "python"
        if python.is_file():
            yield python


@cache
def lava_version(python: str) -> str | None:
    """Version of lava-nc that an interpreter has, without importing it; None where it does not run."""
    command = [python, "-I", "-c", PROBE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
