"""Reading and writing arrays and graphs as files, without trusting what is read."""

from __future__ import annotations

import io
import json
import math
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
KINDS = "biuf"


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
    """The arrays of an uncompressed `.npz`; refuses anything whose size is not what it claims."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > MAX_MEMBERS:
                raise ArtefactError(f"holds more than {MAX_MEMBERS} arrays", where=where)
            return dict(_read_member(archive, member, where) for member in members)
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise ArtefactError(f"is no readable array file ({error})", where=where) from error


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> tuple[str, NDArray[Any]]:
    name = member.filename
    if member.compress_type != zipfile.ZIP_STORED or not name.endswith(".npy"):
        raise ArtefactError(f"member {name!r:.60} is compressed or no array", where=where)
    with archive.open(member) as stream:
        version = npy.read_magic(stream)
        if version != (1, 0):
            raise ArtefactError(f"member {name!r:.60} has format {version}", where=where)
        shape, fortran, dtype = npy.read_array_header_1_0(stream)
        size = math.prod(shape) * dtype.itemsize
        if fortran or dtype.kind not in KINDS or size > member.file_size:
            raise ArtefactError(f"member {name!r:.60} does not hold what it claims", where=where)
        content = stream.read()
    if len(content) != size:
        raise ArtefactError(f"member {name!r:.60} does not hold what it claims", where=where)
    return name.removesuffix(".npy"), np.frombuffer(content, dtype=dtype).reshape(shape)


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
