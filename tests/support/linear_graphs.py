"""Real networks whose units let everything through: what rounding does to their outputs adds up exactly."""

from __future__ import annotations

import numpy as np

from snncc.dataset import pixel_format
from snncc.passes.base import Context
from snncc.sim.drives import Layers
from snncc.sim.training.adjoint import Adjoint
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog, Bias
from snncc_ir.nodes import Conv, Dense, Input, Population, Readout, Reshape, Scale, SumPool
from snncc_ir.semantics import evaluate
from snncc_ir.statistics import Calibration, Statistics
from snncc_ir.tensors import Tensor
from snncc_ir.types import Real


def linear_network(rng: np.random.Generator, outputs: int = 3) -> Graph:
    """Convolutions, a skip, a pool and a dense layer behind units that never saturate."""
    shapes = ((4, 2, 3, 3), (4, 1, 1, 1), (4,), (outputs, 16))
    first, depthwise, skip, dense = (Tensor.real(rng.normal(size=shape)) for shape in shapes)
    nodes = (
        Input(name="x", type=Real((2, 6, 6))),
        Conv(name="c", source="x", weight=first),
        Population(name="p", drives=("c",), neuron=unit(4)),
        Conv(name="d", source="p", weight=depthwise, groups=4),
        Scale(name="s", source="p", weight=skip),
        Population(name="q", drives=("d", "s"), neuron=unit(4)),
        SumPool(name="m", source="q", weight=Tensor.real(np.full(4, 0.25)), kernel=(2, 2), stride=(2, 2)),
        Population(name="r", drives=("m",), neuron=unit(4)),
        Reshape(name="f", source="r", shape=(16,)),
        Dense(name="e", source="f", weight=dense),
        Readout(name="y", drives=("e",), bias=Bias(values=Tensor.real(np.zeros(outputs)))),
    )
    return Graph(name="g", nodes=nodes, outputs=("y",))


def unit(channels: int) -> Analog:
    """A unit that lets everything through."""
    return Analog(bias=Bias(values=Tensor.real(np.zeros(channels))), low=-np.inf, high=np.inf)


def calibrated(graph: Graph, levels: np.ndarray) -> Context:
    """What passes may know of a real graph with one input, from images as levels of 8 bits."""
    form = pixel_format(levels.shape[1:], 8, 255.0, (0.0,), (1.0,))
    values = evaluate(graph, {graph.inputs[0].name: form.to_reals(levels)})
    seen = {}
    for node in graph.populations:
        sample = np.moveaxis(values[node.name], 1, -1).reshape(-1, values[node.name].shape[1])
        seen[node.name] = Statistics(
            low=sample.min(axis=0),
            high=sample.max(axis=0),
            drive_mean=sample.mean(axis=0),
            sample=sample.astype(np.float32),
        )
    calibration = Calibration(populations=seen, images=len(levels), synthetic=False)
    return Context(
        calibration=calibration, input_format=form, samples=levels, layers=Layers(), adjoints=Adjoint
    )
