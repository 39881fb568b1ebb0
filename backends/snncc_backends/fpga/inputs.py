"""Images as the levels that the inputs of a graph take."""

from __future__ import annotations

from collections.abc import Mapping

from snncc_ir.backend import Array
from snncc_ir.errors import DataError
from snncc_ir.graph import Graph
from snncc_ir.semantics import check_input
from snncc_ir.tensors import Ints


def checked_inputs(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Ints]:
    """The images as levels; raises DataError where they do not fit or there are none."""
    levels = {node.name: check_input(node, inputs[node.name]) for node in graph.inputs}
    if not len(next(iter(levels.values()))):
        raise DataError("no images to run", where=graph.name)
    return levels
