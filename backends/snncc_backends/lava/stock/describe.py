"""What varies between two emitted networks of stock neurons: a description in JSON, and its arrays."""

from __future__ import annotations

from collections.abc import Iterator

from snncc_backends.lava.describe import FORMAT, Array, Plain, Writer
from snncc_ir.graph import Graph
from snncc_ir.lif import NO_MEMORY
from snncc_ir.neurons import Leaky, Staircase
from snncc_ir.nodes import Input, Linear, Population, Readout
from snncc_ir.timing import Rate


def describe(graph: Graph) -> tuple[Plain, dict[str, Array]]:
    """The description of a graph that the profile does not refuse, and the arrays that it names."""
    if not isinstance(graph.timing, Rate):
        raise TypeError("stock neurons are rate neurons")
    writer = _StockWriter(graph)
    cells = list(writer.cells())
    network = {
        "format": FORMAT,
        "name": graph.name,
        "steps": graph.timing.steps,
        "outputs": list(graph.outputs),
        "cells": cells,
    }
    return network, dict(sorted(writer.arrays.items()))


def depth_of(graph: Graph, node: Population | Readout) -> int:
    """Time steps after which the first spike of an image reaches the node; 0 for the pixels' own neurons."""
    slots = [strand.slot for name in node.drives for strand in graph.strands[name]]
    return max(slots)


class _StockWriter(Writer):
    def cells(self) -> Iterator[Plain]:
        """Sources, populations and readouts in the graph's order."""
        for node in self.graph.nodes:
            match node:
                case Input():
                    levels = self.graph.levels(node.name)
                    span = {"lo": levels.lo, "hi": levels.hi}
                    yield {"kind": "source", **self._head(node.name), "depth": 0, "strand": span}
                case Population(neuron=Staircase() | Leaky() as neuron):
                    yield {
                        "kind": "population",
                        **self._cell(node),
                        **_dynamics(neuron),
                        "bias": self._bias(neuron.bias),
                        "pixels": list(self._pixels(node)),
                    }
                case Readout():
                    yield {"kind": "readout", **self._cell(node), "bias": self._bias(node.bias)}
                case _:
                    continue

    def _cell(self, node: Population | Readout) -> Plain:
        depth = depth_of(self.graph, node)
        synapses = [
            synapse
            for projection in self.graph.projections(node)
            if not isinstance(self.graph.by_name[projection.source], Input)
            for synapse in self._synapses(projection, depth)
        ]
        return {**self._head(node.name), "depth": depth, "synapses": synapses}

    def _pixels(self, node: Population) -> Iterator[Plain]:
        """What an input adds to the biases."""
        for projection in self.graph.projections(node):
            if isinstance(self.graph.by_name[projection.source], Input):
                yield {"source": projection.source, "weight": self._tensor(projection.weight)}

    def _synapses(self, node: Linear, depth: int) -> Iterator[Plain]:
        """One list per strand of the source; a connection takes a step by itself, and `delay` more."""
        for strand in self.graph.strands[node.name]:
            picked = self.wiring.pick(node.source, strand)
            if picked is not None:
                yield {
                    "map": self._map(node),
                    "names": list(picked.origins),
                    "index": None if picked.index is None else self._array(picked.index),
                    "delay": depth - strand.slot,
                }


def _dynamics(neuron: Staircase | Leaky) -> Plain:
    """Threshold, decays, and the potential before the first step, as Lava's LIF takes them."""
    if isinstance(neuron, Leaky):
        return {"vth": neuron.vth, "v": 0, "du": neuron.du, "dv": neuron.dv}
    theta = int(neuron.theta.data[0])
    return {"vth": theta - 1, "v": theta // 2, "du": NO_MEMORY, "dv": 0}
