"""Where the cycles of a layer go."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from snncc_backends.fpga.engines import CyclesEngine
from snncc_backends.fpga.refusals import find_refusals
from snncc_backends.fpga.simulator.cycles import Simulator
from snncc_backends.fpga.simulator.layers import joined, layer_runs
from snncc_backends.fpga.tables.assemble import build_tables
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias
from snncc_ir.nodes import Concat, Conv, Input, Readout, Repeat
from snncc_ir.progress import silent
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Phased
from snncc_ir.types import Levels
from support.fpga import machine
from support.graphs import Case, cases


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(cases(), st.sampled_from((8, 16, 32)))
def test_the_parts_are_those_of_the_simulated_cycles(case: Case, lanes: int) -> None:
    assume(not find_refusals(case.graph, machine(lanes)))
    run = CyclesEngine().run(case.graph, machine(lanes), case.batch, silent)
    simulated = Simulator(build_tables(case.graph, lanes)).run(case.batch)
    assert np.array_equal(np.stack([layer.cycles for layer in run.layers], axis=1), simulated.pass_cycles)
    for layer in run.layers:
        stalled = layer.zeros + layer.waits + layer.overhead
        assert (np.stack([layer.zeros, layer.waits, layer.products]) >= 0).all()
        if not any(
            isinstance(node, Concat | Repeat) for node in case.graph.nodes
        ):  # what they copy is read once
            assert (layer.products <= layer.most * (layer.cycles - stalled)).all()


def pointwise(channels: int = 8) -> Graph:
    """A readout of a 1 x 1 convolution on 4 x 4 pixels: each tile reads one word, of 8 levels."""
    weight = Tensor.integer(np.full((8, channels, 1, 1), 3), 4)
    conv = Conv(
        name="k",
        source="x",
        weight=weight,
        stride=(1, 1),
        padding=((0, 0), (0, 0)),
        dilation=(1, 1),
        groups=1,
    )
    bias = Bias(values=Tensor.integer(np.zeros(8, dtype=np.int64)))
    nodes = (
        Input(name="x", type=Levels((channels, 4, 4), 0, 15)),
        conv,
        Readout(name="y", drives=("k",), bias=bias),
    )
    return Graph(name="net", nodes=nodes, outputs=("y",), timing=Phased())


@pytest.mark.parametrize(
    ("levels", "zeros", "waits", "products"),
    [(0, 16, 7 * 16, 0), (1, 0, 7 * 16, 16 * 8), (8, 0, 0, 16 * 8 * 8)],
)
def test_a_layer_by_hand(levels: int, zeros: int, waits: int, products: int) -> None:
    """16 tiles of 8 cycles at least; `levels` levels of each pixel are not 0."""
    graph = pointwise()
    image = np.zeros((2, 8, 4, 4), dtype=np.int64)
    image[1, :levels] = 7
    (layer,) = layer_runs(graph, build_tables(graph, 8), {"x": image})
    found = [int(part[1]) for part in (layer.zeros, layer.waits, layer.products)]
    assert found == [zeros, waits, products]
    assert layer.cycles[1] == 16 * 8 + layer.overhead[1]
    (twice,) = joined([(layer,), (layer,)])
    assert twice.products.tolist() == layer.products.tolist() * 2
