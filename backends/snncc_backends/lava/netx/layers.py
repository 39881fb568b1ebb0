"""A network of stock LIF neurons as the layers of a netx file."""

from __future__ import annotations

from dataclasses import dataclass

from snncc_ir.graph import Graph
from snncc_ir.nodes import Linear, Population, Readout, Wiring
from snncc_ir.types import Shape


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Neurons and the one projection into them; `flattened` where their source has axes that it does not."""

    synapses: Linear
    neurons: Population | Readout
    shape: Shape
    flattened: bool


def layers_of(graph: Graph) -> tuple[Layer, ...]:
    """The layers of a graph that `refusals.find_refusals` does not refuse, from the pixels on."""
    nodes = (node for node in graph.nodes if isinstance(node, Population | Readout))
    return tuple(_layer(graph, node) for node in nodes)


def _layer(graph: Graph, node: Population | Readout) -> Layer:
    (synapses,) = graph.projections(node)
    source = graph.by_name[synapses.source]
    while isinstance(source, Wiring):
        source = graph.by_name[source.sources[0]]
    flattened = graph.types[source.name].shape != graph.types[synapses.source].shape
    shape = graph.types[node.name].shape
    return Layer(synapses=synapses, neurons=node, shape=shape, flattened=flattened)
