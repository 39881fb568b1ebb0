"""Finding the Python that an environment is made from.

Runs, as `setup.py` does, on any Python 3.7 or newer.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from programs import SetupError, quietly, run, say, uv

OLDEST, NEWEST_TESTED = (3, 10), (3, 13)
LAVA_VERSION = (3, 10)

PROBE = """
import importlib.util, os, sys
base = getattr(sys, "_base_executable", None) or sys.executable
if not base:
    sys.exit("a Python that does not know its own path")
venv = all(importlib.util.find_spec(name) for name in ("venv", "ensurepip"))
print(sys.version_info[0], sys.version_info[1], int(venv), os.path.realpath(base))
"""


class Interpreter(NamedTuple):
    """A Python that really runs; `path` is its base installation, never a virtual environment or a shim."""

    path: str
    version: tuple[int, int]
    has_venv: bool

    def __str__(self) -> str:
        """Version and path, as printed."""
        return "Python {}.{} ({})".format(*self.version, self.path)


def probe(command: str) -> Interpreter | None:
    """Run `command` and say which Python it is; None for what is missing, broken or a shim of nothing."""
    try:
        done = run([command, "-c", PROBE], timeout=60)
        major, minor, venv, path = done.stdout.decode().rstrip("\n").split(" ", 3)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return Interpreter(path, (int(major), int(minor)), venv == "1") if done.returncode == 0 else None


def pyenv_pythons(version: tuple[int, int]) -> list[str]:
    """Interpreters of one version in pyenv's folder, newest first; its shims run only the global versions."""
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"

    def patch(folder: Path) -> int:
        number = folder.name.rsplit(".", 1)[-1]
        return int(number) if number.isdigit() else -1

    folders = sorted(versions.glob("{}.{}.*".format(*version)), key=patch, reverse=True)
    return [str(folder / "bin" / "python") for folder in folders]


def versions_newest_first() -> list[tuple[int, int]]:
    """The versions that the project is tested on."""
    return [(3, minor) for minor in range(NEWEST_TESTED[1], OLDEST[1] - 1, -1)]


def candidates(versions: Iterable[tuple[int, int]]) -> Iterator[str]:
    """Commands worth probing, in order of preference."""
    yield "python3"
    for version in versions:
        yield "python{}.{}".format(*version)
        yield from pyenv_pythons(version)


def can_build(python: Interpreter) -> bool:
    """Whether an environment can be made from it: uv needs no `venv` module."""
    return python.has_venv or uv() is not None


def project_python() -> Interpreter:
    """The interpreter for `.venv`: PYTHON if set, else the first that fits, tested versions before newer."""
    if os.environ.get("PYTHON"):
        return named_python(os.environ["PYTHON"])
    found = [python for python in map(probe, candidates(versions_newest_first())) if python]
    fitting = [python for python in found if python.version >= OLDEST]
    usable = [python for python in fitting if can_build(python)]
    for python in sorted(usable, key=lambda python: python.version > NEWEST_TESTED):
        return python
    if fitting:
        raise SetupError(no_venv_module(fitting[0]))
    raise SetupError("no Python 3.10 or newer found. Install one, or name it: make setup PYTHON=...")


def named_python(command: str) -> Interpreter:
    """The interpreter that the user named, or the reason why it will not do."""
    python = probe(command)
    if python is None:
        raise SetupError(f"PYTHON={command} does not run. Name a Python 3.10 or newer.")
    if python.version < OLDEST:
        raise SetupError(f"PYTHON={command} is {python}. snncc needs 3.10 or newer.")
    if not can_build(python):
        raise SetupError(no_venv_module(python))
    return python


def no_venv_module(python: Interpreter) -> str:
    """The message for Debian's Python without its venv package."""
    message = "{} has no venv module. On Debian and Ubuntu: apt install python{}.{}-venv"
    return message.format(python, *python.version)


def lava_python(download: bool) -> Interpreter | None:
    """A Python 3.10: PYTHON, PATH and pyenv first, then one that uv manages or, if allowed, downloads."""
    named = [os.environ["PYTHON"]] if os.environ.get("PYTHON") else []
    for python in map(probe, [*named, *candidates([LAVA_VERSION])]):
        if python and python.version == LAVA_VERSION and can_build(python):
            return python
    return uv_python(download)


def uv_python(download: bool) -> Interpreter | None:
    """A Python 3.10 that uv manages."""
    program, version = uv(), "{}.{}".format(*LAVA_VERSION)
    if program is None:
        return None
    if download:
        say(f"asking uv for Python {version}")
        quietly([program, "python", "install", version], check=False)
    find = [program, "python", "find", "--python-preference", "only-managed", version]
    found = run(find)
    return probe(found.stdout.decode().strip()) if found.returncode == 0 else None
