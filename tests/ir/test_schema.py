"""The committed JSON Schema is current, accepts every graph that is written and refuses others."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings

from snncc_ir.errors import SnnccError
from snncc_ir.plain import graph_from_plain, graph_to_plain, tensors_of
from snncc_ir.schema import graph_schema, schema_text
from snncc_ir.store import write_graph
from support import examples
from support.graphs import Case, cases, rate_cases

GRAPH = examples.every_node()


@pytest.fixture(scope="module")
def validator() -> Any:
    jsonschema.Draft202012Validator.check_schema(graph_schema())
    return jsonschema.Draft202012Validator(graph_schema())


def test_the_committed_schema_is_current(request: pytest.FixtureRequest) -> None:
    path = request.config.rootpath / "ir" / "graph.schema.json"
    assert path.read_text(encoding="utf-8") == schema_text(), (
        "python -m snncc_ir.schema > ir/graph.schema.json"
    )


def test_the_module_prints_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "snncc_ir.schema"], capture_output=True, text=True, check=True
    )
    assert done.stdout == schema_text()


@pytest.mark.parametrize(
    "graph", [GRAPH, examples.analog(), examples.quantised()], ids=lambda graph: graph.name
)
def test_fixed_graphs_are_valid(graph: Any, validator: Any) -> None:
    validator.validate(json.loads(write_graph(graph)[0]))


@settings(max_examples=30)
@given(case=cases(), rate=rate_cases())
def test_random_graphs_are_valid(case: Case, rate: Case, validator: Any) -> None:
    validator.validate(json.loads(write_graph(case.graph)[0]))
    validator.validate(json.loads(write_graph(rate.graph)[0]))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), 2),
        (("name",), "no-dash"),
        (("outputs",), []),
        (("timing", "kind"), "waves"),
        (("nodes", 1, "op"), "loop"),
        (("nodes", 1, "stride"), [1, 1, 1]),
        (("nodes", 1, "weight"), None),
        (("nodes", 1, "weight", "digest"), "x"),
        (("nodes", 1, "more"), 1),
        (("nodes", 2, "neuron", "kind"), "bias"),
        (("nodes", 2, "neuron", "lo"), 1),
        (("nodes", 2, "code"), "morse"),
    ],
)
def test_what_the_schema_refuses_the_reader_refuses(path: tuple, value: Any, validator: Any) -> None:
    plain = copy.deepcopy(graph_to_plain(GRAPH))
    holder: Any = plain
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    assert not validator.is_valid(plain)
    with pytest.raises(SnnccError):
        graph_from_plain(plain, tensors_of(GRAPH))
