"""The fast engines give the integers of the reference, on any graph."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from snncc.sim.drives import DriveMaps
from snncc.sim.levels import LevelEngine
from snncc.sim.spikes import SpikeEngine
from snncc_ir.costs import Counter, spread
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import Conv, Dense, Input, Population, Readout
from snncc_ir.semantics import evaluate
from snncc_ir.spiking import run_phased
from snncc_ir.streaming import run_streaming
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Stbif
from snncc_ir.types import Levels
from support.graphs import Case, cases, rate_cases


@given(cases())
def test_levels_engine_equals_the_reference(case: Case) -> None:
    names = tuple(node.name for node in case.graph.populations)
    expected = evaluate(case.graph, case.batch)
    found = LevelEngine(case.graph, names, threads=1).run(case.batch)
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


@given(cases())
def test_spike_engine_sends_the_very_spikes_of_the_pipelined_reference(case: Case) -> None:
    expected = run_phased(case.graph, case.inputs)
    found = SpikeEngine(case.graph).run(case.batch)
    for name, train in expected.trains.items():
        np.testing.assert_array_equal(found.trains[name], train.reshape(-1, *train.shape[2:]), err_msg=name)
    for name, drive in expected.outputs.items():
        np.testing.assert_array_equal(found.outputs[name], drive.reshape(-1, *drive.shape[2:]), err_msg=name)


@given(cases())
def test_costs_counted_from_levels_are_those_of_the_spikes(case: Case) -> None:
    run = SpikeEngine(case.graph).run(case.batch)
    counted = Counter(case.graph).count(spread(case.graph, dict(run.levels)))
    assert counted == run.costs


@given(st.one_of(cases(timing=Stbif()), rate_cases()))
def test_fast_drives_change_no_streaming_run(case: Case) -> None:
    expected = run_streaming(case.graph, case.batch)
    found = run_streaming(case.graph, case.batch, DriveMaps(), keep_trains=False)
    for name, counts in expected.counts.items():
        np.testing.assert_array_equal(found.counts[name], counts, err_msg=name)
    for name, drive in expected.outputs.items():
        np.testing.assert_array_equal(found.outputs[name], drive, err_msg=name)
    assert found.costs == expected.costs
    assert not found.trains


def _wide_graph(weights: np.ndarray, levels: Levels, theta: int) -> Graph:
    outputs = len(weights)
    return Graph(
        name="wide",
        nodes=(
            Input(name="x", type=levels),
            Dense(name="d", source="x", weight=Tensor.integer(weights, 8)),
            Population(
                name="p",
                drives=("d",),
                neuron=Staircase(
                    theta=Tensor.integer([theta] * outputs),
                    bias=Bias(values=Tensor.integer(range(outputs))),
                    lo=-7,
                    hi=15,
                ),
            ),
            Dense(name="e", source="p", weight=Tensor.integer(np.ones((2, outputs)), 2)),
            Readout(name="y", drives=("e",), bias=Bias(values=Tensor.integer([0, 1]))),
        ),
        outputs=("y", "p"),
    )


def test_sums_beyond_float32_are_split_into_digits() -> None:
    rng = np.random.default_rng(0)
    weights = np.where(rng.random((6, 900)) < 0.5, -128, 127)
    graph = _wide_graph(weights, Levels((900,), -511, 511), theta=1_000_003)
    x = np.concatenate([rng.integers(-511, 512, (20, 900)), np.where(weights > 0, 511, -511)])
    expected = evaluate(graph, {"x": x})
    assert np.abs(expected["d"]).max() > 2**24
    found = LevelEngine(graph, ("p",)).run({"x": x})
    np.testing.assert_array_equal(found["p"], expected["p"])
    np.testing.assert_array_equal(found["y"], expected["y"])


def test_floor_division_is_exact_at_every_multiple_of_the_threshold() -> None:
    thetas = np.array([1, 3, 7, 2**15 - 1, 65_793, 1_048_573])
    v = (np.arange(-20, 21)[:, None] * thetas + np.array([-1, 0, 1])[:, None, None]).reshape(-1, 6)
    v = v[np.abs(v).max(axis=1) < 2**24]
    floats = np.floor(v.astype(np.float32) / thetas.astype(np.float32))
    np.testing.assert_array_equal(floats.astype(np.int64), v // thetas)


def test_drive_maps_notice_a_changed_node() -> None:
    x = np.arange(9).reshape(1, 1, 3, 3)
    maps = DriveMaps()
    one = Conv(name="c", source="x", weight=Tensor.integer(np.ones((1, 1, 3, 3)), 2))
    two = Conv(name="c", source="x", weight=Tensor.integer(-np.ones((1, 1, 3, 3)), 2))
    assert maps(one, x).item() == 36
    assert maps(two, x).item() == -36
