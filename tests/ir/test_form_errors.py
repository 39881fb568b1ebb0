"""The full text of the messages about forms: plain data, JSON, text and array files."""

from __future__ import annotations

import copy
import io
import re
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from snncc_ir.errors import ArtefactError, GraphError
from snncc_ir.plain import graph_from_plain, graph_to_plain, tensors_of
from snncc_ir.store import read_arrays, read_graph, write_arrays, write_graph
from snncc_ir.text import parse_graph, print_graph
from support import examples

GRAPH = examples.every_node()
PLAIN, ARRAYS, TEXT = graph_to_plain(GRAPH), tensors_of(GRAPH), print_graph(GRAPH)
OPERATIONS = (
    "input, conv, dense, scale, sum_pool, max_pool, concat, "
    "reshape, transpose, slice, pad, repeat, population, readout"
)
OUTPUT = [node["name"] for node in PLAIN["nodes"]].index("output")
DIGEST = PLAIN["nodes"][1]["weight"]["digest"]
OTHER = PLAIN["nodes"][4]["weight"]["digest"]


def put(*path: Any) -> Callable[[Any], None]:
    """An edit: the last item is the value, the others lead to its place."""

    def edit(plain: Any) -> None:
        for key in path[:-2]:
            plain = plain[key]
        plain[path[-2]] = path[-1]

    return edit


def drop(*path: Any) -> Callable[[Any], None]:
    def edit(plain: Any) -> None:
        for key in path[:-1]:
            plain = plain[key]
        del plain[path[-1]]

    return edit


PLAIN_ERRORS = {
    "graph lacks nodes": drop("nodes"),
    "graph has unknown fields more": put("more", 1),
    "format 2 is not 1, the one this version reads": put("format", 2),
    "'nodes' must be a list": put("nodes", {}),
    "5 is no str": put("name", 5),
    "must be a list": put("outputs", "output"),
    "timing must be one of phased, rate, stbif": put("timing", {"kind": ["phased"]}),
    "rate lacks steps": put("timing", {"kind": "rate"}),
    "steps: True is no int": put("timing", {"kind": "rate", "steps": True}),
    "reset: 'half' is none of subtract, zero": put("timing", {"kind": "rate", "steps": 2, "reset": "half"}),
    f"a node must name one of the operations {OPERATIONS}": put("nodes", 1, "op", "loop"),
    "conv1: conv lacks weight": drop("nodes", 1, "weight"),
    "conv1: conv has unknown fields bias": put("nodes", 1, "bias", 0),
    "conv1: stride: must have 2 items, not 3": put("nodes", 1, "stride", [1, 1, 1]),
    "conv1: stride: 1.5 is no int": put("nodes", 1, "stride", [1, 1.5]),
    "conv1: weight: tensor must be a record": put("nodes", 1, "weight", 3),
    "conv1: weight: tensor 'feed' is not among the arrays": put("nodes", 1, "weight", "digest", "feed"),
    f"conv1: weight: tensor {DIGEST} has other values than its digest says": put(
        "nodes", 1, "weight", "bits", 6
    ),
    f"conv1: weight: tensor {OTHER} has other values than its digest says": put(
        "nodes", 1, "weight", {"kind": "tensor", "bits": 10, "shape": [1, 2], "digest": OTHER}
    ),
    "relu1: neuron: must be analog or quantiser or staircase or table or leaky": put(
        "nodes", 2, "neuron", "kind", "stairs"
    ),
    "relu1: neuron: lo: '0' is no int": put("nodes", 2, "neuron", "lo", "0"),
    "relu1: neuron: bias: must be bias": put("nodes", 2, "neuron", "bias", None),
    "relu1: code: 'morse' is none of graded, radix, count, ttfs, rate, stbif": put(
        "nodes", 2, "code", "morse"
    ),
    "output: scale: nan is no finite number": put("nodes", OUTPUT, "scale", float("nan")),
    "output: scale: 'half' is no float": put("nodes", OUTPUT, "scale", "half"),
    "image: type: must be real or levels": put("nodes", 0, "type", "levels"),
}


@pytest.mark.parametrize("message", PLAIN_ERRORS)
def test_plain_error(message: str) -> None:
    plain = copy.deepcopy(PLAIN)
    PLAIN_ERRORS[message](plain)
    with pytest.raises(GraphError) as caught:
        graph_from_plain(plain, ARRAYS)
    assert str(caught.value) == message


def test_a_number_that_no_float_holds() -> None:
    plain = copy.deepcopy(PLAIN)
    plain["nodes"][OUTPUT]["scale"] = 10**400
    with pytest.raises(GraphError, match=r"^output: scale: 10{59} is no finite number$"):
        graph_from_plain(plain, ARRAYS)


def test_values_that_are_not_those_of_the_digest() -> None:
    arrays = {**ARRAYS, DIGEST: ARRAYS[DIGEST] + 1}
    with pytest.raises(GraphError) as caught:
        graph_from_plain(PLAIN, arrays)
    assert str(caught.value) == f"conv1: weight: tensor {DIGEST} has other values than its digest says"


def test_reals_where_integers_are_claimed() -> None:
    with pytest.raises(GraphError) as caught:
        graph_from_plain(PLAIN, {**ARRAYS, DIGEST: ARRAYS[DIGEST] * 1.0})
    assert str(caught.value) == f"conv1: weight: tensor {DIGEST} does not hold integers"


TEXT_ERRORS = {
    "": "the text holds no graph",
    "graph g": "line 1: the line ends where word was expected",
    "graf g phased{}": "line 1: expected graph, found 'graf'",
    "graph g phased{}\nx = input(": "line 2: the line ends where word was expected",
    "graph g phased{}\nx = input(type=;": "line 2: unexpected ';'",
    "graph g phased{}\n\nx = input(type=levels<1x, 0..1>) : levels<1, 0..1>": "line 3: cannot be read",
    'graph g phased{}\nx = input(type=real<1>) : real<1> @ "\\x"': "line 2: cannot be read",
    "graph g phased{}\nx = input(type==) : real<1>": "line 2: unexpected '='",
    "graph g waves{}\noutput x": "timing must be one of phased, rate, stbif",
}


@pytest.mark.parametrize("text", TEXT_ERRORS)
def test_text_error(text: str) -> None:
    with pytest.raises(GraphError) as caught:
        parse_graph(text, {})
    assert str(caught.value) == TEXT_ERRORS[text]


def test_a_node_may_be_called_output_or_inf() -> None:
    assert parse_graph(TEXT, ARRAYS).outputs == GRAPH.outputs


def npz(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


ARRAY_ERRORS = {
    "here: is no readable array file (File is not a zip file)": b"no zip",
    "here: member 'a.npy' has an unknown array header": npz(a=b"no array"),
    "here: member 'a.npy' does not hold what it claims": npz(a=npy(np.arange(9))[:-1]),
}


@pytest.mark.parametrize("message", ARRAY_ERRORS)
def test_array_error(message: str) -> None:
    with pytest.raises(ArtefactError) as caught:
        read_arrays(ARRAY_ERRORS[message], "here")
    assert str(caught.value) == message


@pytest.mark.parametrize("array", [np.asfortranarray(np.eye(2)), np.zeros(2, ">i4"), np.zeros(2, "U3")])
def test_foreign_array_layouts_are_refused(array: np.ndarray) -> None:
    with pytest.raises(ArtefactError, match=r"^here: member 'a\.npy' has an unknown array header$"):
        read_arrays(npz(a=npy(array)), "here")


def test_plain_numpy_files_are_read() -> None:
    arrays = {"a": np.arange(6).reshape(2, 3), "b": np.float64(3.5).reshape(()), "c": np.array([True])}
    read = read_arrays(npz(**{name: npy(array) for name, array in arrays.items()}), "here")
    assert {name: array.tolist() for name, array in read.items()} == {
        n: a.tolist() for n, a in arrays.items()
    }


def test_json_errors_name_the_file() -> None:
    text, tensors = write_graph(GRAPH)
    with pytest.raises(ArtefactError, match=re.escape("net/graph.json: is no JSON (Expecting")):
        read_graph(text[:-9], tensors, "net")
    with pytest.raises(ArtefactError) as caught:
        read_graph(b"[]", tensors, "net")
    assert str(caught.value) == "net/graph.json: holds no valid graph: graph must be a record"
    with pytest.raises(ArtefactError, match=re.escape("net/tensors.npz: is no readable array file")):
        read_graph(text, tensors[:100], "net")


def test_a_member_name_that_is_no_array() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", b"")
    with pytest.raises(ArtefactError) as caught:
        read_arrays(buffer.getvalue(), "here")
    assert str(caught.value) == "here: member 'a.txt' is compressed or no array"
    assert read_arrays(write_arrays({}), "here") == {}
