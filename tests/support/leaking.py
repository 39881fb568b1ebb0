"""Random graphs of leaky neurons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from snncc_ir.codes import Reset
from snncc_ir.graph import Graph
from snncc_ir.neurons import Leaky, Staircase
from snncc_ir.nodes import Population
from snncc_ir.timing import Rate
from support.graphs import Case, cases

Draw = Callable[..., Any]

DECAYS = st.one_of(st.sampled_from([0, 1, 2048, 4094, 4095]), st.integers(0, 4095))


def leaking(draw: Draw, node: Population) -> Population:
    """The population with leaky neurons, whose threshold is about that which it had."""
    neuron = node.neuron
    assert isinstance(neuron, Staircase)
    vth = int(neuron.theta.data.max()) * draw(st.integers(0, 6)) // 2
    return replace(node, neuron=Leaky(vth=vth, bias=neuron.bias, du=draw(DECAYS), dv=draw(DECAYS)))


@st.composite
def leaky_cases(draw: Draw, most: int = 12) -> Case:
    """A random graph of up to `most` steps in which most populations leak, the first one always."""
    case = draw(cases(Rate(draw(st.integers(1, most)), Reset.ZERO), layers_max=3))
    graph: Graph = case.graph
    first, *others = graph.populations
    changed = [first, *(node for node in others if draw(st.integers(0, 3)))]
    return Case(graph.with_nodes([leaking(draw, node) for node in changed]), case.inputs)
