"""External data: weights kept in files beside the model, read only from inside the model's folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import onnx
from onnx import TensorProto

from snncc.frontend.stored_tensors import byte_count, every_tensor
from snncc_ir.errors import ModelError

MAX_BYTES = 2**31 - 1
"""Protocol buffers, and so ONNX Runtime's in-memory models, end there."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where in which file a tensor's bytes are; length None means the rest of the file."""

    location: str
    offset: int
    length: int | None


def embed(graph: onnx.GraphProto, folder: Path) -> dict[str, str]:
    """Read all external data into the graph's tensors; gives sha256 by location."""
    digests: dict[str, str] = {}
    room = MAX_BYTES
    for name, tensor in every_tensor(graph):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        span = _span(name, tensor)
        path = _inside(name, span.location, folder)
        data = _read(name, tensor, path, span, room)
        room -= len(data)
        if span.location not in digests:
            digests[span.location] = _digest(path)
        tensor.raw_data = data
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]
    return digests


def _span(name: str, tensor: TensorProto) -> Span:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    try:
        offset = int(entries.get("offset", "0"))
        length = int(entries["length"]) if "length" in entries else None
    except ValueError:
        raise ModelError("offset or length of its external data is not a number", where=name) from None
    if offset < 0 or (length is not None and length < 0):
        raise ModelError("offset or length of its external data is negative", where=name)
    return Span(entries.get("location", ""), offset, length)


def _inside(name: str, location: str, folder: Path) -> Path:
    """The file of a location; it must lie in the model's folder, links followed."""
    parts = (PurePosixPath(location), PureWindowsPath(location))
    escapes = any(path.is_absolute() or path.drive or path.root or ".." in path.parts for path in parts)
    if escapes or not location or "\0" in location:
        raise ModelError(
            f"external data {location!r} lies outside the model's folder",
            where=name,
            hint="external data must be named relative to the model, without '..'",
        )
    path = folder / location
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):
        raise ModelError(
            f"external data {location!r} is missing",
            where=name,
            hint="copy it beside the model, or export with the weights inside the file",
        ) from None
    if not real.is_relative_to(folder.resolve()):
        raise ModelError(
            f"external data {location!r} is a link out of the model's folder",
            where=name,
            hint="copy the file itself into the folder",
        )
    if not real.is_file():
        raise ModelError(f"external data {location!r} is no file", where=name)
    return real


def _read(name: str, tensor: TensorProto, path: Path, span: Span, room: int) -> bytes:
    expected = byte_count(name, tensor)
    if expected is None:
        raise ModelError("text cannot be external data", where=name)
    size = path.stat().st_size
    length = size - span.offset if span.length is None else span.length
    if length != expected or span.offset + length > size:
        raise ModelError(
            f"tensor needs {expected} bytes, but its external data are {length} bytes "
            f"from {span.offset} of the {size} in {span.location!r}",
            where=name,
            hint="model and data do not belong together, or one is damaged",
        )
    if length > room:
        raise ModelError("the weights are larger than 2 GiB", where=name)
    try:
        with path.open("rb") as file:
            file.seek(span.offset)
            return file.read(length)
    except OSError as error:
        raise ModelError(f"external data cannot be read: {error.strerror}", where=name) from None


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            state = hashlib.sha256()
            while block := file.read(1 << 20):
                state.update(block)
            return state.hexdigest()
    except OSError as error:
        raise ModelError(f"external data cannot be read: {error.strerror}", where=str(path)) from None
