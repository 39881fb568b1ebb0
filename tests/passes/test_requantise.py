"""Exact breakpoints, staircases that have them, pairs of two scales, and what a moved breakpoint does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from snncc.passes.breakpoints import Brackets, Unit, fit, linear_brackets, pairs
from snncc.passes.parts import Incoming, exact_part
from snncc.passes.requantise import requantise
from snncc_ir.certificates import weight_sums
from snncc_ir.errors import GraphError
from snncc_ir.neurons import Bias, Quantiser, Table
from snncc_ir.nodes import Dense, Linear, Population, Scale, SumPool
from snncc_ir.rounding import Rounding
from snncc_ir.semantics import fire
from snncc_ir.tensors import Tensor
from snncc_ir.types import Levels

Ints = NDArray[Any]

PLAIN = [rounding for rounding in Rounding if rounding.levels is None]
GAINS = st.one_of(st.floats(1e-3, 0.3), st.sampled_from([0.5, 0.25, 0.125, 1.0, 1 / 3])).map(Fraction)


def rounded(rounding: Rounding, x: Fraction) -> int:
    """The level of x by the rule's definition."""
    return DEFINITIONS[rounding](x)


def _outward(x: Fraction, rule: Callable[[Fraction], int]) -> int:
    """A rule of the magnitude."""
    return rule(x) if x > 0 else -rule(-x)


HALF = Fraction(1, 2)
DEFINITIONS: dict[Rounding, Callable[[Fraction], int]] = {
    Rounding.HALF_EVEN: round,
    Rounding.HALF_ODD: lambda x: round(x + 1) - 1,
    Rounding.HALF_UP: lambda x: _outward(x, lambda size: math.floor(size + HALF)),
    Rounding.HALF_DOWN: lambda x: _outward(x, lambda size: math.ceil(size - HALF)),
    Rounding.FLOOR: math.floor,
    Rounding.CEIL: math.ceil,
    Rounding.UP: lambda x: _outward(x, math.ceil),
    Rounding.DOWN: lambda x: _outward(x, math.floor),
    Rounding.AT_LEAST: lambda x: int(x >= 0),
    Rounding.ABOVE: lambda x: int(x > 0),
    Rounding.BIPOLAR: lambda x: 1 if x >= 0 else -1,
    Rounding.SIGN: lambda x: int(x > 0) - int(x < 0),
}


@given(rounding=st.sampled_from(list(Rounding)), x=st.fractions(-9, 9, max_denominator=8))
def test_thresholds_and_the_real_rule_are_the_rounding(rounding: Rounding, x: Fraction) -> None:
    expected = rounded(rounding, x)
    for level in range(-10, 11):
        twice, strict = rounding.threshold(level)
        reached = x > Fraction(twice, 2) if strict else x >= Fraction(twice, 2)
        low, high = rounding.levels or (-20, 20)
        if low < level <= high:
            assert reached == (expected >= level)
    if x.denominator & (x.denominator - 1) == 0:
        assert rounding.apply(np.array([float(x)]))[0] == expected


@given(
    rounding=st.sampled_from(PLAIN),
    gain=GAINS,
    offset=st.fractions(-3, 3, max_denominator=64),
    reach=st.integers(1, 60),
    bounds=st.sampled_from([(None, None), (Fraction(0), None), (Fraction(-1), Fraction(2))]),
    stride=st.sampled_from([1, 64]),
)
def test_staircases_that_are_proved_have_the_levels_and_tables_always(
    rounding: Rounding,
    gain: Fraction,
    offset: Fraction,
    reach: int,
    bounds: tuple[Fraction | None, Fraction | None],
    stride: int,
) -> None:
    unit = Unit(step=Fraction(1), rounding=rounding, lo=-3, hi=4, low=bounds[0], high=bounds[1])
    below, at = linear_brackets(unit, gain, offset, -reach, reach, stride)
    found = fit(Brackets(np.array([[below]]), np.array([[at]])), unit.lo)
    for n in range(-reach, reach + 1):
        x = gain * n + offset
        x = x if bounds[0] is None else max(x, bounds[0])
        x = x if bounds[1] is None else min(x, bounds[1])
        expected = min(max(rounded(rounding, x), unit.lo), unit.hi)
        assert unit.lo + sum(stride * n >= point for point in at) == expected
        if found.proved[0]:
            theta, bias = int(found.theta[0]), int(found.bias[0, 0])
            level = (stride * n + bias + theta // 2) // theta
            assert min(max(level, unit.lo), unit.hi) == expected


@given(theta=st.integers(1, 200), bias=st.integers(-300, 300), lo=st.integers(-4, 0), hi=st.integers(1, 9))
def test_a_staircase_is_found_where_there_is_one(theta: int, bias: int, lo: int, hi: int) -> None:
    points = [theta * j - bias - theta // 2 for j in range(lo + 1, hi + 1)]
    brackets = Brackets(np.array([[[p - 1 for p in points]]]), np.array([[points]]))
    assert fit(brackets, lo).proved.all()


@given(
    first=st.floats(0.01, 1),
    second=st.floats(0.01, 1),
    offset=st.fractions(-1, 1, max_denominator=16),
    multipliers=st.tuples(st.integers(1, 4000), st.integers(-4000, 4000)),
)
def test_pairs_are_counted_where_no_breakpoint_parts_them(
    first: float, second: float, offset: Fraction, multipliers: tuple[int, int]
) -> None:
    gains = (Fraction(first), Fraction(second))
    unit = Unit(step=Fraction(1, 2), rounding=Rounding.HALF_EVEN, lo=-3, hi=5, low=None, high=None)
    ranges = (range(-4, 6), range(7))
    below, at, wrong = pairs(unit, gains, ranges, offset).brackets(multipliers)
    missed = 0
    for a in ranges[0]:
        for b in ranges[1]:
            x = (gains[0] * a + gains[1] * b + offset) / unit.step
            expected = min(max(round(x), -3), 5)
            u = multipliers[0] * a + multipliers[1] * b
            got = -3 + sum(u >= point for point in at)
            missed += abs(got - expected)
    assert missed == wrong
    assert all(low < high for low, high in zip(below, at, strict=True))


def population(linears: list[Linear], step: float = 0.25, hi: int = 15) -> Population:
    channels = linears[0].weight.shape[0]
    neuron = Quantiser(
        bias=Bias(values=Tensor.real(np.linspace(-0.3, 0.4, channels))),
        step=Tensor.real(np.full(channels, step)),
        lo=0,
        hi=hi,
        rounding=Rounding.HALF_EVEN,
        low=0.0,
    )
    return Population(name="p", drives=tuple(linear.name for linear in linears), neuron=neuron)


def incoming(linear: Linear, scale: float = 0.1, zero: float = 0.0, lo: int = 0) -> Incoming:
    shape = (linear.weight.shape[1],) if isinstance(linear, Dense) else (linear.weight.shape[0],)
    ones = np.ones((1,) * len(shape))
    return Incoming(linear=linear, levels=Levels(shape, lo, 15), scale=ones * scale, zero=ones * zero)


def test_a_moved_breakpoint_is_seen() -> None:
    """Each breakpoint that a drive can reach matters: moved by one, some drive has another level."""
    rng = np.random.default_rng(0)
    weight = Tensor.scaled(rng.integers(-60, 61, (3, 6)), np.array([0.013, 0.021, 0.0317]))
    part = exact_part(incoming(Dense(name="d", source="x", weight=weight)))
    assert part is not None
    node = population([part.incoming.linear], step=0.05)
    outcome = requantise(node, [part], (3,), exact=True, two_levels=False)
    table = outcome.population.neuron
    assert isinstance(table, Table)
    positive, negative = weight_sums(outcome.linears[0], part.incoming.levels)
    drives = np.arange(15 * int(negative.min()), 15 * int(positive.max()) + 1)
    fed = np.broadcast_to(drives[:, None], (len(drives), 3))
    exact = [
        [
            min(max(round(max(part.gains[c] * int(u) + bias, Fraction(0)) / Fraction(0.05)), 0), 15)
            for u in drives
        ]
        for c, bias in enumerate(map(Fraction, node.neuron.bias.values.data.tolist()))  # type: ignore[union-attr]
    ]
    inside = (drives >= 15 * negative[:, None]) & (drives <= 15 * positive[:, None])
    assert (np.where(inside, fire(table, fed).T, 0) == np.where(inside, np.array(exact), 0)).all()
    for c, j in np.ndindex(3, 15):
        values = table.breakpoints.data.copy()
        if not 15 * negative[c] < values[c, j] <= 15 * positive[c]:
            continue
        values[c, j:] = np.maximum(values[c, j:], values[c, j] + 1)
        moved = replace(table, breakpoints=Tensor.integer(values))
        assert (np.where(inside, fire(moved, fed).T, 0) != np.where(inside, np.array(exact), 0)).any()


def test_certificates_say_what_was_found() -> None:
    ones = Tensor.scaled(np.array([[1, -1, 1]]), np.array([0.5]))
    binary = exact_part(incoming(Dense(name="d", source="x", weight=ones)))
    assert binary is not None
    node = population([binary.incoming.linear], hi=1)
    found = requantise(node, [binary], (1,), exact=True, two_levels=True).certificate
    assert (found.channels, found.proved, found.tabled, found.approximated) == (1, 1, 0, 0)
    found = requantise(node, [binary], (1,), exact=False, two_levels=True).certificate
    assert (found.channels, found.proved, found.tabled, found.approximated) == (1, 0, 0, 1)


@given(first=st.floats(0.01, 1), second=st.floats(0.01, 1), step=st.floats(0.05, 1))
def test_sums_of_two_scales_are_exact(first: float, second: float, step: float) -> None:
    assume(max(first, second) < 50 * min(first, second))
    linears: list[Linear] = [Scale(name=n, source=n[0], weight=Tensor.real([1.0])) for n in ("a1", "b1")]
    scales = (float(np.float32(first)), float(np.float32(second)))
    found = [exact_part(incoming(node, scale, lo=-3)) for node, scale in zip(linears, scales, strict=True)]
    parts = [part for part in found if part is not None]
    node = population(linears, float(np.float32(step)))
    outcome = requantise(node, parts, (1,), exact=True, two_levels=False)
    assert outcome.certificate.approximated == 0
    a, b = (values.reshape(-1) for values in np.meshgrid(np.arange(-3, 16), np.arange(-3, 16)))
    m, n = (int(linear.weight.data[0]) for linear in outcome.linears)
    levels = fire(outcome.population.neuron, (m * a + n * b)[:, None])[:, 0]  # type: ignore[arg-type]
    bias, unit = Fraction(-0.3), Fraction(float(np.float32(step)))
    for i in range(len(a)):
        x = Fraction(scales[0]) * int(a[i]) + Fraction(scales[1]) * int(b[i]) + bias
        assert levels[i] == min(max(round(max(x, Fraction(0)) / unit), 0), 15)


def test_what_no_integers_bring_together_is_refused() -> None:
    dense = Dense(name="d", source="x", weight=Tensor.scaled(np.array([[100, 3]]), np.array([0.1])))
    skip = Scale(name="s", source="y", weight=Tensor.real([0.3]))
    found = [exact_part(incoming(dense)), exact_part(incoming(skip))]
    parts = [part for part in found if part is not None]
    message = "p: adds drives of different scales that no integers bring together; "
    with pytest.raises(GraphError) as caught:
        requantise(population([dense, skip]), parts, (1,), exact=True, two_levels=False)
    assert str(caught.value) == message + "quantise each of them to levels before they are added"


def test_an_average_is_divided_exactly() -> None:
    """A weight of 1/6 in floating point stands for the sixth: a sum of 3 is half a level, a tie."""
    pool = SumPool(name="m", source="x", weight=Tensor.real([1 / 6]), kernel=(2, 3))
    ones = np.ones((1, 1, 1))
    part = exact_part(Incoming(linear=pool, levels=Levels((1, 2, 3), 0, 15), scale=ones, zero=0 * ones))
    assert part is not None
    assert part.gains == (Fraction(1, 6),)
