"""The artefact: a folder that holds a compiled network, written in one step and read without trust."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from snncc.folder import replace_folder
from snncc_ir import store
from snncc_ir.errors import ArtefactError
from snncc_ir.graph import Graph

FORMAT = 1
KIND = "snncc artefact"

MANIFEST = "manifest.json"
GRAPH = "graph.json"
TENSORS = "tensors.npz"
GOLDEN = "golden.npz"

MAX_FILE = 2**31
"""Bytes of the largest file that is read."""

AGAIN = "compile the model again"
GIVE = "give the folder that `snncc compile` wrote"
RIGHTS = "check its permissions"

CACHE = "__pycache__"
"""Where Python keeps compiled modules; it would run them in place of the listed ones."""

Manifest = dict[str, Any]

NOTES = {
    "snncc": "",
    "source.file": "",
    "source.sha256": "",
    "target": "",
    "chip": "",
    "pipeline": "",
    "input": "",
    "outputs": {"": ""},
    "calibration.kind": "",
    "calibration.images": 0,
    "calibration.digests": [""],
}
"""The entries of a manifest that others rely on, with a value of the type that each must have."""


@dataclass(frozen=True)
class Artefact:
    """A compiled network as read from `path`: all of it agrees with the manifest's digests.

    `files` are the target's own files by relative path: bytes to compare, never to run.
    """

    path: Path
    manifest: Manifest
    graph: Graph
    golden: Mapping[str, Any]
    files: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """The sha256 of the manifest, which holds those of all files."""
        return hashlib.sha256(json.dumps(self.manifest, sort_keys=True).encode()).hexdigest()


def write(
    path: Path,
    graph: Graph,
    golden: Mapping[str, Any],
    files: Mapping[str, bytes],
    notes: Manifest,
    *,
    force: bool,
) -> None:
    """Write the artefact, replacing an earlier one only if `force`; nothing half-written stays behind.

    `notes` are the manifest's entries beside the format and the files.
    """
    graph_json, tensors = store.write_graph(graph)
    content = {GRAPH: graph_json, TENSORS: tensors, GOLDEN: store.write_arrays(golden), **files}
    manifest = {"kind": KIND, "format": FORMAT, **notes, "files": _describe(content)}
    content[MANIFEST] = json.dumps(manifest, indent=1, allow_nan=False).encode() + b"\n"
    check_free(path, force=force)
    replace_folder(path, content, lambda: check_free(path, force=force))


def check_free(path: Path, *, force: bool) -> None:
    """Raise ArtefactError unless an artefact may be written to `path`."""
    if not path.exists() and not path.is_symlink():
        return
    if not force:
        raise ArtefactError(
            "exists already", where=str(path), hint="give --force to replace it, or another -o"
        )
    if not path.is_dir() or path.is_symlink() or not _is_artefact(path):
        raise ArtefactError(
            "is no snncc artefact, so --force does not replace it", where=str(path), hint="give another -o"
        )


def damaged(file: Path, how: str) -> ArtefactError:
    """The error of a file that is not what was written."""
    return ArtefactError(f"is damaged: {how}", where=str(file), hint=AGAIN)


def _is_artefact(path: Path) -> bool:
    try:
        _read_manifest(path)
        return True
    except ArtefactError:
        return False


def _describe(content: Mapping[str, bytes]) -> dict[str, Any]:
    return {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in sorted(content.items())
    }


def read(path: Path) -> Artefact:
    """Read and verify an artefact; raises ArtefactError with the name of the file that is wrong."""
    if not path.exists():
        raise ArtefactError("no such artefact", where=str(path), hint=GIVE)
    if not path.is_dir():
        raise ArtefactError("is no artefact folder", where=str(path), hint=GIVE)
    manifest = _read_manifest(path)
    _check_notes(manifest, path / MANIFEST)
    entries = manifest["files"]
    if not isinstance(entries, dict) or not {GRAPH, TENSORS, GOLDEN} <= entries.keys():
        raise damaged(path / MANIFEST, "it does not list its files")
    content = {name: _read_listed(path, name, entry) for name, entry in entries.items()}
    _refuse_unlisted(path, {MANIFEST, *entries})
    graph = store.read_graph(content.pop(GRAPH), content.pop(TENSORS), str(path))
    if not set(manifest["outputs"].values()) <= set(graph.outputs):
        raise damaged(path / MANIFEST, "its entry outputs names no outputs")
    golden = store.read_arrays(content.pop(GOLDEN), str(path / GOLDEN))
    _check_golden(golden, path / GOLDEN)
    return Artefact(path, manifest, graph, golden, content)


def _check_notes(manifest: Manifest, file: Path) -> None:
    """Whoever uses a note may then trust its type."""
    for key, example in NOTES.items():
        value: object = manifest
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if not _is_like(value, example):
            raise damaged(file, f"its entry {key} is missing or of another type")


def _is_like(value: object, example: object) -> bool:
    if type(value) is not type(example):  # no isinstance: JSON's true would pass for a number
        return False
    items = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return all(isinstance(item, str) for item in items)


def _refuse_unlisted(path: Path, listed: set[str]) -> None:
    """Refuse what no digest covers: a module beside lava/run.py would run with it."""
    for found in _entries(path):
        if found.relative_to(path).as_posix() in listed:
            continue
        if found.parent.name == CACHE:
            raise ArtefactError(
                "holds compiled code that the manifest does not list",
                where=str(found.parent),
                hint="Python leaves it where lava/run.py was run; delete that folder",
            )
        raise ArtefactError(
            "is not listed in the manifest", where=str(found), hint="delete it, or compile the model again"
        )


def _entries(path: Path) -> Iterator[Path]:
    """Every file and every link below `path`; links are not followed."""

    def refuse(error: OSError) -> None:
        where = str(error.filename)
        raise ArtefactError(f"cannot be read ({error.strerror})", where=where, hint=RIGHTS) from error

    for place, folders, files in os.walk(path, onerror=refuse):
        here = Path(place)
        links = [name for name in folders if (here / name).is_symlink()]
        yield from (here / name for name in sorted([*files, *links]))


def _check_golden(golden: Mapping[str, Any], file: Path) -> None:
    """Without an image, or with fractions that are rounded away, a comparison would prove nothing."""
    if not golden:
        raise damaged(file, "it holds no arrays")
    for name, values in golden.items():
        if values.dtype.kind not in "iu":
            raise damaged(file, f"{name!r:.80} does not hold integers")
        if values.ndim == 0 or len(values) == 0:
            raise damaged(file, f"{name!r:.80} holds no images")


def _read_manifest(path: Path) -> Manifest:
    file = path / MANIFEST
    if not file.is_file():
        raise ArtefactError(f"is no snncc artefact: it has no {MANIFEST}", where=str(path), hint=GIVE)
    try:
        manifest = json.loads(_read_file(file))
    except (ValueError, RecursionError) as error:
        raise damaged(file, str(error)) from error
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND or "files" not in manifest:
        raise ArtefactError("belongs to no snncc artefact", where=str(file), hint=GIVE)
    if not isinstance(manifest.get("format"), int):
        raise damaged(file, "its format is no number")
    if manifest["format"] != FORMAT:
        raise ArtefactError(
            f"has format {manifest['format']!r:.20}; this version reads format {FORMAT}",
            where=str(file),
            hint=AGAIN,
        )
    return manifest


def _read_listed(path: Path, name: str, entry: object) -> bytes:
    pure = PurePosixPath(name)
    odd = str(pure) != name or "\\" in name or "\0" in name  # "a//b" is a second name of "a/b"
    if odd or pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise damaged(path / MANIFEST, f"it lists the unsafe path {name!r:.80}")
    file = path / pure
    if not _is_plain(path, pure):
        raise ArtefactError("is missing or no plain file", where=str(file), hint=AGAIN)
    if not isinstance(entry, dict) or file.stat().st_size != entry.get("bytes"):
        raise damaged(file, "its size is not what the manifest says")
    data = _read_file(file)
    if hashlib.sha256(data).hexdigest() != entry.get("sha256"):
        raise damaged(file, "its content is not what the manifest says")
    return data


def _is_plain(path: Path, pure: PurePosixPath) -> bool:
    try:
        return (path / pure).is_file() and (path / pure).resolve() == path.resolve() / pure
    except (OSError, ValueError):  # a name that is too long, or that the system cannot have
        return False


def _read_file(file: Path) -> bytes:
    try:
        if file.stat().st_size > MAX_FILE:
            raise ArtefactError(f"is larger than {MAX_FILE} bytes", where=str(file), hint=AGAIN)
        return file.read_bytes()
    except OSError as error:
        raise ArtefactError(f"cannot be read ({error.strerror})", where=str(file), hint=RIGHTS) from error


def check_emitted(artefact: Artefact, emitted: Mapping[str, bytes]) -> None:
    """Raise ArtefactError where the target's files are not what its graph emits to.

    A changed file is never run: engines emit afresh from the graph into a private folder.
    """
    for name in sorted(emitted.keys() | artefact.files.keys()):
        if emitted.get(name) != artefact.files.get(name):
            raise ArtefactError(
                "is not what this artefact's graph emits to",
                where=str(artefact.path / name),
                hint="it was changed, or written by another version of snncc; compile the model again",
            )
