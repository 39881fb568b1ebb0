"""Networks whose neurons leak."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from snncc_ir.codes import Code, Reset
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Leaky, Staircase
from snncc_ir.nodes import Dense, Input, Population, Readout
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate
from snncc_ir.types import Levels
from support.events import small_case
from support.graphs import Case, cases

DECAYS = (0, 1, 300, 2048, 3000, 4095)


def leaking(graph: Graph, seed: int, share: float = 1.0) -> Graph:
    """The graph with neurons that leak in place of that share of all, but for those called pixels."""
    rng = np.random.default_rng(seed)

    def leaky(node: Population) -> Population:
        neuron = node.neuron
        if not isinstance(neuron, Staircase) or node.name == "pixels" or rng.random() >= share:
            return node
        vth, (du, dv) = int(neuron.theta.data[0]), rng.choice(DECAYS, 2).tolist()
        return replace(node, neuron=Leaky(vth=vth, bias=neuron.bias, du=du, dv=dv))

    return graph.with_nodes(leaky(node) for node in graph.populations)


@st.composite
def leaky_cases(draw: Callable[..., Any], layers_max: int = 3) -> Case:
    """A random `rate` graph, most of its neurons leaking, the others resetting to zero as they do."""
    case = draw(cases(Rate(draw(st.integers(1, 12)), Reset.ZERO), layers_max))
    return replace(case, graph=leaking(case.graph, draw(st.integers(0, 2**20)), 0.8))


def small_leaky(du: int, dv: int, steps: int = 30, vth: int = 1500) -> Case:
    """The small network, its neurons leaking, the input a current that is the same in every step."""
    case = small_case(Rate(steps, Reset.ZERO))
    (node,) = case.graph.populations
    assert isinstance(node.neuron, Staircase)
    neuron = Leaky(vth=vth, bias=node.neuron.bias, du=du, dv=dv)
    return replace(case, graph=case.graph.with_nodes([replace(node, neuron=neuron)]))


def fine_leaky(steps: int = 24) -> Case:
    """Small weights, whose potentials come close to thresholds: single bits of these and of decays tell.

    The second layer's drives change their sign from step to step, so that it tells how they are rounded.
    """
    rng = np.random.default_rng(7)
    first, last = (Tensor.integer(rng.integers(-3, 4, shape), 3) for shape in ((8, 6), (2, 8)))
    biases = [Bias(values=Tensor.integer(rng.integers(-2, 3, size))) for size in (8, 2)]
    images = rng.integers(0, 8, (1, 200, 6))
    second = Tensor.integer(rng.integers(-3, 4, (8, 8)), 3)
    neurons = (
        Leaky(vth=120, bias=biases[0], du=1000, dv=99),
        Leaky(vth=2, bias=biases[0], du=700, dv=500),
    )
    graph = Graph(
        name="fine",
        nodes=(
            Input(name="x", type=Levels((6,), 0, 7)),
            Dense(name="d", source="x", weight=first),
            Population(name="p", drives=("d",), neuron=neurons[0], code=Code.RATE),
            Dense(name="f", source="p", weight=second),
            Population(name="q", drives=("f",), neuron=neurons[1], code=Code.RATE),
            Dense(name="e", source="q", weight=last),
            Readout(name="y", drives=("e",), bias=biases[1]),
        ),
        outputs=("y",),
        timing=Rate(steps, Reset.ZERO),
    )
    return Case(graph, {"x": images})
