"""`stbif` settles on exactly the reference's levels within its bound, and silence proves that it has."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from snncc_ir.codes import Code
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import Dense, Input, Population
from snncc_ir.semantics import evaluate
from snncc_ir.streaming import StreamRun, run_streaming, settle_bound
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Stbif
from snncc_ir.types import Levels
from support import naive, naive_streams
from support.graphs import Case, cases


def check_stbif(case: Case) -> StreamRun:
    graph, batch = case.graph, case.batch
    run, expected = run_streaming(graph, batch), evaluate(graph, batch)
    for name, counts in run.counts.items():
        np.testing.assert_array_equal(counts, expected[name], err_msg=name)
    for name, drives in run.outputs.items():
        np.testing.assert_array_equal(drives[-1], expected[name], err_msg=name)
    assert run.settled.max() <= settle_bound(graph)
    check_certificate(run, expected)
    return run


def check_certificate(run: StreamRun, expected: dict[str, np.ndarray]) -> None:
    """From an image's first silent step after its input on, nothing changes and everything is exact."""
    events = np.stack([_events(train) for train in run.trains.values()]).any(axis=0)
    for image in range(events.shape[1]):
        silent = next(t for t in range(1, len(events)) if not events[t, image])
        assert not events[silent:, image].any()
        for name, train in run.trains.items():
            np.testing.assert_array_equal(train[:silent, image].sum(axis=0), expected[name][image])
        for name, drives in run.outputs.items():
            for step in range(silent, len(drives)):
                np.testing.assert_array_equal(drives[step, image], expected[name][image])


def _events(train: np.ndarray) -> np.ndarray:
    return train.reshape(*train.shape[:2], -1).any(axis=2)


@settings(max_examples=200)
@given(cases(Stbif()))
def test_settles_on_the_levels(case: Case) -> None:
    check_stbif(case)


@pytest.mark.slow
@settings(max_examples=3000, suppress_health_check=list(HealthCheck))
@given(cases(Stbif(), layers_max=6))
def test_settles_on_the_levels_of_deep_graphs(case: Case) -> None:
    check_stbif(case)


@settings(max_examples=40)
@given(cases(Stbif(), layers_max=3))
def test_equals_the_neuron_by_neuron_run_and_stays(case: Case) -> None:
    graph = case.graph
    image = {name: x[:1] for name, x in case.batch.items()}
    run, stream = (
        run_streaming(graph, image),
        naive_streams.Streams(naive.Net(graph), {n: x[0] for n, x in image.items()}),
    )
    for step in range(settle_bound(graph) + 3):
        for name, spikes in stream.step().items():
            want = (
                run.trains[name][step, 0].ravel().tolist()
                if step < len(run.trains[name])
                else [0] * len(spikes)
            )
            assert spikes == want, (name, step)


def chain(weights: list[int], theta: int, hi: int) -> Graph:
    """x -> one neuron -> one neuron ..., all with levels 0..hi."""
    nodes: list = [Input(name="x", type=Levels((1,), 0, hi))]
    for i, weight in enumerate(weights):
        nodes.append(Dense(name=f"d{i}", source=nodes[-1].name, weight=Tensor.integer([[weight]], 8)))
        bias = Bias(values=Tensor.integer([-(theta // 2)]))
        neuron = Staircase(theta=Tensor.integer([theta]), bias=bias, lo=0, hi=hi)
        nodes.append(Population(name=f"p{i}", drives=(f"d{i}",), neuron=neuron, code=Code.STBIF))
    return Graph(name="chain", nodes=tuple(nodes), outputs=(nodes[-1].name,), timing=Stbif())


def test_the_bound_is_one_step_for_the_input_and_the_ranges_of_the_longest_path() -> None:
    graph = chain([4, 4], theta=4, hi=5)
    assert settle_bound(graph) == 1 + 5 + 5


def test_one_layer_attains_the_bound() -> None:
    graph = chain([4], theta=4, hi=5)
    run = run_streaming(graph, {"x": np.array([[5], [0]])})
    assert run.settled.tolist() == [settle_bound(graph), 0]
    assert run.trains["p0"][:, 0, 0].tolist() == [0, 1, 1, 1, 1, 1, 0]
