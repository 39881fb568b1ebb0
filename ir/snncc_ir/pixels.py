"""Pixels that are the biases of neurons of their own, as chips whose spikes have no payload take them."""

from __future__ import annotations

from snncc_ir.graph import Graph
from snncc_ir.nodes import AnyNode, Input, Population, Scale


def is_pixels(graph: Graph, node: AnyNode) -> bool:
    """True for the projection that makes each pixel the bias of a neuron which nothing else reaches."""
    if not isinstance(node, Scale) or not isinstance(graph.by_name[node.source], Input):
        return False
    (reader,) = graph.readers[node.name]
    return isinstance(reader, Population) and reader.drives == (node.name,)


def bias_inputs(graph: Graph) -> frozenset[str]:
    """The inputs whose pixels are biases and nothing else."""
    return frozenset(
        node.name
        for node in graph.inputs
        if all(is_pixels(graph, reader) for reader in graph.readers[node.name])
    )
