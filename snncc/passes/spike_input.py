"""Pixels as spikes: an input neuron per pixel, for chips whose input is no payload."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from snncc.passes.base import Context, Pass
from snncc_ir.encoding import InputFormat
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog, Bias, Grid
from snncc_ir.nodes import AnyNode, Concat, Input, Population, Scale, Unary
from snncc_ir.tensors import Tensor

LONGEST = 48
"""Letters of an input's name that its neurons' names begin with."""


@dataclass(frozen=True)
class SpikeInput(Pass):
    """Puts a population of one neuron per pixel behind every input, and lets the network read that.

    The neuron adds its pixel in every step; one spike per step stands for the greatest level. Run it behind
    balance, whose statistics do not know these neurons.
    """

    name: ClassVar[str] = "spike_input"

    def apply(self, graph: Graph, context: Context) -> Graph:
        """The real graph with input neurons."""
        if graph.is_integer:
            raise SnnccError("runs on the real network", where=self.name, hint="put it before quantize_lif")
        for node in graph.inputs:
            _check(node, context.input_format)
        top = float(context.input_format.scale.max()) * context.input_format.levels.hi
        return self._with_neurons(graph, top)

    def rescaled(self, graph: Graph, compiled: Graph) -> Graph:
        """The same function: input neurons that pass on what they get."""
        return self._with_neurons(graph, None)

    def _with_neurons(self, graph: Graph, top: float | None) -> Graph:
        nodes: list[AnyNode] = []
        renamed: dict[str, str] = {}
        for node in graph.nodes:
            nodes.append(_reading(node, renamed))
            if isinstance(node, Input):
                made = _neurons(graph, node, top)
                nodes += made
                renamed[node.name] = made[-1].name
        return replace(graph, nodes=tuple(nodes))


def _check(node: Input, form: InputFormat) -> None:
    """Refuse inputs whose level 0 is not the real value 0."""
    if form.levels.lo < 0 or form.zero.any() or len(np.unique(form.scale)) > 1:
        raise SnnccError(
            "its level 0 does not stand for 0, or its channels differ in scale, and a spike has no sign",
            where=node.name,
            hint="train on pixels that are divided by one number alone",
        )


def _neurons(graph: Graph, node: Input, top: float | None) -> tuple[Scale, Population]:
    """The projection that brings each pixel to its neuron, and the neurons: no top, no grid."""
    channels = graph.types[node.name].shape[0]
    grid = None if top is None else Grid(top=Tensor.real(np.full(channels, top)), lo=0, hi=1)
    bias = Bias(values=Tensor.real(np.zeros(channels)))
    unit = Analog(bias=bias, low=0.0 if grid else -math.inf, high=math.inf, grid=grid)
    ones = Tensor.real(np.ones(channels))
    to_bias = Scale(name=_unused(graph, f"{node.name[:LONGEST]}_bias"), source=node.name, weight=ones)
    name = _unused(graph, f"{node.name[:LONGEST]}_neurons")
    return to_bias, Population(name=name, drives=(to_bias.name,), neuron=unit)


def _reading(node: AnyNode, renamed: Mapping[str, str]) -> AnyNode:
    """The node with other sources."""
    match node:
        case Unary():
            return replace(node, source=renamed.get(node.source, node.source))
        case Concat():
            return replace(node, parts=tuple(renamed.get(part, part) for part in node.parts))
        case _:
            return node


def _unused(graph: Graph, name: str) -> str:
    """The name, with a number behind it where the graph has it already."""
    numbered = (f"{name}{number}" for number in itertools.count(2))
    return next(each for each in itertools.chain([name], numbered) if each not in graph.by_name)
