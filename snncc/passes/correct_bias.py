"""Bias correction: each channel's mean drive becomes that of the float network, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from snncc.passes.base import Array, Context, Pass
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.linear import wire
from snncc_ir.neurons import Bias, Staircase, Table
from snncc_ir.nodes import AnyNode, Input, Linear, Population, Readout, Wiring
from snncc_ir.tensors import Reals, Tensor

BATCH = 64


@dataclass(frozen=True)
class CorrectBias(Pass):
    """Shifts every channel's bias by mean(float drive) / s_w - mean(U + b) on the calibration images.

    The mean of U is taken on the integer network as corrected so far, so that a layer also makes up for
    what the layers before it lost (Nagel et al. 2019, section 4.2, on the integer network).
    """

    name: ClassVar[str] = "correct_bias"

    def apply(self, graph: Graph, context: Context) -> Graph:
        """The graph with corrected biases."""
        if not graph.is_integer:
            raise SnnccError("runs on the integer network", where=self.name, hint="put it behind quantize")
        if not context.calibration.populations:
            return graph
        walk = _Walk(graph, context)
        for node in graph.nodes:
            walk.visit(node)
        return graph.with_nodes(walk.changed)


@dataclass
class _Walk:
    """Levels of the calibration images at every node that is still needed."""

    graph: Graph
    context: Context
    values: dict[str, Array] = field(default_factory=dict)
    changed: list[AnyNode] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.last_reader = _last_readers(self.graph)

    def visit(self, node: AnyNode) -> None:
        match node:
            case Input():
                self.values[node.name] = self.context.samples.astype(np.int16)
            case Population() if node.name not in self.context.calibration.populations:
                self.values[node.name] = self._given(node)
            case Population():
                self._population(node)
            case Readout() if node.name in self.context.calibration.populations:
                self._correct(node, self._drive(node), node.bias, np.asarray(node.scale))
            case Wiring():
                self.values[node.name] = wire(node, *(self.values[name] for name in node.sources))
        self._forget(node)

    def _given(self, node: Population) -> Array:
        """Levels of a population that came quantised, which no statistics correct."""
        neuron = node.neuron
        if not isinstance(neuron, Staircase | Table):
            raise TypeError("an integer graph has integer neurons")
        return self.context.layers.fire(neuron, self._drive(node))

    def _population(self, node: Population) -> None:
        neuron = node.neuron
        if not isinstance(neuron, Staircase) or node.scale is None:
            raise TypeError("bias correction runs on staircases with scales")
        drive = self._drive(node)
        unit = node.scale.data / neuron.theta.data
        bias = self._correct(node, drive, neuron.bias, unit)
        self.values[node.name] = self.context.layers.fire(replace(neuron, bias=bias), drive)

    def _correct(self, node: Population | Readout, drive: Array, bias: Bias, unit: Reals) -> Bias:
        """Record `node` with the bias whose mean drive is the float network's, and return that bias."""
        channels = drive.shape[1]
        axes = (0, *range(2, drive.ndim))
        mean = drive.mean(axis=axes, dtype=np.float64) + np.broadcast_to(
            bias.spread(drive.shape[1:]), drive.shape[1:]
        ).reshape(channels, -1).mean(axis=1)
        wanted = self.context.calibration.populations[node.name].drive_mean / unit
        shift = np.rint(wanted - mean).astype(np.int64)
        values = bias.values.data + shift.reshape(-1, *(1,) * (bias.values.data.ndim - 1))
        corrected = replace(bias, values=Tensor.integer(values))
        if isinstance(node, Readout):
            self.changed.append(replace(node, bias=corrected))
        elif isinstance(node.neuron, Staircase):
            self.changed.append(replace(node, neuron=replace(node.neuron, bias=corrected)))
        return corrected

    def _drive(self, node: Population | Readout) -> Array:
        total: Array | None = None
        for projection in self.graph.projections(node):
            source = self.values[projection.source]
            batches = (source[i : i + BATCH] for i in range(0, len(source), BATCH))
            part = np.concatenate([self.context.layers.drive(projection, batch) for batch in batches])
            total = part if total is None else total + part
        if total is None:
            raise ValueError("a population without drives")
        return total

    def _forget(self, node: AnyNode) -> None:
        """Drop the levels that no later node reads."""
        for name in [name for name in self.values if self.last_reader.get(name) == node.name]:
            del self.values[name]


def _last_readers(graph: Graph) -> dict[str, str]:
    """For every value the last node that needs its levels; a linear node's reader needs its source's."""
    last: dict[str, str] = {}
    for node in graph.nodes:
        for source in node.sources:
            projection = graph.by_name[source]
            linear = isinstance(projection, Linear)
            last[projection.sources[0] if linear else source] = node.name
    return last
