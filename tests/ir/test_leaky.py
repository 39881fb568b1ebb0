"""Neurons that leak: by hand, and as text and JSON."""

from __future__ import annotations

import numpy as np
import pytest

from snncc_ir.codes import Code, Reset
from snncc_ir.errors import GraphError
from snncc_ir.graph import Graph
from snncc_ir.lif import decayed
from snncc_ir.neurons import Bias, Leaky
from snncc_ir.nodes import Dense, Input, Population, Readout, Scale
from snncc_ir.plain import graph_from_plain, graph_to_plain, tensors_of
from snncc_ir.semantics import evaluate
from snncc_ir.streaming import run_streaming
from snncc_ir.tensors import Tensor
from snncc_ir.text import parse_graph, print_graph
from snncc_ir.timing import Rate
from snncc_ir.types import Levels


def network() -> Graph:
    leaky = Leaky(vth=5, bias=Bias(values=Tensor.integer([0, -1])), du=2047, dv=1024)
    return Graph(
        name="leaky",
        nodes=(
            Input(name="x", type=Levels((1,), 0, 3)),
            Dense(name="fc", source="x", weight=Tensor.integer([[1], [-2]], 8)),
            Population(name="p", drives=("fc",), neuron=leaky, code=Code.RATE),
            Scale(name="out", source="p", weight=Tensor.integer([1, 1], 8)),
            Readout(name="y", drives=("out",), bias=Bias(values=Tensor.integer([0, 0])), scale=1.0),
        ),
        outputs=("y",),
        timing=Rate(6, Reset.ZERO),
    )


def test_six_steps_by_hand() -> None:
    """3 in each step: u keeps a half, v three quarters; the bias of -1 and -6 a step never fire."""
    run = run_streaming(network(), {"x": np.array([[3]])})
    # 64 v: 192, 144 + 288 = 432 (fires above 320), 336 (fires), 360 (fires), 372, 378
    assert run.trains["p"][:, 0].tolist() == [[0, 0], [1, 0], [1, 0], [1, 0], [1, 0], [1, 0]]
    assert run.outputs["y"][:, 0].tolist() == [[0, 0], [1, 0], [2, 0], [3, 0], [4, 0], [5, 0]]


def test_decays_round_toward_zero() -> None:
    assert decayed(np.array([63, -63, 1, -1, 64]), 2048).tolist() == [31, -31, 0, 0, 32]


def test_forms_come_back() -> None:
    graph = network()
    assert graph_from_plain(graph_to_plain(graph), tensors_of(graph)) == graph
    assert parse_graph(print_graph(graph), tensors_of(graph)) == graph
    (line,) = [line for line in print_graph(graph).splitlines() if "vth=" in line]
    assert "leaky" in line
    assert "du=2047, dv=1024" in line


def test_no_level() -> None:
    with pytest.raises(GraphError) as caught:
        evaluate(network(), {"x": np.array([[3]])})
    assert str(caught.value) == "a leaky neuron has spikes in time, and no level"
