"""The real-valued network in ONNX Runtime, with staircases in some populations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from snncc.passes.balance import Balance
from snncc.sim.reals import RealEngine
from snncc_ir.linear import drive, wire
from snncc_ir.neurons import Analog, per_channel
from snncc_ir.nodes import Input, Linear, Population, Readout
from support.compiled import real_outputs, run
from support.trained import pixels


def test_without_grids_it_is_the_float_network(tmp_path: Path) -> None:
    graph, _, context = run(tmp_path, "balance")
    levels = context.input_format.to_levels(pixels(70))
    found = RealEngine(graph).run(context.input_format.to_reals(levels), {})
    np.testing.assert_allclose(
        found[graph.outputs[0]], real_outputs(graph, context, levels), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("rounded", "channel"), [({"relu1"}, None), ({"relu2"}, None), ({"relu1", "relu2"}, None), ({"relu1"}, 2)]
)
def test_a_grid_rounds_its_population_or_channel_alone(
    tmp_path: Path, rounded: set[str], channel: int | None
) -> None:
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
                    some = slice(None) if channel is None else channel
                    a[:, some] = (np.clip(np.floor(a / scale + 0.5), 0, 3) * scale)[:, some]
                values[node.name] = a
            case Readout():
                bias = node.bias.spread(graph.types[node.name].shape)
                values[node.name] = sum(values[name] for name in node.drives) + bias
            case _:
                values[node.name] = wire(node, *(values[name] for name in node.sources))
    channels = {} if channel is None else dict.fromkeys(rounded, channel)
    found = RealEngine(graph).run(x, grids, channels)
    np.testing.assert_allclose(found[graph.outputs[0]], values[graph.outputs[0]], rtol=1e-3, atol=1e-3)
