"""The C++ compiler of the system: g++, or clang++."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from snncc_backends.tools.cache import cached, digest
from snncc_backends.tools.found import Found, Missing, Tool, named_by, on_path, version_of
from snncc_backends.tools.run import run_tool, write_files

NAME = "the C++ compiler"
INSTALL = "install g++ (Debian and Ubuntu: apt install g++), or name a C++ compiler in CXX"
SECONDS = 900.0


def find_compiler() -> Found:
    """The compiler that CXX names, else g++, clang++ or c++ on PATH."""
    found = named_by("CXX", NAME, INSTALL) or on_path(NAME, "g++", "clang++", "c++")
    return found or Missing(name=NAME, why="no C++ compiler was found", install=INSTALL)


def compile_cpp(compiler: Tool, folder: Path, *arguments: str) -> None:
    """Run the compiler in `folder`; raises ToolError with the end of what it printed."""
    run_tool(compiler, folder, *arguments, seconds=SECONDS)


def build_cpp(
    compiler: Tool, folder: Path, files: Mapping[str, bytes], flags: Sequence[str], program: str
) -> Path:
    """Write `files` into `folder` and build those that end in .cpp into the executable `program` there.

    It comes out of the user's cache where the same files were built before, and writing them is left out
    of no run: the program may read them.
    """
    write_files(folder, files)
    sources = sorted(name for name in files if name.endswith(".cpp"))
    arguments = (*flags, *sources, "-o", program)
    parts = [part for name in sorted(files) for part in (name, files[name])]
    target = folder / program
    key = digest("c++", host(compiler), *arguments, *parts)
    cached(key, target, lambda: compile_cpp(compiler, folder, *arguments))
    return target


def host(compiler: Tool) -> str:
    """What a binary depends on beside its sources: the compiler, the system and the processor."""
    return " ".join((*compiler.command, version_of(compiler), platform.platform()))
