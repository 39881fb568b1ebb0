"""What tests of engines for streaming codes share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.sim.streams import StreamBatch

Batch = dict[str, NDArray[Any]]


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
