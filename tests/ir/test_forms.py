"""Text and JSON: what is written reads back as the same graph, and writing it again gives the same bytes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snncc_ir.graph import Graph
from snncc_ir.plain import graph_to_plain, tensors_of
from snncc_ir.semantics import evaluate
from snncc_ir.store import read_arrays, read_graph, write_arrays, write_graph
from snncc_ir.tensors import Tensor
from snncc_ir.text import parse_graph, print_graph
from snncc_ir.timing import Phased, Stbif
from support import examples
from support.graphs import Case, cases, rate_cases


def check_forms(graph: Graph) -> None:
    arrays = tensors_of(graph)
    text = print_graph(graph)
    parsed = parse_graph(text, arrays)
    assert parsed == graph
    assert print_graph(parsed) == text
    written = write_graph(graph)
    read = read_graph(*written, "here")
    assert read == graph
    assert write_graph(read) == written
    assert graph_to_plain(parsed) == graph_to_plain(graph)


@settings(max_examples=60)
@given(st.one_of(cases(Phased(), layers_max=3), rate_cases(), cases(Stbif(), layers_max=2)))
def test_random_graphs(case: Case) -> None:
    check_forms(case.graph)


@pytest.mark.parametrize(
    "graph", [examples.every_node(), examples.analog(), examples.quantised()], ids=lambda graph: graph.name
)
def test_fixed_graphs(graph: Graph) -> None:
    check_forms(graph)


def test_a_graph_that_was_read_computes_the_same() -> None:
    graph = examples.every_node()
    image = {"image": np.arange(32).reshape(2, 1, 4, 4) * 8}
    before, after = evaluate(graph, image), evaluate(read_graph(*write_graph(graph), "here"), image)
    assert all((before[name] == after[name]).all() for name in before)


def test_line_of_text() -> None:
    lines = print_graph(examples.every_node()).splitlines()
    assert lines[0] == "graph every_node phased{}"
    assert (
        lines[5].split("neuron=")[0]
        == "skip = scale(source=%relu1, weight=i10[2]#" + lines[5][42:58] + ") : drive<2x4x4>"
    )
    assert lines[-5:-2] == ["output output", "output inf", "output steps"]


def test_blank_lines_are_skipped() -> None:
    graph = examples.analog()
    text = "\n" + print_graph(graph).replace("\n", "\n\n")
    assert parse_graph(text, tensors_of(graph)) == graph


@pytest.mark.parametrize("bits", [1, 2, 8, 9, 16, 17, 32, 33, 63])
def test_integers_are_stored_in_the_narrowest_type(bits: int) -> None:
    bound = max(2 ** (bits - 1), 2)
    tensor = Tensor.integer([-1, 1] if bits == 1 else [-bound, bound - 1], bits)
    graph = examples.analog()
    data = tensor.data.astype(f"<i{next(w for w in (8, 16, 32, 64) if bits <= w) // 8}")
    assert (
        read_arrays(write_arrays({tensor.digest: data}), "here")[tensor.digest].tolist()
        == tensor.data.tolist()
    )
    assert all(array.dtype == np.float64 for array in tensors_of(graph).values())


def test_narrow_types_of_a_graph() -> None:
    graph = examples.every_node()
    weights = {
        node.name: tensors_of(graph)[node.weight.digest].dtype
        for node in graph.nodes
        if hasattr(node, "weight")
    }
    assert weights["conv1"] == np.int8
    assert weights["skip"] == np.int16


def test_json_is_strict() -> None:
    text, _ = write_graph(examples.analog())
    assert "Infinity" not in text.decode()
    assert "NaN" not in text.decode()
    json.loads(text)
