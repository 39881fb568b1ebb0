"""Tables of units with a slope or uneven bounds, against their definition drive by drive."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snncc.passes.tables import bias_of, shifted, table_of, within_reach
from snncc_ir.certificates import drive_interval
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog, Bias, Staircase, Table
from snncc_ir.nodes import Dense, Input, Population
from snncc_ir.semantics import evaluate, fire
from snncc_ir.tensors import Tensor
from snncc_ir.types import Levels

INF = math.inf
WEIGHT = [[3, -2], [1, 1]]
LEVELS = np.stack(np.meshgrid(np.arange(-3, 8), np.arange(-3, 8)), axis=-1).reshape(-1, 2)


def unit(channels: int, low: float = -INF, high: float = INF, slope: list[float] | None = None) -> Analog:
    bias = Bias(values=Tensor.real(np.zeros(channels)))
    return Analog(bias=bias, low=low, high=high, slope=None if slope is None else Tensor.real(slope))


def stairs(theta: list[int], bias: list[int], lo: int, hi: int) -> Staircase:
    return Staircase(theta=Tensor.integer(theta), bias=Bias(values=Tensor.integer(bias)), lo=lo, hi=hi)


@given(theta=st.integers(1, 40), bias=st.integers(-50, 50), hi=st.integers(1, 7))
def test_slope_one_is_the_staircase(theta: int, bias: int, hi: int) -> None:
    neuron = stairs([theta], [bias], -hi, hi)
    table = table_of(unit(1, slope=[1.0]), neuron, np.ones(1))
    drive = np.arange(-theta * (hi + 2) - 60, theta * (hi + 2) + 60)[:, None]
    np.testing.assert_array_equal(fire(table, drive), fire(neuron, drive))


@given(
    theta=st.integers(1, 30), bias=st.integers(-30, 30), hi=st.integers(1, 6),
    slope=st.sampled_from((0.0, 0.125, 0.25, 0.5, 2.0)), low=st.sampled_from((-INF, -3.5, -1.0)),
    high=st.sampled_from((INF, 0.0, 2.5)),
)  # fmt: skip
def test_levels_are_the_units_activations_rounded_half_up(
    theta: int, bias: int, hi: int, slope: float, low: float, high: float
) -> None:
    table = table_of(unit(1, low, high, [slope]), stairs([theta], [bias], -hi, hi), np.ones(1))
    for drive in range(-theta * (9 * hi), theta * (hi + 2)):
        v = Fraction(drive + bias, theta)
        rounded = math.floor((v if v >= 0 else v * Fraction(slope)) + Fraction(1, 2))
        least, most = (bound if math.isinf(bound) else math.floor(bound + 0.5) for bound in (low, high))
        expected = min(max(rounded, least, -hi), most, hi)
        assert fire(table, np.array([[drive]]))[0, 0] == expected


@pytest.mark.parametrize(
    ("analog", "expected"),
    [
        (unit(1), False), (unit(1, 0.0), False), (unit(1, -7.0, 7.0), False), (unit(1, -3.0, 7.0), True),
        (unit(1, -7.0, 2.0), True), (unit(1, 0.0, 0.5), True), (unit(1, 0.0, 7.0), False),
        (unit(1, slope=[0.5]), True),
    ],
)  # fmt: skip
def test_what_needs_a_table(analog: Analog, expected: bool) -> None:
    assert analog.bends(np.ones(1), -7 if analog.low < 0 else 0, 7) == expected


def graph(table: Any, weight: list[list[int]]) -> Graph:
    """A population with the table behind levels -3..7."""
    nodes = (
        Input(name="x", type=Levels((2,), -3, 7)),
        Dense(name="d", source="x", weight=Tensor.integer(weight, 8)),
        Population(name="p", drives=("d",), neuron=table, unit=Tensor.real([1.0, 1.0])),
    )
    return Graph(name="g", nodes=nodes, outputs=("p",))


def test_breakpoints_within_reach_change_no_level() -> None:
    table = table_of(unit(2, slope=[0.0, 0.01]), stairs([9, 5], [4, -7], -7, 7), np.ones(2))
    before = graph(table, WEIGHT)
    after = within_reach(before)
    for name in ("d", "p"):
        values = [evaluate(each, {"x": LEVELS})[name] for each in (before, after)]
        np.testing.assert_array_equal(*values)
    points = after.by_name["p"].neuron.breakpoints  # type: ignore[union-attr]
    assert points.range == (-23, 55)


@given(shift=st.integers(-20, 20), bias=st.integers(-9, 9), slope=st.sampled_from((0.0, 0.5)))
def test_a_shift_gives_the_table_of_the_shifted_bias(shift: int, bias: int, slope: float) -> None:
    one, two = (
        within_reach(
            graph(table_of(unit(2, slope=[slope] * 2), stairs([6, 9], [b, b], -5, 5), np.ones(2)), WEIGHT)
        )
        for b in (bias, bias + shift)
    )
    node, wanted = (each.by_name["p"] for each in (one, two))
    assert isinstance(node, Population)
    assert isinstance(wanted, Population)
    assert isinstance(node.neuron, Table)
    assert isinstance(wanted.neuron, Table)
    moved = shifted(one, node, node.neuron, np.array([shift, shift]))
    drive = evaluate(one, {"x": LEVELS})["d"]
    reach = drive_interval(one, node)
    inner = (drive + shift >= reach.low) & (drive + shift <= reach.high)
    np.testing.assert_array_equal(fire(moved, drive)[inner], fire(wanted.neuron, drive)[inner])
    if slope == 0:
        assert fire(moved, drive).min() >= 0


@given(bias=st.integers(-9, 9), theta=st.integers(1, 20))
def test_a_table_tells_its_bias(bias: int, theta: int) -> None:
    table = table_of(unit(2, slope=[0.5, 1.0]), stairs([theta, 7], [bias, 3], -5, 5), np.ones(2))
    node = Population(
        name="p", drives=("d",), neuron=table, scale=Tensor.real([theta, 7.0]), unit=Tensor.real([1.0, 1.0])
    )
    np.testing.assert_array_equal(bias_of(node, table).values.data, [bias, 3])


def test_a_bias_that_varies_by_position() -> None:
    bias = Bias(values=Tensor.integer([[[1, 2]]]), rows=(0,), columns=(0, 1))
    neuron = Staircase(theta=Tensor.integer([3]), bias=bias, lo=-1, hi=1)
    table = table_of(unit(1, slope=[1.0]), neuron, np.ones(1))
    drive = np.arange(-9, 9).reshape(-1, 1, 1, 1) * np.ones((1, 1, 1, 2), dtype=np.int64)
    np.testing.assert_array_equal(fire(table, drive), fire(neuron, drive))
