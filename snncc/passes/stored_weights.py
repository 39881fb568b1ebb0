"""Which values are multiplied by weights that are to be kept as they are."""

from __future__ import annotations

from snncc_ir.graph import Graph
from snncc_ir.nodes import Conv, Dense, Wiring
from snncc_ir.tensors import WEIGHT_BITS


def feeds_stored_weights(graph: Graph, name: str) -> bool:
    """True where weights of few bits, to be kept as they are, multiply the value: it needs one scale."""
    for reader in graph.readers[name]:
        if isinstance(reader, Wiring) and feeds_stored_weights(graph, reader.name):
            return True
        if isinstance(reader, Conv | Dense) and reader.weight.scale is not None:
            return reader.weight.bits is not None and reader.weight.bits < WEIGHT_BITS[-1]
    return False
