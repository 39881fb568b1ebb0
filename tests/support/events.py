"""Small networks with streaming codes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from snncc_ir.codes import Code, Reset
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Leaky, Staircase
from snncc_ir.nodes import Dense, Input, Population, Readout
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate, Stbif
from snncc_ir.types import Levels
from support.graphs import Case


def small_case(timing: Rate | Stbif, *, inputs: int = 20, hidden: int = 11) -> Case:
    """Two dense layers with weights of 8 and of 2 bits."""
    rng = np.random.default_rng(4)
    code = Code.RATE if isinstance(timing, Rate) else Code.STBIF
    weights = [
        Tensor.integer(rng.integers(-120, 121, (hidden, inputs)), 8),
        Tensor.integer(rng.integers(-2, 2, (3, hidden)), 2),
    ]
    bias = Bias(values=Tensor.integer(rng.integers(-50, 51, hidden)))
    neuron = Staircase(theta=Tensor.integer(rng.integers(90, 200, hidden)), bias=bias, lo=0, hi=7)
    graph = Graph(
        name="small",
        nodes=(
            Input(name="x", type=Levels((inputs,), 0, 15)),
            Dense(name="d", source="x", weight=weights[0]),
            Population(name="p", drives=("d",), neuron=neuron, code=code),
            Dense(name="e", source="p", weight=weights[1]),
            Readout(name="y", drives=("e",), bias=Bias(values=Tensor.integer(np.array([3, -2, 0])))),
        ),
        outputs=("y",),
        timing=timing,
    )
    return Case(graph, {"x": rng.integers(0, 16, (1, 4, inputs))})


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
