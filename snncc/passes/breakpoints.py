"""Exact breakpoints of quantised units, and the search for a staircase that has the same ones.

Two monotone staircases are equal for all inputs iff their breakpoints are equal where the drive can reach
them, so comparing hi - lo integers per channel proves a channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from snncc_ir.rounding import Rounding
from snncc_ir.tensors import NEURON_BITS, Ints

FAR = 1 << 60
"""The limit of a level that is always, or never, reached."""

LARGEST = (1 << (NEURON_BITS - 1)) - 1


@dataclass(frozen=True, eq=False)
class Brackets:
    """Integers `below < at` per level: the least drive that has the level lies in (below, at].

    `[..., hi - lo]`. Drives between the two do not occur, or have the level on one side only.
    """

    below: Ints
    at: Ints


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One channel of a quantised population: level of x = clip(x, low, high) / step by a rounding rule."""

    step: Fraction
    rounding: Rounding
    lo: int
    hi: int
    low: Fraction | None
    high: Fraction | None

    def edges(self) -> list[tuple[Fraction, bool] | bool]:
        """Per level lo + 1 .. hi its threshold (value, strict) on x; a bool if always or never met."""
        return [self._edge(level) for level in range(self.lo + 1, self.hi + 1)]

    def _edge(self, level: int) -> tuple[Fraction, bool] | bool:
        twice, strict = self.rounding.threshold(level)
        edge = self.step * twice / 2
        if self.low is not None and reaches(self.low, edge, strict):
            return True
        if self.high is not None and not reaches(self.high, edge, strict):
            return False
        return edge, strict


def reaches(x: Fraction, edge: Fraction, strict: bool) -> bool:
    """True where x passes a threshold."""
    return x > edge if strict else x >= edge


def linear_brackets(
    unit: Unit, gain: Fraction, offset: Fraction, low: int, high: int, stride: int
) -> tuple[list[int], list[int]]:
    """Brackets of x = gain * U / stride + offset, U a multiple of `stride` in stride * [low, high]; gain > 0.

    Breakpoints outside [low, high + 1] are clamped: no drive tells them apart.
    """
    below, at = [], []
    for edge in unit.edges():
        if isinstance(edge, bool):
            point = low if edge else high + 1
        else:
            point = min(max(_least(edge, gain, offset), low), high + 1)
        below.append(-FAR if point <= low else stride * (point - 1))
        at.append(FAR if point > high else stride * point)
    return below, at


def _least(edge: tuple[Fraction, bool], gain: Fraction, offset: Fraction) -> int:
    """Least integer n with gain * n + offset at the threshold or, if strict, beyond it."""
    value, strict = edge
    bound = (value - offset) / gain
    floor = bound.numerator // bound.denominator
    return floor + 1 if strict or bound.denominator > 1 else floor


@dataclass(frozen=True, eq=False)
class Fit:
    """Staircases theta `[C]`, bias `[C, K]` for brackets `[C, K, J]`; `proved[C]` says which they equal."""

    theta: Ints
    bias: Ints
    proved: NDArray[np.bool_]


def fit(brackets: Brackets, lo: int) -> Fit:
    """Per channel theta and biases with floor((U + b + theta // 2) / theta) = level for all U.

    Level j is reached from U = theta * j + c on, c = -b - theta // 2, so c must lie in (below - theta * j,
    at - theta * j] for all j. The width of that interval is concave in theta: bisection finds it or none.
    """
    below, at = brackets.below, brackets.at
    channels, _, count = below.shape
    levels = np.arange(lo + 1, lo + 1 + count)
    least, most = np.ones(channels, dtype=np.int64), np.full(channels, LARGEST >> 9)
    theta = least.copy()
    proved = np.zeros(channels, dtype=bool)
    for _ in range(NEURON_BITS):
        width, slope = _width(below, at, levels, theta)
        proved |= width >= 1
        active = ~proved & (least <= most)
        if not active.any():
            break
        least = np.where(active & (slope > 0), theta + 1, least)
        most = np.where(active & (slope < 0), theta - 1, most)
        stuck = active & (slope == 0)
        most = np.where(stuck, least - 1, most)
        theta = np.where(active & (least <= most), (least + most) // 2, theta)
    bias = _biases(below, at, levels, theta)
    proved &= (np.abs(bias) <= LARGEST).all(axis=1)
    return Fit(theta, bias, proved)


def _width(below: Ints, at: Ints, levels: Ints, theta: Ints) -> tuple[Ints, Ints]:
    """Number of values of c that fit, per channel, and in which direction of theta it grows."""
    rise = theta[:, None, None] * levels
    lower, upper = below - rise, at - rise
    lowest, highest = lower.max(axis=2), upper.min(axis=2)
    slope = levels[lower.argmax(axis=2)] - levels[upper.argmin(axis=2)]
    width = highest - lowest
    worst = width.argmin(axis=1)[:, None]
    return np.take_along_axis(width, worst, 1)[:, 0], np.take_along_axis(slope, worst, 1)[:, 0]


def _biases(below: Ints, at: Ints, levels: Ints, theta: Ints) -> Ints:
    rise = theta[:, None, None] * levels
    lowest, highest = (below - rise).max(axis=2), (at - rise).min(axis=2)
    start = np.where(highest > FAR // 2, lowest + 1, highest)
    start = np.where((lowest < -FAR // 2) & (highest > FAR // 2), 0, start)
    return -start - theta[:, None] // 2
