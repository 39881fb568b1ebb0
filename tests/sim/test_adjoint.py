"""Gradients of outputs by activations, against central differences in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from snncc.sim.training import adjoint
from snncc.sim.training.adjoint import Adjoint
from snncc_ir.errors import GraphError
from snncc_ir.semantics import evaluate
from support.examples import analog, quantised
from support.graphs import Case, cases
from support.real_graphs import bent, shifted, without_grids


@settings(max_examples=60)
@given(cases(), st.integers(0, 2**32 - 1))
def test_gradients_are_differences(case: Case, seed: int) -> None:
    assume(len(case.graph.inputs) == 1)
    rng = np.random.default_rng(seed)
    graph = bent(without_grids(case.graph, seed), rng)
    images = rng.normal(size=(3, *graph.inputs[0].type.shape)).astype(np.float32).astype(float)
    shapes = {name: (3, *graph.types[name].shape) for name in graph.types}
    aims = {name: rng.normal(size=shapes[name]) for name in graph.outputs}
    engine = Adjoint(graph)
    found, gradients = engine.values(images), engine.gradients(images, aims)
    values = evaluate(graph, {graph.inputs[0].name: images})
    for name, value in found.items():
        np.testing.assert_allclose(value, values[name], rtol=1e-4, atol=1e-4)
    for name, gradient in gradients.items():
        step = {name: 1e-6 * rng.normal(size=shapes[name])}
        ahead, behind = (shifted(graph, images, {name: s * step[name]}) for s in (1, -1))
        change = sum(float((aims[output] * (ahead[output] - behind[output])).sum()) for output in aims) / 2
        size = np.linalg.norm(gradient) * np.linalg.norm(step[name])
        assert abs(change - float((gradient * step[name]).sum())) < 1e-3 * size + 1e-10
    assert gradients.keys() == {node.name for node in graph.populations}
    assert found.keys() == gradients.keys() | set(graph.outputs)


@given(cases(), st.integers(0, 99))
def test_fewer_images_than_a_batch_give_the_same(case: Case, seed: int) -> None:
    assume(len(case.graph.inputs) == 1)
    rng = np.random.default_rng(seed)
    graph = without_grids(case.graph, seed)
    engine = Adjoint(graph)
    images = rng.normal(size=(engine.batch, *graph.inputs[0].type.shape))
    aims = {name: rng.normal(size=(engine.batch, *graph.types[name].shape)) for name in graph.outputs}
    few = {name: aim[:2] for name, aim in aims.items()}
    pairs = (
        (engine.values(images), engine.values(images[:2])),
        (engine.gradients(images, aims), engine.gradients(images[:2], few)),
    )
    for whole, part in pairs:
        assert whole.keys() == part.keys()
        for name, value in part.items():
            np.testing.assert_allclose(value, whole[name][:2], rtol=1e-4, atol=1e-4)


def test_batches_of_great_networks_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = analog()
    count = sum(int(np.prod(value.shape)) for value in graph.types.values())
    assert Adjoint(graph).batch == adjoint.MOST_IMAGES
    monkeypatch.setattr(adjoint, "MOST_NUMBERS", 5 * count)
    assert Adjoint(graph).batch == 5
    monkeypatch.setattr(adjoint, "MOST_NUMBERS", count - 1)
    assert Adjoint(graph).batch == 1


def test_what_is_quantised_is_refused() -> None:
    with pytest.raises(GraphError) as caught:
        Adjoint(quantised())
    assert str(caught.value) == "relu: is quantised already"
