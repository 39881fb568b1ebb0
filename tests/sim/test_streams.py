"""The fast streaming engine gives the reference's integers, step by step, and its trace adds them up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snncc.sim import streams
from snncc.sim.evaluate import make_runner
from snncc.sim.streams import StreamEngine
from snncc.sim.trace import Trace, every_step, join, leave_early
from snncc_ir.nodes import Readout
from snncc_ir.streaming import run_streaming
from snncc_ir.timing import Stbif
from support.graphs import Case, cases, rate_cases

streaming = st.one_of(cases(timing=Stbif()), rate_cases())


def check(case: Case) -> None:
    expected = run_streaming(case.graph, case.batch)
    found = StreamEngine(case.graph).run(case.batch)
    assert found.counts.keys() == expected.counts.keys()
    for name, counts in expected.counts.items():
        np.testing.assert_array_equal(found.counts[name], counts, err_msg=name)
    for name, drives in expected.outputs.items():
        np.testing.assert_array_equal(found.outputs[name], drives, err_msg=name)
    np.testing.assert_array_equal(found.settled, expected.settled)
    assert found.costs == expected.costs
    for name, train in expected.trains.items():
        fired = np.count_nonzero(train.reshape(*train.shape[:2], -1), axis=2)
        np.testing.assert_array_equal(found.spikes[name], fired, err_msg=name)


@given(streaming)
def test_every_step_equals_the_reference(case: Case) -> None:
    check(case)


@settings(max_examples=50)
@given(streaming)
def test_steps_and_images_may_be_run_in_pieces_of_any_size(case: Case) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "CHUNK", 7)
        patch.setattr(streams, "HELD", 40)
        check(case)


@pytest.mark.slow
@settings(max_examples=1000)
@given(st.one_of(cases(timing=Stbif(), layers_max=6), rate_cases(layers_max=5)))
def test_every_step_of_deep_graphs_equals_the_reference(case: Case) -> None:
    check(case)


@settings(max_examples=50)
@given(streaming)
def test_the_trace_ends_with_the_counters_and_the_answer(case: Case) -> None:
    batch = make_runner(case.graph, "spikes")(case.batch)
    if not isinstance(case.graph.by_name[case.graph.outputs[0]], Readout):
        assert batch.trace is None
        return
    trace = batch.trace
    assert trace is not None
    assert trace.spikes.sum() == sum(batch.counts.spikes.values())
    assert trace.synops.sum() == sum(batch.counts.synops.values())
    drives = batch.outputs[case.graph.outputs[0]]
    np.testing.assert_array_equal(trace.predictions[-1], drives.reshape(len(drives), -1).argmax(axis=1))
    if isinstance(case.graph.timing, Stbif):
        assert trace.exact is not None
        assert trace.exact.all()
        assert trace.certified.max() <= len(trace.predictions)
    else:
        assert trace.exact is None


def small() -> Trace:
    """Three steps of two images: the first is sure after one step, the second never."""
    return Trace(
        predictions=np.array([[1, 0], [1, 2], [2, 1]]),
        margins=np.array([[5.0, 0.0], [6.0, 1.0], [1.0, 2.0]]),
        spikes=np.array([[4, 2], [3, 2], [1, 6]]),
        synops=np.array([[40, 20], [30, 20], [10, 60]]),
        settled=np.array([3, 3]),
        exact=None,
    )


def test_costs_of_a_step_are_those_so_far() -> None:
    rows = every_step(small(), np.array([1, 1]))
    assert [(row.step, row.accuracy, row.spikes, row.synops) for row in rows] == [
        (1, 0.5, 3.0, 30.0), (2, 0.5, 5.5, 55.0), (3, 0.5, 9.0, 90.0),
    ]  # fmt: skip
    assert all(row.certified is None for row in rows)


def test_an_image_leaves_at_its_first_sure_step_or_at_the_end() -> None:
    found = leave_early(small(), np.array([1, 1]), 4.0)
    assert (found.steps, found.accuracy, found.spikes, found.synops) == (2.0, 1.0, 7.0, 70.0)
    at_the_end = leave_early(small(), np.array([1, 1]), 100.0)
    assert (at_the_end.steps, at_the_end.accuracy, at_the_end.spikes) == (3.0, 0.5, 9.0)


def test_batches_of_unequal_length_keep_their_answers_and_cost_no_more() -> None:
    long, short = small(), small()
    short = Trace(
        predictions=short.predictions[:2], margins=short.margins[:2], spikes=short.spikes[:2],
        synops=short.synops[:2], settled=np.array([1, 2]), exact=None,
    )  # fmt: skip
    both = join([long, short])
    assert both.predictions.T.tolist() == [[1, 1, 2], [0, 2, 1], [1, 1, 1], [0, 2, 2]]
    assert both.spikes[2].tolist() == [1, 6, 0, 0]
    assert both.settled.tolist() == [3, 3, 1, 2]
