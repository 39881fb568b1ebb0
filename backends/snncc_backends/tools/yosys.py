"""Yosys: runs a script over a design, in a process of its own."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from snncc_backends.tools.design import Design
from snncc_backends.tools.found import Found, Missing, Tool, named_by, on_path, package_version
from snncc_backends.tools.run import run_tool, write_files

NAME = "Yosys"
VARIABLE = "SNNCC_YOSYS"
PACKAGE = "pyosys"
INSTALL = (
    "run `make setup` in a checkout of snncc, or pip install pyosys==0.70; "
    f"{VARIABLE} names a yosys program that is not on PATH"
)
SECONDS = 3600.0
SCRIPT = "flow.ys"

LIBRARY = (
    "import sys; sys.path.insert(0, sys.argv[1]); from pyosys import libyosys; "
    "libyosys.run_pass('script ' + sys.argv[3], libyosys.Design())"
)
"""Does what the program `yosys -s SCRIPT` does; run isolated, so it is told where the package is."""


def find_yosys() -> Found:
    """The one that SNNCC_YOSYS names, else the package pyosys of this Python, else yosys on PATH."""
    found = named_by(VARIABLE, NAME, INSTALL) or _from_package() or on_path(NAME, "yosys")
    return found or Missing(name=NAME, why="Yosys was not found", install=INSTALL)


def _from_package() -> Tool | None:
    spec, version = importlib.util.find_spec(PACKAGE), package_version(PACKAGE)
    if spec is None or spec.origin is None or version is None:
        return None
    site = str(Path(spec.origin).parent.parent)
    return Tool(name=NAME, command=(sys.executable, "-I", "-c", LIBRARY, site), version=version)


def run_yosys(yosys: Tool, design: Design, folder: Path, passes: Sequence[str]) -> None:
    """Read a design into Yosys and run passes on it; what they write lies in `folder`."""
    script = "\n".join((*read_passes(design), *passes, ""))
    write_files(folder, {**design.files, SCRIPT: script.encode("ascii")})
    run_tool(yosys, folder, "-s", SCRIPT, seconds=SECONDS)


def read_passes(design: Design) -> tuple[str, ...]:
    """The passes that read the design, each module only with the parameters that it is used with."""
    defines = "".join(f"-D{name} " for name in design.defines)
    parameters = "".join(f" -chparam {name} {value}" for name, value in design.parameters.items())
    return (
        f"read_verilog -sv -defer {defines}{' '.join(design.sources)}",
        f"hierarchy -check -top {design.top}{parameters}",
    )
