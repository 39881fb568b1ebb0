"""Bias correction: each channel's mean drive becomes that of the float network, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from snncc.passes.base import Array, Context, Pass
from snncc.passes.tables import with_bias
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.linear import wire
from snncc_ir.neurons import Bias, Staircase, Table, per_channel
from snncc_ir.nodes import AnyNode, Input, Linear, Population, Readout, Wiring
from snncc_ir.tensors import Ints, Reals, Tensor
from snncc_ir.types import Shape

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
            case Population(neuron=Staircase() as neuron):
                self._staircase(node, neuron)
            case Population(neuron=Table() as neuron):
                self._table(node, neuron)
            case Readout():
                shift = self._shift(node, self._drive(node), _full(node.bias, self._shape(node)), node.scale)
                self.changed.append(replace(node, bias=_moved(node.bias, shift)))
            case Wiring():
                self.values[node.name] = wire(node, *(self.values[name] for name in node.sources))
        self._forget(node)

    def _staircase(self, node: Population, neuron: Staircase) -> None:
        if node.scale is None:
            raise TypeError("bias correction runs on populations with scales")
        drive = self._drive(node)
        unit = node.scale.data / neuron.theta.data
        shift = self._shift(node, drive, _full(neuron.bias, self._shape(node)), unit)
        self._set(node, replace(neuron, bias=_moved(neuron.bias, shift)), drive)

    def _table(self, node: Population, neuron: Table) -> None:
        """A table without units was imported as it is, and stays so."""
        drive = self._drive(node)
        if node.unit is not None and neuron.bias is not None:
            shift = self._shift(node, drive, _full(neuron.bias, self._shape(node)), node.unit.data)
            neuron = with_bias(self.graph, node, neuron, _moved(neuron.bias, shift))
        self._set(node, neuron, drive)

    def _set(self, node: Population, neuron: Staircase | Table, drive: Array) -> None:
        self.changed.append(replace(node, neuron=neuron))
        self.values[node.name] = self.context.layers.fire(neuron, drive)

    def _shift(self, node: Population | Readout, drive: Array, bias: Array, unit: Reals | float) -> Ints:
        """What makes each channel's mean drive that of the float network, in units of drive."""
        channels = drive.shape[1]
        axes = (0, *range(2, drive.ndim))
        full = np.broadcast_to(bias, drive.shape[1:]).reshape(channels, -1)
        mean = drive.mean(axis=axes, dtype=np.float64) + full.mean(axis=1)
        wanted = self.context.calibration.populations[node.name].drive_mean / unit
        return np.asarray(np.rint(wanted - mean), dtype=np.int64)

    def _shape(self, node: Population | Readout) -> Shape:
        return self.graph.types[node.name].shape

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


def _full(bias: Bias, shape: Shape) -> Array:
    """The bias of every position."""
    return np.asarray(bias.spread(shape))


def _moved(bias: Bias, shift: Ints) -> Bias:
    values = bias.values.data + per_channel(shift, bias.values.data.ndim)
    return replace(bias, values=Tensor.integer(values))


def _last_readers(graph: Graph) -> dict[str, str]:
    """For every value the last node that needs its levels; a linear node's reader needs its source's."""
    last: dict[str, str] = {}
    for node in graph.nodes:
        for source in node.sources:
            projection = graph.by_name[source]
            linear = isinstance(projection, Linear)
            last[projection.sources[0] if linear else source] = node.name
    return last
