"""Cross-layer equalisation: channels trade scale between two layers, so that one threshold serves all."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from snncc.passes.base import Context, Pass
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog, per_channel
from snncc_ir.nodes import (
    AnyNode,
    Conv,
    Dense,
    Linear,
    MaxPool,
    Population,
    Reshape,
)
from snncc_ir.statistics import Statistics
from snncc_ir.tensors import Reals, Tensor

SWEEPS = 8
"""Rounds over all populations; each changes the weights that its neighbours look at."""

SMALLEST = 1e-8
"""A channel whose largest weight is smaller stays as it is."""


@dataclass(frozen=True)
class Equalize(Pass):
    """Divides channel i of a rectifier by s_i and multiplies the weights that read it by s_i.

    s_i = sqrt(r1_i / r2_i) for the largest weights r1_i into and r2_i out of the channel; both become
    sqrt(r1_i * r2_i) (Nagel et al. 2019, section 4.1, equation 11). The network's function stays the same.
    A threshold per channel does this by itself; where a population has one threshold it loses less.
    """

    name: ClassVar[str] = "equalize"

    def apply(self, graph: Graph, context: Context) -> Graph:
        """The graph with other weights and biases."""
        return _equalized(graph)[0]

    def rescaled(self, graph: Graph, compiled: Graph) -> Graph:
        """The equalised graph itself: it needs no images."""
        return _equalized(graph)[0]

    def adapted(self, graph: Graph, changed: Graph, context: Context) -> Context:
        """The calibration in the new units of every channel of the graph before the pass."""
        factors = _equalized(graph)[1]
        seen = context.calibration.populations
        populations = {**seen, **{name: _divided(seen[name], factor) for name, factor in factors.items()}}
        return replace(context, calibration=replace(context.calibration, populations=populations))


def _equalized(graph: Graph) -> tuple[Graph, dict[str, Reals]]:
    """The equalised graph, and what each population's channels were divided by."""
    if graph.populations and all(not isinstance(node.neuron, Analog) for node in graph.populations):
        raise SnnccError("runs on the real-valued network", where=Equalize.name, hint="put it before balance")
    total: dict[str, Reals] = {}
    for _ in range(SWEEPS):
        for name in [node.name for node in graph.populations]:
            readers = _readers(graph, name)
            if readers is None:
                continue
            graph, factor = _balanced(graph, name, readers)
            total[name] = total.get(name, np.ones(1)) * factor
    return graph, total


def _readers(graph: Graph, name: str) -> tuple[Linear, ...] | None:
    """The linear nodes that read a population's channels; None where its channels cannot be scaled."""
    node = graph.by_name[name]
    if not isinstance(node, Population) or not isinstance(node.neuron, Analog) or name in graph.outputs:
        return None
    neuron = node.neuron
    homogeneous = neuron.grid is None and neuron.low in (0.0, -math.inf) and neuron.high == math.inf
    if not homogeneous or any(len(graph.readers[drive]) > 1 for drive in node.drives):
        return None
    found: list[Linear] = []
    waiting = [name]
    while waiting:
        for reader in graph.readers[waiting.pop()]:
            if isinstance(reader, Linear):
                found.append(reader)
            elif _keeps_channels(reader, graph) and reader.name not in graph.outputs:
                waiting.append(reader.name)
            else:
                return None
    return tuple(found)


def _keeps_channels(node: AnyNode, graph: Graph) -> bool:
    """True for wiring that leaves channel c in channel c, or in the c-th part of a vector."""
    if isinstance(node, Reshape):
        return len(node.shape) == 1 or node.shape[0] == graph.types[node.source].shape[0]
    return isinstance(node, MaxPool)


def _balanced(graph: Graph, name: str, readers: tuple[Linear, ...]) -> tuple[Graph, Reals]:
    node = graph.by_name[name]
    if not isinstance(node, Population) or not isinstance(node.neuron, Analog):
        raise TypeError("only real units are equalised")
    channels = graph.types[name].shape[0]
    into = graph.projections(node)
    largest_in = np.max([_row_max(each.weight.data) for each in into], axis=0)
    largest_out = np.max([_column_max(each, channels) for each in readers], axis=0)
    usable = (largest_in > SMALLEST) & (largest_out > SMALLEST)
    ratio = np.divide(largest_in, largest_out, out=np.ones(channels), where=usable)
    factor = np.sqrt(ratio)
    bias = node.neuron.bias
    values = bias.values.data / per_channel(factor, bias.values.data.ndim)
    neuron = replace(node.neuron, bias=replace(bias, values=Tensor.real(values)))
    changed: dict[str, AnyNode] = {name: replace(node, neuron=neuron)}
    for each in into:
        weight = each.weight.data / per_channel(factor, each.weight.data.ndim)
        changed[each.name] = replace(each, weight=Tensor.real(weight))
    for each in readers:
        before = changed.get(each.name, each)
        if isinstance(before, Linear):
            weight = before.weight.data * _by_input(before, factor)
            changed[each.name] = replace(before, weight=Tensor.real(weight))
    return graph.with_nodes(changed.values()), factor


def _row_max(weight: Reals) -> Reals:
    return np.asarray(np.abs(weight).reshape(len(weight), -1).max(axis=1))


def _column_max(node: Linear, channels: int) -> Reals:
    """Largest |weight| that reads each channel."""
    weight = np.abs(node.weight.data)
    match node:
        case Conv():
            by_group = weight.reshape(node.groups, -1, *weight.shape[1:])
            return np.asarray(by_group.max(axis=(1, 3, 4)).reshape(-1))
        case Dense():
            return np.asarray(weight.reshape(len(weight), channels, -1).max(axis=(0, 2)))
        case _:
            return np.asarray(weight)


def _by_input(node: Linear, factor: Reals) -> Reals:
    """The factor of the channel that each weight reads, so that it broadcasts to the weights."""
    shape = node.weight.shape
    match node:
        case Conv():
            groups = np.repeat(factor.reshape(node.groups, shape[1]), shape[0] // node.groups, axis=0)
            return np.asarray(groups[:, :, None, None])
        case Dense():
            return np.repeat(factor, shape[1] // len(factor))
        case _:
            return factor


def _divided(statistics: Statistics, factor: Reals) -> Statistics:
    return replace(
        statistics,
        low=statistics.low / factor,
        high=statistics.high / factor,
        drive_mean=statistics.drive_mean / factor,
        sample=(statistics.sample / factor).astype(np.float32),
    )
