"""Place and route with nextpnr, and ECP5 bitstreams with ecppack."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snncc_backends.tools.cache import cache_folder
from snncc_backends.tools.device import Device, Family
from snncc_backends.tools.found import Found, Missing, Tool, named_by, on_path, package_version, version_of
from snncc_backends.tools.run import run_tool
from snncc_backends.tools.synthesis import NETLIST
from snncc_ir.errors import TargetError, ToolError

PACKAGES = {"ecp5": "0.11.1.0.post826", "ice40": "0.11.1.0.post826"}
"""Versions of the packages yowasp-nextpnr-*, which are nextpnr and the packers as WebAssembly."""

SECONDS = 7200.0
REPORT, CONFIGURATION, BITSTREAM = "nextpnr.json", "routed.config", "design.bit"


@dataclass(frozen=True, kw_only=True)
class Usage:
    """How much of something a routed design takes, and how much the device has."""

    used: int
    available: int


@dataclass(frozen=True, kw_only=True)
class Routed:
    """A placed and routed design: highest clock in MHz, and every kind of cell of the device that it uses."""

    device: Device
    fmax_mhz: float
    usage: Mapping[str, Usage]
    seed: int
    nextpnr: str
    seconds: float


def find_nextpnr(family: Family) -> Found:
    """nextpnr for a family: SNNCC_NEXTPNR_*, else the package of this Python, else PATH."""
    if family is Family.XILINX:
        why = "there is no open place and route for Xilinx devices here"
        return Missing(name="nextpnr", why=why, install="choose an ECP5 device")
    return _find(family.value, "nextpnr", f"nextpnr-{family.value}", f"run_nextpnr_{family.value}")


def find_ecppack() -> Found:
    """The packer of ECP5 bitstreams: SNNCC_ECPPACK, else the package of this Python, else PATH."""
    return _find("ecp5", "ecppack", "ecppack", "run_ecppack")


def _find(family: str, name: str, program: str, function: str) -> Found:
    package = f"yowasp-nextpnr-{family}"
    variable = f"SNNCC_{program.upper().replace('-', '_')}"
    install = (
        f"run `make setup` in a checkout of snncc, or pip install {package}=={PACKAGES[family]}; "
        f"{variable} names one that is not on PATH"
    )
    found = (
        named_by(variable, name, install) or _from_package(package, name, function) or on_path(name, program)
    )
    return found or Missing(name=name, why=f"{program} was not found", install=install)


def _from_package(package: str, name: str, function: str) -> Tool | None:
    module, version = package.replace("-", "_"), package_version(package)
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None or version is None:
        return None
    call = (
        f"import sys; sys.path.insert(0, sys.argv[1]); import {module}; "
        f"sys.exit({module}.{function}(sys.argv[2:]))"
    )
    site = str(Path(spec.origin).parent.parent)
    return Tool(name=name, command=(sys.executable, "-I", "-c", call, site), version=version)


def place_and_route(
    nextpnr: Tool, device: Device, folder: Path, *, seed: int = 1, target_mhz: float = 100.0
) -> Routed:
    """Place and route the NETLIST that `synthesise` left in `folder`; CONFIGURATION is what it becomes.

    Pins are placed anywhere. A clock below `target_mhz` is no error: the result says what was reached.
    """
    started = time.monotonic()
    with _one_at_a_time():
        version = version_of(nextpnr)
        _warm_up(nextpnr, folder)
    run_tool(nextpnr, folder, *_options(device, seed, target_mhz), seconds=SECONDS)
    fmax, usage = _read_report(folder / REPORT)
    return Routed(
        device=device,
        fmax_mhz=fmax,
        usage=usage,
        seed=seed,
        nextpnr=version,
        seconds=time.monotonic() - started,
    )


def _options(device: Device, seed: int, target_mhz: float) -> tuple[str, ...]:
    output, pins = ("--textcfg", "lpf") if device.family is Family.ECP5 else ("--asc", "pcf")
    speed = () if device.speed is None else ("--speed", str(device.speed))
    return (
        *(device.option, "--package", device.package, *speed),
        *("--json", NETLIST, output, CONFIGURATION, "--report", REPORT),
        *("--seed", str(seed), "--freq", f"{target_mhz:g}"),
        *(f"--{pins}-allow-unconstrained", "--timing-allow-fail"),
    )


def pack(ecppack: Tool, folder: Path) -> Path:
    """The bitstream of the ECP5 design that `place_and_route` left in `folder`."""
    with _one_at_a_time():
        run_tool(ecppack, folder, "--compress", CONFIGURATION, BITSTREAM, seconds=SECONDS)
    return folder / BITSTREAM


def _warm_up(nextpnr: Tool, folder: Path) -> None:
    """A YoWASP program compiles itself at its first run, and writes where a second one may be reading."""
    run_tool(nextpnr, folder, "--version", seconds=SECONDS)


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    folder = cache_folder()
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "nextpnr.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read_report(file: Path) -> tuple[float, dict[str, Usage]]:
    try:
        report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        clocks = [float(clock["achieved"]) for clock in report["fmax"].values()]
        usage = {
            str(name): Usage(used=int(entry["used"]), available=int(entry["available"]))
            for name, entry in report["utilization"].items()
            if entry["used"]
        }
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ToolError(f"nextpnr wrote no report ({error!r})") from error
    if not clocks:
        raise TargetError("the design has no clock, so nothing limits its frequency")
    return min(clocks), usage
