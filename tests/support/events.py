"""A small network with a streaming code."""

from __future__ import annotations

import numpy as np

from snncc_ir.codes import Code
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase
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
