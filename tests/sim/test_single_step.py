"""The surrogate of single-step networks against its formula, and where it does not apply."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from snncc.sim.session import open_session
from snncc.sim.training.emitter import Array, Emitter
from snncc.sim.training.neurons import staircase
from snncc.sim.training.rules import Frame
from snncc_ir.aims import Surrogate
from snncc_ir.neurons import Grid
from snncc_ir.tensors import Tensor
from support.real_graphs import single_step

SHAPE = (3, 2, 4)
CHANNELS = 2


def emitted(grid: Grid, surrogate: Surrogate, drive: Array, step: Array, gradient: Array) -> list[Array]:
    """y, and what the pullback gives for u and s."""
    emit = Emitter()
    value, pullback = staircase(grid, Frame(emit, (), SHAPE), "u", "s", surrogate)
    by_drive, by_step = pullback("g")
    inputs = {"u": SHAPE, "s": (CHANNELS,), "g": SHAPE}
    model = emit.model(inputs, {"y": value, "dy/du": by_drive, "dy/ds": by_step})
    feed = {"u": drive, "s": step, "g": gradient}
    floats = {name: np.asarray(value, dtype=np.float32) for name, value in feed.items()}
    return list(open_session(model, 1, spinning=False).run(None, floats))


def grid(lo: int, hi: int) -> Grid:
    return Grid(top=Tensor.real(np.ones(CHANNELS)), lo=lo, hi=hi)


def excesses() -> st.SearchStrategy[Array]:
    """x = 2u/s - 1, not so near to 0 that float32 has it on the other side."""
    sides = st.one_of(st.floats(-30, -1e-3), st.floats(1e-3, 30))
    return arrays(np.float64, SHAPE, elements=sides)


@settings(max_examples=60)
@given(excesses(), st.integers(0, 2**32 - 1))
def test_slopes_are_those_of_the_formula(excess: Array, seed: int) -> None:
    rng = np.random.default_rng(seed)
    step, gradient = rng.uniform(0.1, 5.0, CHANNELS), rng.normal(size=SHAPE)
    wide = step[:, None]
    drive = (excess + 1) / 2 * wide
    value, by_drive, by_step = emitted(grid(0, 1), Surrogate.SINGLE_STEP, drive, step, gradient)
    level = (excess >= 0).astype(float)
    slope = 2 * single_step(excess)
    np.testing.assert_allclose(value, level * wide, rtol=1e-6)
    np.testing.assert_allclose(by_drive, gradient * slope, rtol=2e-4, atol=1e-5)
    expected = gradient * (level - slope * drive / wide)
    scale = np.abs(expected).sum(axis=(0, 2)) + np.abs(gradient).sum(axis=(0, 2))
    assert (np.abs(by_step - expected.sum(axis=(0, 2))) <= 1e-4 * scale).all()


def test_the_surrogate_is_1_at_the_threshold_and_falls_faster_below_it() -> None:
    points = np.array([-1.0, -0.5, 0.0, 1.0, 3.0])
    expected = [0.0706508, 0.4199743, 1.0, 0.5, 0.25]
    np.testing.assert_allclose(single_step(points), expected, rtol=1e-6)
    drive = np.zeros(SHAPE)
    drive[0, 0, :3], drive[1, 0, :2] = (points[:3] + 1) / 2, (points[3:] + 1) / 2
    found = emitted(grid(0, 1), Surrogate.SINGLE_STEP, drive, np.ones(CHANNELS), np.ones(SHAPE))[1]
    np.testing.assert_allclose([*found[0, 0, :3], *found[1, 0, :2]], 2 * np.array(expected), rtol=1e-5)


@pytest.mark.parametrize(("lo", "hi"), [(0, 3), (-1, 1), (-1, 0), (0, 255)])
def test_more_or_other_levels_keep_the_straight_gradient(lo: int, hi: int) -> None:
    rng = np.random.default_rng(0)
    given = (rng.normal(0, 2, SHAPE), rng.uniform(0.1, 2, CHANNELS), rng.normal(size=SHAPE))
    straight, single = (emitted(grid(lo, hi), surrogate, *given) for surrogate in Surrogate)
    for ours, theirs in zip(single, straight, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_two_levels_have_another_gradient() -> None:
    drive, ones = np.full(SHAPE, 2.0), np.ones(SHAPE)
    straight, single = (
        emitted(grid(0, 1), surrogate, drive, np.ones(CHANNELS), ones) for surrogate in Surrogate
    )
    np.testing.assert_array_equal(straight[0], single[0])
    np.testing.assert_array_equal(straight[1], 0 * ones)
    np.testing.assert_allclose(single[1], 0.5 * ones)
