"""The description of a network that is cut over cores: a cell, and so a process, for each slice of a plan."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from snncc_backends.lava.cut import Cut, cut_bias, cut_map, cut_neuron, cut_pool, shape_of
from snncc_backends.lava.describe import Plain, Writer, strand_plain
from snncc_backends.lava.wiring import Picked, Wiring
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.nodes import AnyNode, Input, Linear, MaxPool, Population, Readout
from snncc_ir.plan import Box, Plan

Places = dict[str, list[tuple[Box, int]]]
"""The boxes of each node, with the core that each lies on."""


def places_of(graph: Graph, plan: Plan) -> Places:
    """Where the slices of a plan lie, core by core; inputs are sent by the host, as a whole."""
    found: Places = {}
    for core, use in enumerate(plan.cores):
        for piece in use.slices:
            if piece.unit in graph.by_name and not isinstance(graph.by_name[piece.unit], Input):
                found.setdefault(piece.unit, []).append((piece.box, core))
    return found


class SliceWriter(Writer):
    """Describes slices instead of whole populations, pools and readouts."""

    def __init__(self, graph: Graph, plan: Plan) -> None:
        """Raise TargetError where the plan splits a sum over cores."""
        super().__init__(graph)
        if plan.partials:
            raise TargetError(
                f"{plan.partials[0].owner}: its sum is split over cores, which no process of Lava's does; "
                "compile without --partition"
            )
        self._places = places_of(graph, plan)
        boxes = {name: [box for box, _ in places] for name, places in self._places.items()}
        self.wiring = Wiring(graph, boxes)

    def cells(self) -> Iterator[Plain]:
        """Sources, and every slice of every population, pool and readout, in the graph's order."""
        for node in self.graph.nodes:
            if isinstance(node, Input):
                yield {"kind": "source", **self._head(node.name), **self._strand(node.name)}
            for number, (box, core) in enumerate(self._places.get(node.name, ())):
                yield self._slice(node, number, box, core)

    def _slice(self, node: AnyNode, number: int, box: Box, core: int) -> Plain:
        shape = self.graph.types[node.name].shape
        head = {
            "name": f"{node.name}.{number}",
            "shape": list(shape_of(box, len(shape))),
            "unit": node.name,
            "whole": list(shape),
            "box": [list(interval) for interval in box],
            "core": core,
        }
        ports: list[str] = []
        match node:
            case MaxPool():
                return {"kind": "gate", **head, **self._strand(node.name), **self._cut_gate(node, box)}
            case Population():
                sums = list(self._cut_accumulators(node, box, ports))
                neuron = self._neuron(cut_neuron(node.neuron, box))
                strand = self._strand(node.name)
                kind: Plain = {"kind": "population", **head, **strand}
                return {**kind, "ports": ports, "accumulators": sums, "neuron": neuron}
            case Readout():
                sums = list(self._cut_accumulators(node, box, ports))
                bias = self._bias(cut_bias(node.bias, box))
                kind = {"kind": "readout", **head, "slot": self._last_slot(node), "scale": node.scale}
                return {**kind, "ports": ports, "accumulators": sums, "bias": bias}
            case _:
                raise TypeError(f"{node.name} lies on no core")

    def _cut_gate(self, node: MaxPool, box: Box) -> Plain:
        (strand,) = self.graph.strands[node.name]
        cut = cut_pool(node, self.wiring.numbers(node.source), box)
        silence = Picked((), np.zeros(cut.numbers.size, np.int64))
        picked = self.wiring.pick_numbers(cut.numbers, strand) or silence
        ports: list[str] = []
        pick = self._pick(picked, ports)
        return {"ports": ports, "pick": pick, "source": list(cut.numbers.shape), **cut.plain}

    def _cut_accumulators(self, node: Population | Readout, box: Box, ports: list[str]) -> Iterator[Plain]:
        """One accumulator per projection and strand that reaches the box."""
        last = max(strand.slot for name in node.drives for strand in self.graph.strands[name])
        for projection in self.graph.projections(node):
            cut = cut_map(projection, self.wiring.numbers(projection.source), box)
            for strand in self.graph.strands[projection.name]:
                picked = self.wiring.pick_numbers(cut.numbers, strand)
                if picked is not None:
                    yield {
                        "map": self._cut_plain(projection, cut),
                        "strand": strand_plain(strand),
                        "delay": last - strand.slot,
                        "pick": self._pick(picked, ports),
                    }

    def _cut_plain(self, node: Linear, cut: Cut) -> Plain:
        arrays = {name: self._array(values) for name, values in cut.arrays.items()}
        return {"source": list(cut.numbers.shape), **cut.plain, **arrays}
