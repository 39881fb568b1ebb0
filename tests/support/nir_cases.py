"""Random rate graphs that NIR can express."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from snncc_backends.nir.refusals import find_refusals
from snncc_ir.codes import Reset
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import Population
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate
from support.graphs import Builder, Case, add_input, add_projections
from support.leaking import leaking


def simplified(node: Population) -> Population:
    """The same population with unsigned levels and one bias per channel."""
    neuron = node.neuron
    assert isinstance(neuron, Staircase)
    values = neuron.bias.values.data.reshape(len(neuron.bias.values.data), -1)[:, 0]
    bias = Bias(values=Tensor.integer(values))
    return replace(node, neuron=replace(neuron, lo=0, hi=max(1, neuron.hi), bias=bias))


@st.composite
def nir_cases(draw: Callable[..., Any], *, leaks: bool = False) -> Case:
    """Random rate graphs of linear nodes and populations, residual sums included; with `leaks` all leak."""
    timing = Rate(draw(st.integers(1, 12)), Reset.ZERO if leaks else draw(st.sampled_from(Reset)))
    builder = Builder(draw, timing, 2)
    add_input(builder)
    for _ in range(builder.number(1, 3)):
        builder.population(add_projections(builder))
    for _ in range(builder.number(0, 1)):
        builder.readout(add_projections(builder))
    graph = Graph(
        name="random",
        nodes=tuple(builder.nodes),
        outputs=tuple(builder.unread),
        timing=replace(timing, reset=Reset.SUBTRACT),
    )
    graph = graph.with_nodes(simplified(node) for node in graph.populations)
    graph = replace(graph, timing=timing)
    if leaks:
        graph = graph.with_nodes([leaking(draw, node) for node in graph.populations])
    assume(not find_refusals(graph))
    return Case(graph, {node.name: builder.values[node.name][:, None] for node in graph.inputs})
