"""Rounding of weights that follows the calibration images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snncc.passes.moments import Positions, inputs_at, positions
from snncc.passes.rounding import rounded_in_order
from snncc_ir.linear import drive
from snncc_ir.nodes import Conv, Dense
from snncc_ir.tensors import Tensor
from support.compiled import NORMALISED, PLAIN, integer_outputs, real_outputs, run
from support.trained import pixels

TOP = 7


def drive_error(integers: np.ndarray, weights: np.ndarray, inputs: np.ndarray) -> float:
    return float(np.square((integers - weights) @ inputs.T).sum())


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 4), st.integers(2, 12))
def test_integers_stay_in_range_and_follow_correlated_inputs(
    seed: int, groups: int, rows: int, taps: int
) -> None:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(groups, 200, 3)) @ rng.normal(size=(groups, 3, taps))
    inputs += 0.1 * rng.normal(size=inputs.shape)
    weights = rng.uniform(-TOP, TOP, (groups, rows, taps))
    found = rounded_in_order(weights, inputs.transpose(0, 2, 1) @ inputs, TOP)
    assert (found == np.rint(found)).all()
    assert np.abs(found).max() <= TOP


def test_the_drive_changes_less_than_with_the_nearest_integers() -> None:
    better = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        inputs = rng.normal(size=(400, 4)) @ rng.normal(size=(4, 16)) + 0.2 * rng.normal(size=(400, 16))
        weights = rng.uniform(-TOP, TOP, (8, 16))
        found = rounded_in_order(weights[None], (inputs.T @ inputs)[None], TOP)[0]
        nearest = np.clip(np.rint(weights), -TOP, TOP)
        better += drive_error(found, weights, inputs) < 0.5 * drive_error(nearest, weights, inputs)
    assert better == 20


def test_without_correlation_it_is_the_nearest_integer() -> None:
    weights = np.random.default_rng(0).uniform(-TOP, TOP, (2, 5, 9))
    found = rounded_in_order(weights, np.broadcast_to(np.eye(9), (2, 9, 9)), TOP)
    np.testing.assert_array_equal(found, np.rint(weights))


def test_an_input_that_never_comes_is_rounded_to_the_nearest() -> None:
    moment = np.diag([4.0, 0.0, 1.0])[None]
    found = rounded_in_order(np.array([[[1.4, 2.6, -3.2]]]), moment, TOP)
    np.testing.assert_array_equal(found, [[[1, 3, -3]]])


convolutions = st.builds(
    lambda groups, kernel, stride, pads, dilation: Conv(
        name="k",
        source="x",
        weight=Tensor.real(np.random.default_rng(0).normal(size=(2 * groups, 3, *kernel))),
        stride=stride,
        padding=pads,
        dilation=dilation,
        groups=groups,
    ),
    st.integers(1, 3),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * 2),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
)


@given(convolutions)
def test_weights_times_the_inputs_at_a_position_are_its_drive(conv: Conv) -> None:
    x = np.random.default_rng(1).normal(size=(4, 3 * conv.groups, 6, 7))
    wanted = drive(conv, x)
    where = positions(4, wanted.shape[1:])
    inputs = inputs_at(conv, x, where)
    weights = conv.weight.data.reshape(conv.groups, 2, -1)
    found = (inputs @ weights.transpose(0, 2, 1)).transpose(1, 0, 2).reshape(len(where.image), -1)
    np.testing.assert_allclose(found, wanted[where.image, :, where.row, where.column], atol=1e-12)


def test_a_dense_layer_has_one_position_per_image() -> None:
    dense = Dense(name="d", source="x", weight=Tensor.real(np.ones((2, 3))))
    x = np.arange(12.0).reshape(4, 3)
    where = positions(4, (2,))
    assert where.image.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(inputs_at(dense, x, where), x[None])


def test_positions_are_drawn_without_repeats() -> None:
    where = positions(100, (1, 32, 32))
    assert isinstance(where, Positions)
    assert len(where.image) == 16384
    assert len(set(zip(where.image, where.row, where.column, strict=True))) == 16384
    assert (where.image.max(), where.row.max(), where.column.max()) == (99, 31, 31)


@pytest.mark.parametrize("scaling", [PLAIN, NORMALISED], ids=str)
def test_a_network_with_narrow_weights_loses_less(tmp_path: Path, scaling: object) -> None:
    errors = {}
    for rounding in ("nearest", "gptq", "refit"):
        text = f"balance{{level_bits=6}};quantize{{weight_bits=3,rounding={rounding}}};correct_bias"
        real, graph, context = run(tmp_path, text, scaling)  # type: ignore[arg-type]
        assert graph.is_integer
        levels = context.input_format.to_levels(pixels(200, seed=3))
        difference = integer_outputs(graph, levels) - real_outputs(real, context, levels)
        errors[rounding] = float(np.square(difference).mean())
    assert errors["gptq"] < 0.7 * errors["nearest"]
    assert errors["refit"] < 0.7 * errors["nearest"]
