"""Loss against the float network, and its interval."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snncc.loss import loss


def test_with_labels_it_is_the_difference_of_the_accuracies() -> None:
    labels = np.zeros(10, dtype=int)
    floats = np.array([0] * 9 + [1])
    found = loss(np.array([0] * 7 + [1] * 3), floats, labels)
    assert found.points == pytest.approx(20.0)
    assert found.labelled
    assert found.low < 20 < found.high


def test_a_network_that_is_better_than_the_float_one_loses_less_than_nothing() -> None:
    labels = np.zeros(4, dtype=int)
    assert loss(labels, np.ones(4, dtype=int), labels).points == pytest.approx(-100.0)


def test_without_labels_it_is_the_share_of_changed_predictions() -> None:
    found = loss(np.array([0, 1, 2, 3]), np.array([0, 1, 2, 0]), None)
    assert found.points == pytest.approx(25.0)
    assert str(found) == "25.00 % of predictions changed (4.56 to 69.94) on 4 images"


def test_nothing_changed_still_leaves_an_interval() -> None:
    found = loss(np.zeros(100), np.zeros(100), None)
    assert found.points == found.low == 0
    assert found.high == pytest.approx(3.699, abs=1e-3)  # Wilson's upper limit for 0 of 100


@given(st.integers(0, 2**32 - 1), st.floats(0.02, 0.3))
def test_the_interval_holds_the_true_share_most_of_the_time(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    inside = 0
    for _ in range(200):
        found = loss((rng.random(300) < share).astype(int), np.zeros(300, dtype=int), None)
        inside += found.low <= 100 * share <= found.high
    assert inside >= 175
