"""Hardware from an artefact: its files are emitted afresh, compared, and taken through the target's tools."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snncc import artefact
from snncc.emitted import check_target_files, machine_of
from snncc.folder import replace_folder
from snncc.golden import golden_inputs
from snncc.targets import load_target
from snncc_ir.errors import ArtefactError, SnnccError, TargetError, ToolError
from snncc_ir.hardware import Hardware, Stage
from snncc_ir.progress import Watch, no_watch

REPORT = "report.json"
KIND = "snncc build"


@dataclass(frozen=True, kw_only=True)
class Build:
    """What the tools made of an artefact, and the folder that it lies in."""

    hardware: Hardware
    folder: Path
    seconds: float

    @property
    def plain(self) -> dict[str, Any]:
        """What `--json` prints."""
        report = {
            name: value for name, value in self.hardware.report.items() if name not in ("kind", "tools")
        }
        return {**report, "folder": str(self.folder), "seconds": round(self.seconds, 3)}


def build(
    path: Path,
    stage: Stage,
    *,
    device: str | None = None,
    folder: Path | None = None,
    force: bool = False,
    watch: Watch = no_watch,
) -> Build:
    """Build for `device` (default: the artefact's chip) into `folder` (default: beside the artefact).

    Nothing in the artefact is run: what the tools read is emitted from its graph. Raises ArtefactError where
    its files were changed, ToolError where a tool is missing or fails.
    """
    start = time.perf_counter()
    folder = folder or path.with_suffix(".build")
    _check_free(folder, path, force=force)
    found = artefact.read(path)
    backend, machine = load_target(str(found.manifest["target"])), machine_of(found)
    builder = backend.builder
    if builder is None:
        raise TargetError(
            f"is for target {backend.name}, of which no hardware is built",
            where=str(path),
            hint="compile with --target fpga",
        )
    device = device or machine.name
    if device not in builder.devices:
        raise TargetError(
            f"no device is called {device!r}",
            where="--device",
            hint=f"there are {', '.join(builder.devices)}",
        )
    missing = builder.missing(stage, device)
    if missing:
        raise ToolError(missing, where=f"--stage {stage.value}")
    check_target_files(found)
    inputs = golden_inputs(found.golden)
    hardware = builder.build(found.graph, machine, inputs, device, stage, watch("build"))
    replace_folder(folder, hardware.files, lambda: _check_free(folder, path, force=force))
    return Build(hardware=hardware, folder=folder, seconds=time.perf_counter() - start)


def _check_free(folder: Path, path: Path, *, force: bool) -> None:
    """Refuse a folder that holds anything but an earlier build, or lies in the artefact."""
    if folder.resolve().is_relative_to(path.resolve()):
        raise SnnccError(
            "lies in the artefact, which holds nothing else", where=str(folder), hint="give another -o"
        )
    if not folder.exists() and not folder.is_symlink():
        return
    if not force:
        raise ArtefactError(
            "exists already", where=str(folder), hint="give --force to replace it, or another -o"
        )
    if folder.is_symlink() or not _is_build(folder):
        raise ArtefactError(
            "is no snncc build, so --force does not replace it", where=str(folder), hint="give another -o"
        )


def _is_build(folder: Path) -> bool:
    try:
        report = json.loads((folder / REPORT).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(report, dict) and report.get("kind") == KIND
