"""Reading and writing arrays and graphs as files, without trusting what is read."""

from __future__ import annotations

import io
import json
import math
import re
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from snncc_ir.errors import ArtefactError, GraphError
from snncc_ir.graph import Graph
from snncc_ir.plain import Arrays, graph_from_plain, graph_to_plain, tensors_of

MAX_MEMBERS = 100_000

KINDS = ("|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8")
"""The array types that are read; all but single bytes are little-endian."""

HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(?P<size>..)"
    rb"(?P<text>\{'descr': '(?P<kind>[^']*)', 'fortran_order': False, "
    rb"'shape': \((?P<shape>[0-9, ]*)\), \} *\n)",
    re.DOTALL,
)
"""The header that numpy writes before the values; nothing else is accepted, so that nothing is evaluated."""

UNREADABLE = (
    zipfile.BadZipFile,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
)
"""What `zipfile` raises for damaged files."""


def write_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The arrays as an uncompressed `.npz`; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            npy.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())
    return buffer.getvalue()


def read_arrays(data: bytes, where: str) -> dict[str, NDArray[Any]]:
    """The arrays of a file that `write_arrays` wrote; refuses anything whose size is not what it claims."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_members(archive.infolist(), len(data), where)
            return dict(_read_member(archive, member, where) for member in archive.infolist())
    except UNREADABLE as error:
        raise ArtefactError(f"is no readable array file ({error})", where=where) from error


def _check_members(members: list[zipfile.ZipInfo], size: int, where: str) -> None:
    """Refuse what would need more memory than the file's own size, before anything is read."""
    if len(members) > MAX_MEMBERS:
        raise ArtefactError(f"holds more than {MAX_MEMBERS} arrays", where=where)
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED or not member.filename.endswith(".npy"):
            raise ArtefactError(f"member {member.filename!r:.60} is compressed or no array", where=where)
    if sum(member.file_size for member in members) > size:
        raise ArtefactError("holds arrays that overlap or are larger than the file", where=where)


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> tuple[str, NDArray[Any]]:
    content = archive.read(member)
    header = HEADER.match(content)
    kind = header["kind"].decode() if header else ""
    if header is None or kind not in KINDS or len(header["text"]) != int.from_bytes(header["size"], "little"):
        raise ArtefactError(f"member {member.filename!r:.60} has an unknown array header", where=where)
    shape = tuple(int(size) for size in header["shape"].replace(b" ", b"").split(b",") if size)
    dtype, values = np.dtype(kind), content[header.end() :]
    if len(values) != math.prod(shape) * dtype.itemsize:
        raise ArtefactError(f"member {member.filename!r:.60} does not hold what it claims", where=where)
    return member.filename.removesuffix(".npy"), np.frombuffer(values, dtype=dtype).reshape(shape)


def write_graph(graph: Graph) -> tuple[bytes, bytes]:
    """The graph as JSON and its tensors as `.npz`."""
    text = json.dumps(graph_to_plain(graph), indent=1, allow_nan=False)
    return text.encode() + b"\n", write_arrays(tensors_of(graph))


def read_graph(text: bytes, tensors: bytes, where: str) -> Graph:
    """The graph that `write_graph` wrote; verified, or refused with `where` and the reason."""
    arrays = read_arrays(tensors, f"{where}/tensors.npz")
    return graph_from_json(text, arrays, f"{where}/graph.json")


def graph_from_json(text: bytes, arrays: Arrays, where: str) -> Graph:
    """The graph of a JSON text whose tensors are `arrays`."""
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArtefactError(f"is no JSON ({error})", where=where) from error
    try:
        return graph_from_plain(plain, arrays)
    except GraphError as error:
        raise ArtefactError(f"holds no valid graph: {error}", where=where) from error
    except RecursionError as error:
        raise ArtefactError("holds no valid graph: it is nested too deeply", where=where) from error
