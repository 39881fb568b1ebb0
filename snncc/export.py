"""`snncc export`: a compiled network as a file for other simulators and chips."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snncc import __version__, artefact
from snncc.artefact import Artefact
from snncc.folder import replace_file
from snncc_backends import nir
from snncc_backends.lava import netx
from snncc_ir.codes import Exchange
from snncc_ir.errors import ArtefactError, TargetError
from snncc_ir.graph import Graph

HDF5 = b"\x89HDF\r\n\x1a\n"
"""How the files of all formats begin."""

Writer = Callable[[Graph, Mapping[str, str]], tuple[bytes, int, int]]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A file that was written: its nodes (netx: layers), the neurons among them, and its size in bytes."""

    file: Path
    form: Exchange
    nodes: int
    neurons: int
    size: int

    @property
    def plain(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "file": str(self.file),
            "format": self.form.value,
            "nodes": self.nodes,
            "neurons": self.neurons,
            "bytes": self.size,
        }


def export(path: Path, form: Exchange, file: Path, *, force: bool = False) -> Exported:
    """Write the artefact `path` as `file`, in one step.

    Raises ToolError where the format's package is not installed, TargetError where it cannot express the
    network, ArtefactError where the file cannot be written or replaced.
    """
    _check_free(file, form, force=force)
    writer = _writer(form)
    found = artefact.read(path)
    try:
        data, nodes, neurons = writer(found.graph, _notes(found))
    except TargetError as error:
        raise TargetError(error.what, where=str(path), hint=error.hint) from None
    try:
        replace_file(file, data)
    except OSError as error:
        raise ArtefactError(
            f"cannot be written ({error.strerror or error})",
            where=str(file),
            hint="check the rights and the space there",
        ) from error
    return Exported(file=file, form=form, nodes=nodes, neurons=neurons, size=len(data))


def _writer(form: Exchange) -> Writer:
    """What writes the format, loaded only here: its package is an extra."""
    where = f"--to {form.value}"
    if form is Exchange.NETX:
        netx.require(where)
        return importlib.import_module("snncc_backends.lava.netx.write").net_file
    nir.require(where)
    return importlib.import_module("snncc_backends.nir.write").nir_file


def _notes(found: Artefact) -> dict[str, str]:
    source = found.manifest["source"]
    return {
        "snncc": __version__,
        "source": source["file"],
        "source_sha256": source["sha256"],
        "pipeline": found.manifest["pipeline"],
    }


def _check_free(file: Path, form: Exchange, *, force: bool) -> None:
    """Refuse to replace what is no file of that kind, or what is one without `force`."""
    if not file.parent.is_dir():
        raise ArtefactError("its folder does not exist", where=str(file), hint="make it, or give another -o")
    if not file.exists():
        return
    if not force:
        raise ArtefactError(
            "exists already", where=str(file), hint="give --force to replace it, or another -o"
        )
    if not file.is_file() or not _begins_as_hdf5(file):
        raise ArtefactError(
            f"is no {form.value.upper()} file, so --force does not replace it",
            where=str(file),
            hint="give another -o",
        )


def _begins_as_hdf5(file: Path) -> bool:
    with file.open("rb") as handle:
        return handle.read(len(HDF5)) == HDF5
