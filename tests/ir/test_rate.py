"""`rate`: closed forms for one layer of constant drive, neuron-by-neuron runs for whole graphs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snncc_ir.codes import Code, Reset
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import Dense, Input, Population, Readout
from snncc_ir.streaming import run_streaming
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate
from snncc_ir.types import Levels
from support import naive, naive_streams
from support.graphs import Case, rate_cases


def check_rate(case: Case) -> None:
    graph, batch = case.graph, case.batch
    run, net = run_streaming(graph, batch), naive.Net(graph)
    for image in range(len(next(iter(batch.values())))):
        stream = naive_streams.Streams(net, {name: x[image] for name, x in batch.items()}, seed=image)
        for step in range(graph.timing.steps):
            for name, spikes in stream.step().items():
                assert run.trains[name][step, image].ravel().tolist() == spikes, (name, step)
            for name, drives in run.outputs.items():
                assert drives[step, image].ravel().tolist() == stream.potentials[name], (name, step)
        for name, counts in run.counts.items():
            assert counts[image].ravel().tolist() == stream.counts[name]


@given(rate_cases())
def test_equals_the_neuron_by_neuron_run(case: Case) -> None:
    check_rate(case)


@pytest.mark.slow
@settings(max_examples=2000, suppress_health_check=list(HealthCheck))
@given(rate_cases(layers_max=5))
def test_equals_the_neuron_by_neuron_run_of_deep_graphs(case: Case) -> None:
    check_rate(case)


def one_layer(theta: int, bias: int, lo: int, hi: int, rate: Rate) -> Graph:
    """A neuron behind an input of weight 1, so that its drive is the input."""
    neuron = Staircase(theta=Tensor.integer([theta]), bias=Bias(values=Tensor.integer([bias])), lo=lo, hi=hi)
    return Graph(
        name="one",
        nodes=(
            Input(name="x", type=Levels((1,), -128, 127)),
            Dense(name="d", source="x", weight=Tensor.integer([[1]], 2)),
            Population(name="p", drives=("d",), neuron=neuron, code=Code.RATE),
        ),
        outputs=("p",),
        timing=rate,
    )


def all_counts(graph: Graph) -> tuple[np.ndarray, np.ndarray]:
    """Every input level of `one_layer` and the spikes that it gives."""
    x = np.arange(-128, 128)[:, None]
    return x[:, 0], run_streaming(graph, {"x": x}).counts["p"][:, 0]


@given(theta=st.integers(1, 40), bias=st.integers(-60, 60), hi=st.integers(1, 7), steps=st.integers(1, 40))
def test_soft_reset_closed_form(theta: int, bias: int, hi: int, steps: int) -> None:
    x, counts = all_counts(one_layer(theta, bias, 0, hi, Rate(steps)))
    top = theta * hi
    want = np.clip((top // 2 + steps * (x + bias)) // top, 0, steps)
    np.testing.assert_array_equal(counts, want)


@given(theta=st.integers(1, 40), bias=st.integers(-60, 60), hi=st.integers(1, 7), steps=st.integers(1, 40))
def test_signed_closed_form(theta: int, bias: int, hi: int, steps: int) -> None:
    x, counts = all_counts(one_layer(theta, bias, -hi, hi, Rate(steps)))
    top = theta * hi
    want = np.clip((top // 2 + steps * (x + bias)) // top, -steps, steps)
    np.testing.assert_array_equal(counts, want)


@given(theta=st.integers(1, 40), bias=st.integers(-60, 60), hi=st.integers(1, 7), steps=st.integers(1, 40))
def test_hard_reset_closed_form(theta: int, bias: int, hi: int, steps: int) -> None:
    """The first spike comes from half a threshold, each later one from zero; without drive there is none."""
    x, counts = all_counts(one_layer(theta, bias, 0, hi, Rate(steps, Reset.ZERO)))
    top = theta * hi
    for drive, count in zip((x + bias).tolist(), counts.tolist(), strict=True):
        first = -((top // 2 - top) // drive) if drive > 0 else steps + 1
        later = -(-top // drive) if drive > 0 else 1
        assert count == (0 if first > steps else 1 + (steps - first) // later)


def test_a_spike_counts_as_the_greatest_magnitude_of_its_population() -> None:
    """Levels -3..1: theta_r = 3, v = 1 at the start, and each spike moves the readout by W * 3."""
    graph = Graph(
        name="gain",
        nodes=(
            *one_layer(1, 0, -3, 1, Rate(6)).nodes,
            Dense(name="e", source="p", weight=Tensor.integer([[-2]], 3)),
            Readout(name="y", drives=("e",), bias=Bias(values=Tensor.integer([1]))),
        ),
        outputs=("y",),
        timing=Rate(6),
    )
    run = run_streaming(graph, {"x": np.array([[1], [-1]])})
    assert run.trains["p"][:, :, 0].T.tolist() == [[0, 1, 0, 0, 1, 0], [0, -1, 0, 0, -1, 0]]
    assert run.outputs["y"][:, :, 0].T.tolist() == [[1, -4, -3, -2, -7, -6], [1, 8, 9, 10, 17, 18]]


def test_a_level_becomes_its_rate() -> None:
    """With theta 1 and T = L steps the first layer sends each level as exactly that many spikes."""
    x, counts = all_counts(one_layer(1, 0, 0, 100, Rate(100)))
    np.testing.assert_array_equal(counts, np.clip(x, 0, 100))
