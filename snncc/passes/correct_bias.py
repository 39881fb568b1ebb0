"""Bias correction: each channel's mean drive becomes that of the float network, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from snncc.passes.base import Array, Context, Pass
from snncc.passes.values import Values
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import AnyNode, Population, Readout
from snncc_ir.tensors import Reals, Tensor


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
        values = Values(graph, context)
        changed: list[AnyNode] = []
        for node in graph.nodes:
            if isinstance(node, Population | Readout):
                drive = values.drive(graph.projections(node))
                corrected = _corrected(node, drive, context)
                changed.append(corrected)
                if isinstance(corrected, Population):
                    values.fired(corrected, drive)
            values.passed(node)
        return graph.with_nodes(changed)


def _corrected(node: Population | Readout, drive: Array, context: Context) -> Population | Readout:
    """The node with the bias whose mean drive is the float network's."""
    mean = context.calibration.populations[node.name].drive_mean
    if isinstance(node, Readout):
        return replace(node, bias=_shifted(node.bias, drive, mean / node.scale))
    neuron = node.neuron
    if not isinstance(neuron, Staircase) or node.scale is None:
        raise TypeError("bias correction runs on staircases with scales")
    bias = _shifted(neuron.bias, drive, mean * neuron.theta.data / node.scale.data)
    return replace(node, neuron=replace(neuron, bias=bias))


def _shifted(bias: Bias, drive: Array, wanted: Reals) -> Bias:
    """The bias with which the drive `[N, C, ...]` has the wanted mean in every channel."""
    channels = drive.shape[1]
    spread = np.broadcast_to(bias.spread(drive.shape[1:]), drive.shape[1:]).reshape(channels, -1)
    mean = drive.mean(axis=(0, *range(2, drive.ndim)), dtype=np.float64) + spread.mean(axis=1)
    shift = np.rint(wanted - mean).astype(np.int64)
    values = bias.values.data + shift.reshape(-1, *(1,) * (bias.values.data.ndim - 1))
    return replace(bias, values=Tensor.integer(values))
