"""How the top level is chosen."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snncc.passes.balance import FINEST, ROOM, Balance, _Unit, level_range, parse_widths, print_widths
from snncc.passes.tops import (
    all_percentile,
    least_divergence_top,
    least_error_top,
    nonzero_percentile,
)
from snncc_ir.errors import SnnccError
from snncc_ir.statistics import Statistics


def mean_error(sample: np.ndarray, top: float, hi: int) -> float:
    """Mean squared error of rounding a sample to hi + 1 levels of 0..top."""
    scale = top / hi
    return float(np.square(np.clip(np.floor(sample / scale + 0.5), 0, hi) * scale - sample).mean())


def statistics_of(sample: np.ndarray) -> Statistics:
    """Statistics of activations [R, C] that are all there is."""
    return Statistics(
        low=sample.min(axis=0).astype(np.float64),
        high=sample.max(axis=0).astype(np.float64),
        drive_mean=np.zeros(sample.shape[1]),
        sample=sample,
    )


@pytest.fixture
def activations() -> Statistics:
    """Of three rectified channels of unlike spread."""
    spread = np.array([0.1, 1.0, 10.0])
    sample = np.maximum(np.random.default_rng(0).normal(0, spread, (4000, 3)), 0)
    return statistics_of(sample.astype(np.float32))


@pytest.mark.parametrize("hi", [1, 3, 15, 255])
def test_mse_beats_every_other_top(hi: int) -> None:
    rng = np.random.default_rng(hi)
    sample = np.maximum(rng.normal(0, 1, (5000, 1)) ** 3, 0).astype(np.float32)
    greatest = sample.max(axis=0).astype(np.float64)
    top = float(least_error_top(sample, greatest, 0, hi)[0])
    others = [mean_error(sample, float(greatest[0]) * share, hi) for share in np.linspace(0.1, 1.0, 40)]
    assert mean_error(sample, top, hi) <= min(others) * 1.02


def test_mse_of_levels_that_lie_on_a_grid_is_that_grid() -> None:
    sample = (np.arange(16, dtype=np.float32) * 0.25).reshape(-1, 1)
    np.testing.assert_allclose(least_error_top(sample, np.array([3.75]), 0, 15), [3.75])


def test_percentile_leaves_zeros_out() -> None:
    sample = np.array([[0, 0], [0, 0], [1, 0], [3, 0]], dtype=np.float32)
    top = nonzero_percentile(sample, np.array([3.0, 0.5]), 50.0)
    np.testing.assert_allclose(top, [2.0, 0.5])


def test_percentile_of_all_counts_zeros_but_never_falls_to_zero() -> None:
    sample = np.array([[0, 0], [0, 0], [1, 0], [3, 2]], dtype=np.float32)
    np.testing.assert_allclose(all_percentile(sample, np.array([3.0, 2.0]), 50.0), [0.5, 2.0])


def test_headroom_multiplies_the_top() -> None:
    sample = np.array([[0.5, -3.0], [2.0, 1.0]], dtype=np.float32)
    seen = statistics_of(sample)
    unit = _Unit(seen, -7, 7, ceiling=math.inf)
    tops = {m: Balance(method=m)._chosen_top(unit) for m in ("max", "max:1.5", "mse", "mse:1.5")}
    np.testing.assert_allclose(tops["max"], [2.0, 3.0])
    np.testing.assert_allclose(tops["max:1.5"], [3.0, 4.5])
    np.testing.assert_allclose(tops["mse:1.5"], 1.5 * tops["mse"])


def test_auto_leaves_room_where_levels_are_finest(activations: Statistics) -> None:
    for bits in range(1, 9):
        for signed in (False, True):
            unit = _Unit(activations, *level_range(bits, signed=signed), ceiling=math.inf)
            auto, mse = (Balance(method=method)._chosen_top(unit) for method in ("auto", "mse"))
            np.testing.assert_allclose(auto, (ROOM if bits == FINEST else 1.0) * mse)


@pytest.mark.parametrize("method", ["auto", "max", "max:1.5", "mse:2", "kl", "percentile:99"])
def test_no_top_is_beyond_the_ceiling_of_the_unit(activations: Statistics, method: str) -> None:
    ceiling = float(activations.high.max())
    free, most = (
        Balance(level_bits=8, method=method)._top(_Unit(activations, 0, 255, top))
        for top in (math.inf, ceiling)
    )
    np.testing.assert_array_equal(most, np.minimum(free, ceiling))
    assert most.min() < ceiling


def test_auto_keeps_the_levels_of_a_network_that_learned_with_them() -> None:
    learned = (np.arange(256, dtype=np.float32) * np.float32(0.3)).reshape(-1, 1)
    unit = _Unit(statistics_of(learned), 0, 255, ceiling=math.inf)
    np.testing.assert_allclose(Balance()._chosen_top(unit), [76.5])


def test_auto_allows_a_silent_channel() -> None:
    unit = _Unit(statistics_of(np.zeros((5, 2), dtype=np.float32)), 0, 255, ceiling=math.inf)
    np.testing.assert_array_equal(Balance()._chosen_top(unit), [0.0, 0.0])


def test_kl_cuts_off_a_rare_outlier_and_keeps_an_even_spread() -> None:
    even = np.linspace(0, 1, 4001, dtype=np.float32)
    outlier = np.append(even, np.float32(5.0))
    sample = np.stack([np.append(even, np.float32(1.0)), outlier], axis=1)
    top = least_divergence_top(sample, np.array([1.0, 5.0]), 0, 15)
    assert 0.95 <= top[0] <= 1.0
    assert 0.9 <= top[1] <= 1.2


@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.booleans())
def test_kl_gives_a_top_within_the_activations(seed: int, bits: int, signed: bool) -> None:
    rng = np.random.default_rng(seed)
    sample = rng.normal(0, 1, (300, 3)).astype(np.float32)
    if not signed:
        sample = np.maximum(sample, 0)
    sample[:, 2] = 0.0  # a silent channel
    greatest = np.abs(sample).max(axis=0).astype(np.float64)
    top = least_divergence_top(sample, greatest, *level_range(bits, signed=signed))
    assert (top >= 0.1 * greatest).all()
    assert (top <= greatest).all()


@given(st.dictionaries(st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,5}", fullmatch=True), st.integers(1, 8)))
def test_widths_are_their_text(widths: dict[str, int]) -> None:
    assert parse_widths(print_widths(widths)) == widths


@pytest.mark.parametrize(
    ("bits", "signed", "expected"),
    [(1, False, (0, 1)), (4, False, (0, 15)), (8, False, (0, 255)), (1, True, (-1, 1)), (4, True, (-7, 7))],
)
def test_level_ranges(bits: int, signed: bool, expected: tuple[int, int]) -> None:
    assert level_range(bits, signed=signed) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level_bits": 9}, "balance: level_bits must be 1 to 8, not 9"),
        ({"scope": "layer"}, "balance: scope 'layer' is none of channel and population"),
        (
            {"widths": "a:9"},
            "balance{widths}: cannot read 'a:9'; "
            "write NAME:BITS/NAME:BITS, each population once, 1 to 8 bits",
        ),
        (
            {"widths": "a:2/a:3"},
            "balance{widths}: cannot read 'a:3'; "
            "write NAME:BITS/NAME:BITS, each population once, 1 to 8 bits",
        ),
        (
            {"method": "median"},
            "balance: method 'median' is none of auto, max, mse, kl, percentile:P and "
            "percentile_all:P with P in (0, 100], max:F and mse:F with F in (0.5, 4]",
        ),
        (
            {"method": "percentile:101"},
            "balance: method 'percentile:101' is none of auto, max, mse, kl, percentile:P and "
            "percentile_all:P with P in (0, 100], max:F and mse:F with F in (0.5, 4]",
        ),
        (
            {"method": "max:5"},
            "balance: method 'max:5' is none of auto, max, mse, kl, percentile:P and "
            "percentile_all:P with P in (0, 100], max:F and mse:F with F in (0.5, 4]",
        ),
    ],
)
def test_wrong_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(SnnccError) as caught:
        Balance(**options)
    assert str(caught.value) == message
