"""A max-pool passes on exactly the train of the greatest level, in every phased code."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snncc_ir.codes import PHASED_CODES, Code
from snncc_ir.linear import wire
from snncc_ir.nodes import MaxPool
from snncc_ir.pools import PoolGate
from support import naive

RANGES = ((0, 1), (-1, 1), (0, 3), (-3, 1), (-2, 5), (-3, 3), (-4, 0), (0, 7), (-9, 6))


def trains(code: Code, lo: int, hi: int, levels: np.ndarray) -> np.ndarray:
    """Trains `[window, *shape]` of levels."""
    table = np.array([naive.train(code, lo, hi, n) for n in range(lo, hi + 1)])
    return np.moveaxis(table[levels - lo], -1, 0)


def check_pool(node: MaxPool, code: Code, lo: int, hi: int, levels: np.ndarray) -> None:
    gate = PoolGate(node, code)
    pooled = np.stack([gate.step(spikes) for spikes in trains(code, lo, hi, levels)])
    np.testing.assert_array_equal(pooled, trains(code, lo, hi, wire(node, levels)))


@pytest.mark.parametrize("code", PHASED_CODES)
@pytest.mark.parametrize(("lo", "hi"), RANGES[:7])
def test_every_pair_and_triple_of_levels(code: Code, lo: int, hi: int) -> None:
    triples = np.array(list(itertools.product(range(lo, hi + 1), repeat=3)))
    levels = triples.reshape(len(triples), 1, 1, 3)
    check_pool(MaxPool(name="m", source="x", kernel=(1, 3)), code, lo, hi, levels)
    check_pool(MaxPool(name="m", source="x", kernel=(1, 2), padding=((0, 0), (1, 1))), code, lo, hi, levels)


@given(st.data())
def test_overlapping_padded_windows(data: st.DataObject) -> None:
    code, (lo, hi) = data.draw(st.sampled_from(PHASED_CODES)), data.draw(st.sampled_from(RANGES))
    kernel = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    padding = tuple(data.draw(st.tuples(st.integers(0, k - 1), st.integers(0, k - 1))) for k in kernel)
    stride = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    seed = data.draw(st.integers(0, 2**32 - 1))
    levels = np.random.default_rng(seed).integers(lo, hi + 1, (2, 2, 5, 4))
    node = MaxPool(name="m", source="x", kernel=kernel, stride=stride, padding=padding)
    check_pool(node, code, lo, hi, levels)
