"""Bias correction: each channel's mean drive becomes that of the float network, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from snncc.passes.base import Array, Context, Pass
from snncc.passes.tables import bias_of, shifted
from snncc.passes.values import Values
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase, Table, per_channel
from snncc_ir.nodes import AnyNode, Population, Readout
from snncc_ir.tensors import Ints, Reals, Tensor


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
        values = Values(graph, context)
        changed: list[AnyNode] = []
        for node in graph.nodes:
            if isinstance(node, Population | Readout):
                drive = values.drive(graph.projections(node))
                corrected = _corrected(graph, node, drive, context)
                changed.append(corrected)
                if isinstance(corrected, Population):
                    values.fired(corrected, drive)
            values.passed(node)
        return graph.with_nodes(changed)


def _corrected(
    graph: Graph, node: Population | Readout, drive: Array, context: Context
) -> Population | Readout:
    """The node with the bias whose mean drive is the float network's; what came quantised stays."""
    statistics = context.calibration.populations.get(node.name)
    if statistics is None:
        return node
    mean = statistics.drive_mean
    if isinstance(node, Readout):
        return replace(node, bias=_moved(node.bias, _shift(node.bias, drive, mean / node.scale)))
    match node.neuron:
        case Staircase(theta=theta, bias=bias) as stairs if node.scale is not None:
            moved = _moved(bias, _shift(bias, drive, mean * theta.data / node.scale.data))
            return replace(node, neuron=replace(stairs, bias=moved))
        case Table() as table if node.unit is not None:
            shift = _shift(bias_of(node, table), drive, mean / node.unit.data)
            return replace(node, neuron=shifted(graph, node, table, shift))
        case _:
            raise TypeError("bias correction runs on populations with units")


def _shift(bias: Bias, drive: Array, wanted: Reals) -> Ints:
    """What gives the drive `[N, C, ...]` with its bias the wanted mean in every channel."""
    channels = drive.shape[1]
    spread = np.broadcast_to(bias.spread(drive.shape[1:]), drive.shape[1:]).reshape(channels, -1)
    mean = drive.mean(axis=(0, *range(2, drive.ndim)), dtype=np.float64) + spread.mean(axis=1)
    return np.asarray(np.rint(wanted - mean), dtype=np.int64)


def _moved(bias: Bias, shift: Ints) -> Bias:
    values = bias.values.data + per_channel(shift, bias.values.data.ndim)
    return replace(bias, values=Tensor.integer(values))
