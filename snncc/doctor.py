"""What can run on this machine, and what to install for the rest."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from snncc import __version__, report
from snncc.shards import require_cluster
from snncc.sim.native.library import NativeError, native, threads
from snncc.targets import load_target, target_names
from snncc_backends import nir
from snncc_backends.lava import netx
from snncc_ir.backend import Backend
from snncc_ir.errors import SnnccError
from snncc_ir.hardware import Stage

COLUMNS = ("part", "for", "state")


@dataclass(frozen=True, kw_only=True)
class Part:
    """Something that snncc uses: what it is for, and what is missing (None: it can run)."""

    name: str
    use: str
    missing: str | None
    detail: str = ""

    @property
    def row(self) -> tuple[str, str, str]:
        """A line of the table."""
        return self.name, self.use, self.detail or "ready" if self.missing is None else self.missing


def examine() -> tuple[Part, ...]:
    """Every part, in the order in which a user meets them."""
    targets = (part for name in target_names() for part in _target(load_target(name)))
    return (
        _native(),
        _extra("nir", "export --to nir, compile of .nir files", nir.require),
        _extra("netx", "export --to netx", netx.require),
        _extra("report", "report, sweep --plot", report.require),
        _extra("dask", "simulate --scheduler, sweep --scheduler", require_cluster),
        *targets,
    )


def as_plain(parts: tuple[Part, ...]) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "snncc": __version__,
        "python": platform.python_version(),
        "parts": [asdict(part) for part in parts],
    }


def headline() -> str:
    """This installation in one line."""
    return (
        f"snncc {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    )


def _native() -> Part:
    use = "simulate, verify (without it the portable engine)"
    try:
        found = native()
    except NativeError as error:
        return Part(name="native engine", use=use, missing=str(error))
    return Part(name="native engine", use=use, missing=None, detail=f"{found.kernels}, {threads()} threads")


def _extra(name: str, use: str, require: Callable[[str], None]) -> Part:
    """An extra, by what raises where its packages are not installed."""
    try:
        require("")
    except SnnccError as error:
        return Part(name=name, use=use, missing=str(error))
    return Part(name=name, use=use, missing=None)


def _target(backend: Backend) -> Iterator[Part]:
    for engine in backend.engines:
        use = f"simulate --engine {engine.name}, verify of --target {backend.name}"
        yield Part(name=f"engine {engine.name}", use=use, missing=engine.missing())
    builder = backend.builder
    if builder is not None:
        device = next(iter(backend.machines))
        for stage in Stage:
            yield Part(
                name=f"{backend.name} {stage.value}",
                use=f"build --stage {stage.value}",
                missing=builder.missing(stage, device),
            )
