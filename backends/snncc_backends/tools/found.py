"""Where a tool is, or what to say where it is not."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TypeAlias

from snncc_backends.tools.process import clean_environment
from snncc_ir.errors import ToolError

PROBE_SECONDS = 300
"""How long a tool may take to tell its version: the first run of a YoWASP tool compiles it."""

VERSION = re.compile(r"\d+\.\d+[\w.+-]*")


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A program that is there: how it is called, and what it needs in its environment.

    A tool whose package tells the version has it in `version`; the others are asked by `version_of`.
    """

    name: str
    command: tuple[str, ...]
    version: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A program that is not there; as text, the message that says so and what to do."""

    name: str
    why: str
    install: str

    def __str__(self) -> str:
        return f"{self.why}; {self.install}"


Found: TypeAlias = Tool | Missing


def need(found: Found) -> Tool:
    """The tool; raises ToolError with the message where it is missing."""
    match found:
        case Missing():
            raise ToolError(str(found))
        case Tool():
            return found


def first_missing(*found: Found) -> str | None:
    """What to say of the first of the tools that is missing; None where all are there."""
    return next((str(tool) for tool in found if isinstance(tool, Missing)), None)


def named_by(variable: str, name: str, install: str) -> Found | None:
    """The tool that an environment variable names, perhaps with arguments; None where it is not set."""
    text = os.environ.get(variable, "").strip()
    if not text:
        return None
    try:
        command = tuple(shlex.split(text))
    except ValueError:
        command = (text,)
    path = shutil.which(command[0])
    if path is None:
        return Missing(name=name, why=f"{variable}={text} is no program", install=install)
    return Tool(name=name, command=(path, *command[1:]))


def on_path(name: str, *programs: str) -> Tool | None:
    """The first of some programs that is on PATH."""
    paths = (shutil.which(program) for program in programs)
    return next((Tool(name=name, command=(path,)) for path in paths if path), None)


def package_version(package: str) -> str | None:
    """Version of a distribution in this Python; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def version_of(tool: Tool) -> str:
    """What a tool says of its version, or the version of its package."""
    return tool.version or _ask(tool.command, tuple(tool.environment.items()))


@cache
def _ask(command: tuple[str, ...], environment: tuple[tuple[str, str], ...]) -> str:
    try:
        done = subprocess.run(
            [*command, "--version"],
            env={**clean_environment(), **dict(environment)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{command[0]} --version fails: {error}") from error
    found = VERSION.search(done.stdout + done.stderr)
    if done.returncode != 0 or found is None:
        raise ToolError(f"{command[0]} --version tells no version")
    return found.group()
