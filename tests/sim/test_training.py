"""Gradients of whole graphs against central differences in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from snncc.sim.training.trainer import Training
from snncc_ir import training
from snncc_ir.aims import Loss
from snncc_ir.errors import GraphError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog, Bias, Grid, Staircase
from snncc_ir.nodes import Dense, Input, Population, Readout
from snncc_ir.tensors import Tensor
from snncc_ir.training import Objective, Parameters
from snncc_ir.types import Levels, Real
from support.graphs import Case, cases
from support.real_graphs import Surrogate, bent, moved, parameters_of, to_real

BATCH = 3


def inner(a: Parameters, b: Parameters) -> float:
    pairs = ((a.weights, b.weights), (a.biases, b.biases), (a.steps, b.steps))
    return sum(float((x[name] * y[name]).sum()) for x, y in pairs for name in x)


def size(a: Parameters) -> float:
    return float(np.sqrt(inner(a, a)))


def random_direction(parameters: Parameters, rng: np.random.Generator) -> Parameters:
    return Parameters(
        weights={k: rng.normal(size=v.shape) for k, v in parameters.weights.items()},
        biases={k: rng.normal(size=v.shape[:1]) for k, v in parameters.biases.items()},
        steps={k: 0.1 * rng.normal(size=v.shape) for k, v in parameters.steps.items()},
    )


OBJECTIVES = st.builds(
    Objective,
    loss=st.sampled_from(Loss),
    temperature=st.just(2.5),
    batch=st.just(BATCH),
    hidden=st.sampled_from([0.0, 0.5, 5.0]),
    taught=st.sampled_from([0.0, 0.5, 1.0]),
    labelled=st.sampled_from([0.0, 1.0, 2.0]),
    surrogate=st.sampled_from(training.Surrogate),
)


@settings(max_examples=60)
@given(cases(), st.integers(0, 2**32 - 1), OBJECTIVES, st.booleans())
def test_gradients_are_those_of_the_surrogate(
    case: Case, seed: int, objective: Objective, bends: bool
) -> None:
    assume(objective.taught or objective.labelled)
    assume(len(case.graph.inputs) == 1)
    sizes = [np.prod(case.graph.types[name].shape) for name in case.graph.outputs]
    assume(objective.loss is not Loss.KL or min(sizes) > 1)
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(BATCH, *case.graph.inputs[0].type.shape)).astype(np.float32).astype(float)
    graph = to_real(case.graph, images, seed)
    graph = bent(graph, rng) if bends else graph
    labels = rng.integers(0, sizes[0], BATCH)
    parameters = parameters_of(graph)
    value, gradient = Training(graph if objective.taught else None)(graph, objective)(
        images, parameters, labels if objective.labelled else None
    )
    surrogate = Surrogate(graph, images, objective, labels=labels)
    np.testing.assert_allclose(value, surrogate.loss(parameters), rtol=1e-3, atol=1e-4)
    for _ in range(3):
        direction = random_direction(parameters, rng)
        ahead, behind = (surrogate.loss(moved(parameters, direction, e)) for e in (1e-6, -1e-6))
        expected, found = (ahead - behind) / 2e-6, inner(gradient, direction)
        assert abs(found - expected) < 1e-3 * size(gradient) * size(direction) + 1e-4


def test_kl_needs_two_values() -> None:
    graph = small(GRID)
    dense = Dense(name="e", source="p", weight=Tensor.real([[1.0, 1.0]]))
    readout = Readout(name="y", drives=("e",), bias=Bias(values=Tensor.real([0.0])))
    with pytest.raises(GraphError) as caught:
        Training(graph)(graph.with_nodes([dense, readout]), Objective(loss=Loss.KL, temperature=2.0, batch=1))
    assert str(caught.value) == "y: is one number, which kl cannot compare; set loss=mse"


def test_more_than_memory_holds_is_refused() -> None:
    objective = Objective(loss=Loss.AUTO, temperature=2.0, batch=10**8)
    with pytest.raises(GraphError) as caught:
        Training(small(None))(small(GRID), objective)
    assert str(caught.value) == (
        "small: its values for 100000000 images are 1000000000 numbers, more than 536870912; "
        "set a smaller batch"
    )


def small(grid: Grid | None, *, real: bool = True) -> Graph:
    """One population and a readout of two values."""
    bias = Bias(values=Tensor.real([0.0, 0.0]))
    unit = Analog(bias=bias, low=0.0, high=np.inf, grid=grid)
    integer = Staircase(theta=Tensor.integer([1, 1]), bias=Bias(values=Tensor.integer([0, 0])), lo=0, hi=3)
    return Graph(
        name="small",
        nodes=(
            Input(name="x", type=Real((2,)) if real else Levels((2,), 0, 3)),
            Dense(
                name="d", source="x", weight=Tensor.real(np.eye(2)) if real else Tensor.integer(np.eye(2), 2)
            ),
            Population(name="p", drives=("d",), neuron=unit if real else integer),
            Dense(
                name="e", source="p", weight=Tensor.real(np.eye(2)) if real else Tensor.integer(np.eye(2), 2)
            ),
            Readout(name="y", drives=("e",), bias=bias if real else Bias(values=Tensor.integer([0, 0]))),
        ),
        outputs=("y",),
    )


GRID = Grid(top=Tensor.real([3.0, 3.0]), lo=0, hi=3)
OBJECTIVE = Objective(loss=Loss.AUTO, temperature=2.0, batch=2)


def test_a_network_on_its_grid_loses_nothing_and_has_no_gradient() -> None:
    trainer = Training(small(None))(small(GRID), OBJECTIVE)
    loss, gradient = trainer(np.array([[0.0, 1.0], [2.0, 3.0]]), parameters_of(small(GRID)))
    assert loss == 0
    assert size(gradient) == 0


def test_training_twice_gives_the_same_bits() -> None:
    images = np.random.default_rng(0).normal(size=(2, 2))
    runs = [Training(small(None))(small(GRID), OBJECTIVE)(images, parameters_of(small(GRID))) for _ in "ab"]
    assert runs[0][0] == runs[1][0]
    for name, values in runs[0][1].weights.items():
        np.testing.assert_array_equal(values, runs[1][1].weights[name])


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (small(None), "p: has no thresholds yet; run balance before tune_thresholds"),
        (small(GRID, real=False), "p: is quantised already"),
    ],
    ids=["no grid", "integers"],
)
def test_what_cannot_be_trained(graph: Graph, message: str) -> None:
    with pytest.raises(GraphError) as caught:
        Training(small(None))(graph, OBJECTIVE)
    assert str(caught.value) == message
