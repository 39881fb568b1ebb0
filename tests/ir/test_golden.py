"""The text of a graph with every kind of node, byte for byte."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from snncc_ir.graph import Graph
from snncc_ir.text import print_graph
from support import examples


@pytest.mark.parametrize(
    "graph", [examples.every_node(), examples.analog(), examples.quantised()], ids=lambda graph: graph.name
)
def test_text(graph: Graph, golden: Callable[[str, str], None]) -> None:
    golden(f"{graph.name}.txt", print_graph(graph))
