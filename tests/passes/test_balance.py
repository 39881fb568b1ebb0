"""How the top level is chosen."""

from __future__ import annotations

import numpy as np
import pytest

from snncc.passes.balance import Balance, all_percentile, least_error_top, level_range, nonzero_percentile
from snncc_ir.errors import SnnccError


def mean_error(sample: np.ndarray, top: float, hi: int) -> float:
    """Mean squared error of rounding a sample to hi + 1 levels of 0..top."""
    scale = top / hi
    return float(np.square(np.clip(np.floor(sample / scale + 0.5), 0, hi) * scale - sample).mean())


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
        (
            {"method": "median"},
            "balance: method 'median' is none of max, mse, percentile:P and percentile_all:P "
            "with P in (0, 100]",
        ),
        (
            {"method": "percentile:101"},
            "balance: method 'percentile:101' is none of max, mse, percentile:P and percentile_all:P "
            "with P in (0, 100]",
        ),
    ],
)
def test_wrong_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(SnnccError) as caught:
        Balance(**options)
    assert str(caught.value) == message
