"""What tests of engines for streaming codes share."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis.strategies import SearchStrategy
from numpy.typing import NDArray

from snncc.sim.native.library import NativeError
from snncc.sim.native.streams import NativeStreamEngine
from snncc.sim.streams import StreamBatch, StreamEngine
from support.graphs import Case
from support.native import with_kernels

Batch = dict[str, NDArray[Any]]

NO_FORM = {
    "joins spikes that stand for different numbers of levels",
    "an input of more than 8 bits in a streaming code",
}
"""Why the native engine leaves random graphs to the portable one."""


def twice(batch: Batch) -> Batch:
    """Every image two times: the first runs of a layer multiply codes and follow spikes in turn."""
    return {name: np.repeat(values, 2, axis=0) for name, values in batch.items()}


def assert_same(ours: StreamBatch, theirs: StreamBatch) -> None:
    """Counts, drives and costs of every step."""
    for field in ("counts", "outputs", "spikes", "synops"):
        got, expected = getattr(ours, field), getattr(theirs, field)
        assert got.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_array_equal(got[name], values, err_msg=f"{field} {name}")
    np.testing.assert_array_equal(ours.settled, theirs.settled)


def check_kernels(kernels: str, drawn: SearchStrategy[Case]) -> None:
    """The native engine equals the portable one in every step, or says why it runs none of a graph."""
    ran, refused = 0, set()

    @given(drawn)
    def compare(case: Case) -> None:
        nonlocal ran
        try:
            with with_kernels(kernels):
                engine = NativeStreamEngine(case.graph, 1)
        except NativeError as error:
            refused.add(error.what)
            return
        ran += 1
        batch = twice(case.batch)
        assert_same(engine.run(batch), StreamEngine(case.graph).run(batch))

    compare()
    assert ran > 10
    assert refused <= NO_FORM
