"""Integer graphs as real ones, and back to integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snncc import artefact
from snncc.driver import compile_model
from snncc.options import CompileOptions, PixelScaling
from snncc.passes.rounded import real_parameters
from snncc.passes.variables import Variables
from snncc.tuning.lifting import lifted, lowered, shared_steps
from snncc_ir.aims import Loss
from snncc_ir.errors import GraphError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Staircase, Table
from snncc_ir.nodes import Conv, Dense, Population, Readout
from snncc_ir.semantics import evaluate
from snncc_ir.tensors import Tensor
from snncc_ir.training import Objective
from support.real_graphs import Surrogate
from support.trained import pixels, write_data, write_residual

SCALINGS = {
    "plain": PixelScaling(scale=255.0),
    "normalised": PixelScaling(scale=255.0, mean=(0.4, 0.5), std=(0.2, 0.3)),
}


class Graphs(dict[tuple[str, int, int], Graph]):
    """Integer graphs by scaling of pixels, level bits and weight bits."""

    def __repr__(self) -> str:
        return f"{len(self)} graphs"


BITS = ((2, 8), (4, 3), (3, 1))
"""Of levels and of weights."""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    """The small residual network, by scaling of pixels, level bits and weight bits."""
    folder = tmp_path_factory.mktemp("lifted")
    model, data = write_residual(folder / "m.onnx"), write_data(folder / "d.npz", pixels())
    found = Graphs()
    for name, scaling in SCALINGS.items():
        for levels, weights in BITS:
            options = CompileOptions(
                output=folder / f"{name}{levels}{weights}",
                target="sim",
                calibrate=data,
                pixels=scaling,
                level_bits=levels,
                weight_bits=weights,
            )
            found[name, levels, weights] = artefact.read(compile_model(model, options).path).graph
    return found


KEYS = st.sampled_from([(name, *bits) for name in SCALINGS for bits in BITS])


@given(KEYS)
def test_without_a_change_the_integers_come_back(compiled: Graphs, key: tuple[str, int, int]) -> None:
    graph = compiled[key]
    assert lowered(lifted(graph), graph) == graph


@settings(max_examples=40)
@given(KEYS, st.integers(0, 2**32 - 1), st.sampled_from([0.01, 0.3, 2.0]))
def test_whatever_is_learned_stays_inside_its_bits(
    compiled: Graphs, key: tuple[str, int, int], seed: int, size: float
) -> None:
    graph = compiled[key]
    real = lifted(graph)
    variables = Variables(real, shared_steps(real))
    vector = np.random.default_rng(seed).normal(0, size, len(variables.start()))
    found = lowered(variables.graph_at(vector), graph)
    assert found.is_integer
    for old, new in zip(graph.nodes, found.nodes, strict=True):
        if isinstance(old, Conv | Dense):
            assert new.weight.bits == old.weight.bits
        if isinstance(old, Population):
            assert new.neuron.theta.data.min() >= 1
            assert (new.neuron.lo, new.neuron.hi) == (old.neuron.lo, old.neuron.hi)


@settings(max_examples=20)
@given(KEYS, st.integers(0, 2**32 - 1))
def test_the_real_network_of_the_gradient_computes_what_the_integers_do(
    compiled: Graphs, key: tuple[str, int, int], seed: int
) -> None:
    graph = compiled[key]
    real = lifted(graph)
    variables = Variables(real, shared_steps(real))
    vector = np.random.default_rng(seed).normal(0, 0.2, len(variables.start()))
    found = lowered(variables.graph_at(vector), graph)
    levels = pixels(4, seed=3).astype(np.int64)
    (source,) = found.inputs
    images = source.scale.data * (levels - source.zero.data)
    objective = Objective(loss=Loss.AUTO, temperature=1.0, batch=len(levels))
    values = Surrogate(real, images, objective, nudge=1e-9).values(real_parameters(found))
    expected = evaluate(found, {source.name: levels})
    for node in found.populations:
        scale = node.scale.data.reshape(-1, *(1,) * (expected[node.name].ndim - 2))
        np.testing.assert_allclose(values[node.name], expected[node.name] * scale, rtol=1e-9, atol=1e-9)
    for readout in found.of_type(Readout):
        np.testing.assert_allclose(values[readout.name], expected[readout.name] * readout.scale, atol=1e-9)


def test_neurons_without_a_gradient_are_refused(compiled: Graphs) -> None:
    graph = compiled["plain", 2, 8]
    (first, *_) = graph.populations
    assert isinstance(first.neuron, Staircase)
    points = np.tile(np.arange(first.neuron.hi - first.neuron.lo), (first.neuron.theta.shape[0], 1))
    table = Table(breakpoints=Tensor.integer(points), lo=first.neuron.lo, hi=first.neuron.hi)
    unit = Tensor.real(np.ones(first.neuron.theta.shape[0]))
    changed = graph.with_nodes([Population(name=first.name, drives=first.drives, neuron=table, unit=unit)])
    with pytest.raises(GraphError) as caught:
        lifted(changed)
    assert str(caught.value) == (
        f"{first.name}: is a neuron by breakpoints, which has no gradient; LeakyRelu, PRelu and uneven "
        "bounds become such tables; ReLU can be tuned"
    )


def test_shared_steps_stay(tmp_path: Path) -> None:
    """Channels that a reshape mixes keep their thresholds; all others learn."""
    model, data = write_residual(tmp_path / "m.onnx"), write_data(tmp_path / "d.npz", pixels())
    options = CompileOptions(
        output=tmp_path / "out", target="sim", calibrate=data, pixels=SCALINGS["plain"], level_bits=2
    )
    graph = artefact.read(compile_model(model, options).path).graph
    real = lifted(graph)
    first = graph.populations[0].name
    fixed = {**shared_steps(real), first: np.array([True, *[False] * 5])}
    variables = Variables(real, fixed)
    assert (variables.rates == 0).sum() == 1
    free = Variables(real)
    assert (free.rates > 0).all()
