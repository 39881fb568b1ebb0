"""Damaged forms: whatever is done to JSON, text or arrays, the reader ends in a graph or an SnnccError."""

from __future__ import annotations

import copy
import io
import json
import tracemalloc
import warnings
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snncc_ir.errors import ArtefactError, SnnccError
from snncc_ir.graph import Graph
from snncc_ir.plain import graph_from_plain, graph_to_plain, tensors_of
from snncc_ir.store import graph_from_json, read_arrays, read_graph, write_arrays, write_graph
from snncc_ir.text import parse_graph, print_graph
from support import examples

GRAPHS = (examples.every_node(), examples.analog(), examples.quantised())
PLAIN = tuple(graph_to_plain(graph) for graph in GRAPHS)
ARRAYS = tuple(tensors_of(graph) for graph in GRAPHS)
FILES = tuple(write_graph(graph) for graph in GRAPHS)

ODD_VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    7,
    255,
    2**31,
    2**63,
    -(2**63),
    10**30,
    10**400,
    0.5,
    -0.0,
    1e308,
    float("inf"),
    float("nan"),
    "",
    "inf",
    "-inf",
    "nan",
    "x",
    "conv1",
    "image",
    "\x1b[2J",
    "\ud800",
    "a" * 1000,
    [],
    [[]],
    [[[[]]]],
    [0],
    [2**31, 2**31],
    [1] * 70,
    [None],
    {},
    {"kind": []},
    {"kind": {}},
    {"kind": "tensor"},
    {"kind": "levels"},
    {"op": []},
    {"op": "conv"},
]


def check_message(error: SnnccError) -> None:
    assert error.what


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """The path of every value inside nested dicts and lists."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


PLACES = tuple(tuple(places(plain)) for plain in PLAIN)


def parent(value: Any, path: tuple) -> Any:
    for key in path[:-1]:
        value = value[key]
    return value


def survives(plain: Any, which: int) -> None:
    """Reading ends in a graph or in an SnnccError; a graph that was read can be written again."""
    try:
        graph = graph_from_plain(plain, ARRAYS[which])
    except SnnccError as error:
        check_message(error)
        return
    assert isinstance(graph, Graph)
    assert parse_graph(print_graph(graph), ARRAYS[which]) == graph
    write_graph(graph)


@pytest.mark.parametrize("which", [0, 1])
def test_every_field_missing_or_odd(which: int) -> None:
    for number, path in enumerate(PLACES[which]):
        for offset in (0, 7, 14, 21, 28, 35):
            plain = copy.deepcopy(PLAIN[which])
            parent(plain, path)[path[-1]] = ODD_VALUES[(number + offset) % len(ODD_VALUES)]
            survives(plain, which)
        plain = copy.deepcopy(PLAIN[which])
        del parent(plain, path)[path[-1]]
        survives(plain, which)


@st.composite
def mutations(draw: Any) -> tuple[Any, int]:
    """A plain form after several edits: values replaced, moved from elsewhere, dropped or repeated."""
    which = draw(st.integers(0, 1))
    plain = copy.deepcopy(PLAIN[which])
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(PLACES[which]))
        other = draw(st.sampled_from(PLACES[which]))
        try:
            holder, value = parent(plain, path), parent(plain, other)[other[-1]]
            kind = draw(st.integers(0, 3))
            if kind == 0:
                holder[path[-1]] = copy.deepcopy(draw(st.sampled_from(ODD_VALUES)))
            elif kind == 1:
                holder[path[-1]] = copy.deepcopy(value)
            elif kind == 2:
                del holder[path[-1]]
            elif isinstance(holder, list):
                holder.insert(path[-1], copy.deepcopy(value))
        except (KeyError, IndexError, TypeError):
            continue  # an earlier edit removed the place
    return plain, which


@settings(max_examples=400)
@given(mutations())
def test_several_edits(mutation: tuple[Any, int]) -> None:
    survives(*mutation)


@pytest.mark.slow
@settings(max_examples=20_000)
@given(mutations())
def test_several_edits_longer(mutation: tuple[Any, int]) -> None:
    survives(*mutation)


@settings(max_examples=300)
@given(st.integers(0, 1), st.data())
def test_edited_text(which: int, data: st.DataObject) -> None:
    text = print_graph(GRAPHS[which])
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        stop = data.draw(st.integers(start, min(len(text), start + 9)))
        piece = data.draw(
            st.sampled_from(
                ["", "\n", "(", ")", "#", "..", "x", "1", "-", "inf", ", ", "=", "%", '"\\x"', "{", "<"]
            )
        )
        text = text[:start] + piece + text[stop:]
    try:
        assert isinstance(parse_graph(text, ARRAYS[which]), Graph)
    except SnnccError as error:
        check_message(error)


@settings(max_examples=500)
@given(st.integers(0, 1), st.data())
def test_edited_array_file(which: int, data: st.DataObject) -> None:
    text, tensors = FILES[which]
    damaged = bytearray(tensors)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(
            st.sampled_from([0, 1, 0x27, 0x28, 0x7F, 0x80, 0xFF])
        )
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(0, len(damaged))) :]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            assert read_graph(text, bytes(damaged), "here") == GRAPHS[which]
        except SnnccError as error:
            check_message(error)


@settings(max_examples=200)
@given(st.integers(0, 1), st.data())
def test_edited_json_bytes(which: int, data: st.DataObject) -> None:
    text, tensors = FILES[which]
    damaged = bytearray(text)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert isinstance(read_graph(bytes(damaged), tensors, "here"), Graph)
    except SnnccError as error:
        check_message(error)


@pytest.mark.parametrize("depth", [50, 300, 900, 980, 990, 5000, 100_000])
@pytest.mark.parametrize(
    "place", ['{"format": 1, "name": %s, "timing": 0, "outputs": [], "nodes": []}', '{"format": %s}', "%s"]
)
def test_deep_nesting(depth: int, place: str) -> None:
    with pytest.raises(ArtefactError):
        graph_from_json((place % ("[" * depth + "]" * depth)).encode(), {}, "here")


@pytest.mark.parametrize("depth", [50, 900, 990, 5000])
def test_deep_nesting_in_text(depth: int) -> None:
    with pytest.raises(SnnccError):
        parse_graph(
            f"graph g phased{{}}\nx = input(type={'(' * depth}{')' * depth}) : levels<1, 0..1>\noutput x\n",
            {},
        )


def member(header: str, content: bytes = b"") -> bytes:
    """A `.npy` file with any header."""
    padded = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + content


HEADERS = [
    "{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000,)}",
    "{'descr': '<i8', 'fortran_order': False, 'shape': (-1, -5)}",
    "{'descr': '<i8', 'fortran_order': False, 'shape': (0, -1)}",
    "{'descr': '<i8', 'fortran_order': False, 'shape': (0,)}",
    "{'descr': '<i8', 'fortran_order': True, 'shape': (5,)}",
    "{'descr': '|O', 'fortran_order': False, 'shape': (5,)}",
    "{'descr': '<U99999', 'fortran_order': False, 'shape': (5,)}",
    "{'descr': [('a', '<i8')], 'fortran_order': False, 'shape': (5,)}",
    "{'descr': ('<i8', (1000000, 1000000)), 'fortran_order': False, 'shape': (5,)}",
    "{'descr': 5, 'fortran_order': False, 'shape': (5,)}",
    "{'descr': '<i8', 'fortran_order': False, 'shape': 5}",
    "{'descr': '<i8', 'fortran_order': False, 'shape': (5.0,)}",
    "{'descr': '<i8', 'fortran_order': False}",
    "{'descr': '<i8', 'fortran_order': 'no', 'shape': (5,)}",
    "(" * 90,
    "[]",
    "\x00",
    "__import__('os').abort()",
]


@pytest.mark.parametrize("header", HEADERS)
def test_array_headers_that_lie(header: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.npy", member(header, bytes(40)))
    with pytest.raises(ArtefactError):
        read_arrays(buffer.getvalue(), "here")


def test_members_that_share_their_bytes_are_refused_before_they_are_read() -> None:
    """A directory of 5,000 entries that all point at one megabyte must not become five gigabytes."""
    data = write_arrays({"a": np.zeros(2**17)})
    end = data.rindex(b"PK\x05\x06")
    entry_start = data.index(b"PK\x01\x02")
    entry = data[entry_start:end]
    count = 5000
    directory = entry * count
    tail = bytearray(data[end:])
    tail[8:10] = tail[10:12] = count.to_bytes(2, "little")
    tail[12:16] = len(directory).to_bytes(4, "little")
    tracemalloc.start()
    with pytest.raises(ArtefactError, match="overlap"):
        read_arrays(data[:entry_start] + directory + bytes(tail), "here")
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_members_are_refused(method: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("a.npy", bytes(10**6))
    with pytest.raises(ArtefactError, match="is compressed or no array"):
        read_arrays(buffer.getvalue(), "here")


def test_huge_shapes_are_refused_without_allocating() -> None:
    tracemalloc.start()
    for change in ({"shape": [2**30, 2**30]}, {"shape": [1, 20_000, 20_000]}, {"shape": [2**28]}):
        plain = copy.deepcopy(PLAIN[0])
        plain["nodes"][0]["type"].update(change)
        survives(plain, 0)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_the_files_themselves_read() -> None:
    for graph, (text, tensors) in zip(GRAPHS, FILES, strict=True):
        assert read_graph(text, tensors, "here") == graph
        assert json.loads(text)["name"] == graph.name
