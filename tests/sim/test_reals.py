"""The real-valued network in ONNX Runtime, with staircases in some populations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from snncc.passes.balance import Balance
from snncc.sim.reals import RealEngine
from snncc_ir.linear import drive, wire
from snncc_ir.neurons import Analog, per_channel
from snncc_ir.nodes import Input, Linear, Population, Readout
from snncc_ir.tensors import Tensor
from support.compiled import real_outputs, run
from support.trained import pixels


def test_without_grids_it_is_the_float_network(tmp_path: Path) -> None:
    graph, _, context = run(tmp_path, "balance")
    levels = context.input_format.to_levels(pixels(70))
    found = RealEngine(graph).run(context.input_format.to_reals(levels), {})
    np.testing.assert_allclose(
        found[graph.outputs[0]], real_outputs(graph, context, levels), rtol=1e-4, atol=1e-5
    )


def test_slopes_are_those_of_the_graph(tmp_path: Path) -> None:
    graph, _, context = run(tmp_path, "balance")
    slope = Tensor.real(np.linspace(0, 0.5, 6))
    leaky = [
        replace(node, neuron=replace(node.neuron, low=-np.inf, slope=slope)) for node in graph.populations
    ]
    levels = context.input_format.to_levels(pixels(20))
    found = RealEngine(graph.with_nodes(leaky)).run(context.input_format.to_reals(levels), {})
    expected = real_outputs(graph.with_nodes(leaky), context, levels)
    assert not np.allclose(expected, real_outputs(graph, context, levels))
    np.testing.assert_allclose(found[graph.outputs[0]], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rounded", [{"relu1"}, {"relu2"}, {"relu1", "relu2"}])
def test_a_grid_rounds_its_population_alone(tmp_path: Path, rounded: set[str]) -> None:
    graph, _, context = run(tmp_path, "balance")
    balanced = Balance(level_bits=2).apply(graph, context)
    grids = {node.name: node.neuron.grid for node in balanced.populations if node.name in rounded}
    x = context.input_format.to_reals(context.input_format.to_levels(pixels(5)))
    values = {}
    for node in graph.nodes:
        match node:
            case Input():
                values[node.name] = x
            case Linear():
                values[node.name] = drive(node, values[node.source])
            case Population(neuron=Analog() as neuron):
                u = sum(values[name] for name in node.drives) + neuron.bias.spread(
                    graph.types[node.name].shape
                )
                a = np.clip(u, neuron.low, neuron.high)
                if node.name in rounded:
                    scale = per_channel(grids[node.name].scale, a.ndim - 1)
                    a = np.clip(np.floor(a / scale + 0.5), 0, 3) * scale
                values[node.name] = a
            case Readout():
                bias = node.bias.spread(graph.types[node.name].shape)
                values[node.name] = sum(values[name] for name in node.drives) + bias
            case _:
                values[node.name] = wire(node, *(values[name] for name in node.sources))
    found = RealEngine(graph).run(x, grids)
    np.testing.assert_allclose(found[graph.outputs[0]], values[graph.outputs[0]], rtol=1e-3, atol=1e-3)
