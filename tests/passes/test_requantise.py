"""Exact breakpoints, staircases that have them, pairs of two scales, and what a moved breakpoint does."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from snncc.passes.breakpoints import Brackets, Unit, fit, linear_brackets
from snncc.passes.pairs import enumerate_pairs, ratio
from snncc.passes.parts import Incoming, Part, exact_part
from snncc.passes.requantise import requantise, why_not
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
    multipliers=st.tuples(st.integers(1, 4000), st.integers(0, 4000)),
)
def test_pairs_are_counted_where_no_breakpoint_parts_them(
    first: float, second: float, offset: Fraction, multipliers: tuple[int, int]
) -> None:
    gains = (Fraction(first), Fraction(second))
    unit = Unit(step=Fraction(1, 2), rounding=Rounding.HALF_EVEN, lo=-3, hi=5, low=None, high=None)
    spans = ((-4, 5), (0, 6))
    found = enumerate_pairs(unit, gains, spans, offset)
    below, at, wrong = found.brackets(multipliers)
    missed = 0
    for a in range(-4, 6):
        for b in range(7):
            x = (gains[0] * a + gains[1] * b + offset) / unit.step
            expected = min(max(round(x), -3), 5)
            u = multipliers[0] * a + multipliers[1] * b
            got = -3 + sum(u >= point for point in at)
            missed += abs(got - expected)
    assert missed == wrong
    assert found.count == 70
    assert all(low < high for low, high in zip(below, at, strict=True))


NUMBERS = st.one_of(st.just(Fraction(0)), st.floats(1e-3, 1e3).map(Fraction))


@given(first=NUMBERS, second=NUMBERS, limits=st.tuples(st.integers(1, 9), st.integers(1, 2**20)))
def test_ratios_are_within_their_limits_and_near(
    first: Fraction, second: Fraction, limits: tuple[int, int]
) -> None:
    one, two = ratio((first, second), limits)
    assert 0 <= one <= limits[0]
    assert 0 <= two <= limits[1]
    if not first or not second:
        assert (one > 0, two > 0) == (first > 0, second > 0) or not (first or second)
    elif (second / first).denominator == 1 and second <= first * limits[1]:
        assert Fraction(two, one) == second / first


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
    outcome = requantise(node, [part], (3,), two_levels=False)
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
    found = requantise(node, [binary], (1,), two_levels=True).certificate
    assert (found.channels, found.proved, found.tabled, found.approximated) == (1, 1, 0, 0)
    found = requantise(node, [binary], (1,), two_levels=True, rounded="why").certificate
    assert (found.channels, found.proved, found.tabled, found.approximated) == (1, 0, 0, 1)


@given(first=st.floats(0.01, 1), second=st.floats(0.01, 1), step=st.floats(0.05, 1))
@example(first=1.0, second=0.1, step=1.0)
def test_sums_of_two_scales_are_exact(first: float, second: float, step: float) -> None:
    """Unless two sums on different sides of a boundary lie closer than multipliers of 24 bits can tell."""
    assume(max(first, second) < 50 * min(first, second))
    linears: list[Linear] = [Scale(name=n, source=n[0], weight=Tensor.real([1.0])) for n in ("a1", "b1")]
    scales = (float(np.float32(first)), float(np.float32(second)))
    found = [exact_part(incoming(node, scale, lo=-3)) for node, scale in zip(linears, scales, strict=True)]
    parts = [part for part in found if part is not None]
    node = population(linears, float(np.float32(step)))
    outcome = requantise(node, parts, (1,), two_levels=False)
    a, b = (values.reshape(-1) for values in np.meshgrid(np.arange(-3, 16), np.arange(-3, 16)))
    m, n = (int(linear.weight.data[0]) for linear in outcome.linears)
    levels = fire(outcome.population.neuron, (m * a + n * b)[:, None])[:, 0]  # type: ignore[arg-type]
    bias, unit = Fraction(-0.3), Fraction(float(np.float32(step)))
    sums = [
        Fraction(scales[0]) * int(i) + Fraction(scales[1]) * int(j) + bias for i, j in zip(a, b, strict=True)
    ]
    expected = [min(max(round(max(x, Fraction(0)) / unit), 0), 15) for x in sums]
    wrong = int((levels != np.array(expected)).sum())
    steps = sorted(zip(sums, expected, strict=True))
    gaps = [x[0] - y[0] for y, x in itertools.pairwise(steps) if x[1] != y[1]]
    if min(gaps, default=Fraction(1)) > Fraction(max(scales)) / 10**5:
        assert wrong == outcome.certificate.approximated == 0
    else:
        assert wrong == (outcome.certificate.wrong_pairs or 0)


def parts_of(linears: list[Linear], scales: list[float], lo: int = 0) -> list[Part]:
    """The projections in integers."""
    found = [exact_part(incoming(node, scale, lo=lo)) for node, scale in zip(linears, scales, strict=True)]
    return [part for part in found if part is not None]


@st.composite
def two_drives(draw: st.DrawFn) -> list[Part]:
    """A dense layer of some bits, and a skip or a dense layer of one bit, on different scales."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bits = draw(st.sampled_from([1, 2, 4, 8]))
    top = 2 ** (bits - 1) - 1
    weight = rng.choice([-1, 1], (2, 3)) if bits == 1 else rng.integers(-top, top + 1, (2, 3))
    synapses = Dense(name="d", source="x", weight=Tensor.scaled(weight, rng.uniform(0.05, 0.2, 2)))
    other: Linear = Scale(name="s", source="y", weight=Tensor.real(rng.choice([-1.0, 1.0, 0.5], 2)))
    if draw(st.booleans()):
        weight = rng.choice([-1, 1], (2, 2))
        other = Dense(name="s", source="y", weight=Tensor.scaled(weight, rng.uniform(0.05, 0.2, 2)))
    return parts_of(
        [synapses, other], [0.1, float(rng.uniform(0.02, 1.0))], lo=draw(st.sampled_from([-3, 0]))
    )


def exact_levels(pairs: Ints, gains: list[Fraction], offset: Fraction, hi: int) -> Ints:
    """Levels 0..hi of gains . pair + offset, rounded half to even, in rational arithmetic."""
    common = math.lcm(offset.denominator, *(gain.denominator for gain in gains))
    whole = [int(gain * common) for gain in gains]
    twice = 2 * (pairs.astype(object) @ np.array(whole, dtype=object) + int(offset * common))
    edges = (Rounding.HALF_EVEN.threshold(level) for level in range(1, hi + 1))
    reached = [twice > edge * common if strict else twice >= edge * common for edge, strict in edges]
    return np.asarray(sum(part.astype(np.int64) for part in reached))


@settings(max_examples=30)
@given(parts=two_drives(), step=st.floats(0.02, 1), hi=st.sampled_from([1, 3, 15]))
def test_a_sum_of_two_drives_has_the_levels_that_its_certificate_says(
    parts: list[Part], step: float, hi: int
) -> None:
    node = population([part.incoming.linear for part in parts], step, hi)
    outcome = requantise(node, parts, (2,), two_levels=False)
    found = outcome.certificate
    missed = 0
    for c in range(2):
        spans = [
            range(int(low[c]), int(high[c]) + 1)
            for low, high in (_span(part.linear, part.incoming.levels) for part in parts)
        ]
        times = [_factor(after, part.linear, c) for after, part in zip(outcome.linears, parts, strict=True)]
        pairs = np.stack(np.meshgrid(*spans), axis=-1).reshape(-1, 2)
        levels = fire(outcome.population.neuron, np.repeat(pairs @ np.array(times), 2).reshape(-1, 2))[:, c]
        offset = Fraction(float(np.linspace(-0.3, 0.4, 2)[c]))
        gains = [part.gains[c] / Fraction(step) for part in parts]
        expected = exact_levels(pairs, gains, offset / Fraction(step), hi)
        missed += int(np.abs(levels - expected).sum())
    assert missed == found.wrong_pairs
    assert (found.approximated > 0) == (missed > 0) == bool(found.reason)


def _span(linear: Linear, levels: Levels) -> tuple[Ints, Ints]:
    positive, negative = weight_sums(linear, levels)
    return positive * levels.lo + negative * levels.hi, positive * levels.hi + negative * levels.lo


def _factor(after: Linear, before: Linear, channel: int) -> int:
    """What one channel's weights were multiplied by."""
    new, old = (linear.weight.data[channel].reshape(-1) for linear in (after, before))
    where = int(np.abs(old).argmax())
    return int(new[where] // old[where]) if old[where] else 1


def test_one_bit_weights_of_two_scales_become_exact_multiples() -> None:
    linears: list[Linear] = [
        Dense(name=name, source=name, weight=Tensor.scaled(np.array([[1, -1, 1, 1]]), np.array([alpha])))
        for name, alpha in (("a", 0.1), ("b", 0.1732))
    ]
    parts = parts_of(linears, [1.0, 1.0])
    outcome = requantise(population(linears, 1.0, 1), parts, (1,), two_levels=False)
    assert (outcome.certificate.proved, outcome.certificate.reason) == (1, "")
    assert [np.abs(linear.weight.data).max() for linear in outcome.linears] == [56, 97]


def test_why_a_sum_is_approximated() -> None:
    dense = Dense(name="d", source="x", weight=Tensor.scaled(np.array([[100, 3]]), np.array([0.1])))
    skip = Scale(name="s", source="y", weight=Tensor.real([0.3456]))
    certificate = requantise(
        population([dense, skip]), parts_of([dense, skip], [0.1, 0.1]), (1,), two_levels=False
    ).certificate
    assert certificate.approximated == 1
    assert certificate.reason == (
        "no multipliers keep the sums of two drives of different scales in order, as weights that fill their "
        "8 bits cannot be multiplied by more than 1: 496 of 24,736 pairs of them differ"
    )
    three = parts_of([dense, skip, skip], [0.1, 0.1, 0.1])
    node = population([dense, skip, skip])
    assert why_not(node, three) == "3 drives of different scales were rounded to one"
    with pytest.raises(GraphError) as caught:
        requantise(node, three, (1,), two_levels=False)
    assert str(caught.value) == "p: 3 drives of different scales were rounded to one"
    wide = Tensor.scaled(np.full((1, 200), 127), np.array([0.1]))
    two: list[Linear] = [Dense(name=name, source=name, weight=wide) for name in ("a", "b")]
    assert why_not(population(two), parts_of(two, [0.1, 0.07])) == (
        "two drives of different scales were rounded to one: the narrower of them has 381,001 values, "
        "too many to enumerate"
    )


def test_an_average_is_divided_exactly() -> None:
    """A weight of 1/6 in floating point stands for the sixth: a sum of 3 is half a level, a tie."""
    pool = SumPool(name="m", source="x", weight=Tensor.real([1 / 6]), kernel=(2, 3))
    ones = np.ones((1, 1, 1))
    part = exact_part(Incoming(linear=pool, levels=Levels((1, 2, 3), 0, 15), scale=ones, zero=0 * ones))
    assert part is not None
    assert part.gains == (Fraction(1, 6),)
