"""Sums of two integer drives on different scales: multipliers that keep their order, proved by enumeration.

A quantised unit gets x = g U + h n + offset. For every n of the narrower drive, level j begins at one U. With
multipliers m and k the unit sees m U + k n instead, and has the levels of x for all inputs iff for every j
one integer lies above m U + k n of all pairs below level j and at or below that of all others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from snncc.passes.breakpoints import FAR, Unit
from snncc_ir.tensors import Ints

Span = tuple[int, int]
"""Least and greatest value."""

Two = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Pairs:
    """All pairs of a wide and a narrow drive; `start[n, j]` is the least wide one that has level lo + 1 + j.

    Clamped to the least value of the wide drive and its greatest + 1.
    """

    wide: Span
    narrow: Span
    start: Ints

    @property
    def count(self) -> int:
        """How many pairs there are."""
        return (self.wide[1] - self.wide[0] + 1) * (self.narrow[1] - self.narrow[0] + 1)

    def brackets(self, multipliers: Two) -> tuple[Ints, Ints, int]:
        """Brackets on the sum of the drives times `multipliers`, and how many pairs they get wrong."""
        times, shift = multipliers[0], multipliers[1] * np.arange(self.narrow[0], self.narrow[1] + 1)[:, None]
        under = np.where(self.start > self.wide[0], times * (self.start - 1) + shift, -FAR).max(axis=0)
        over = np.where(self.start <= self.wide[1], times * self.start + shift, FAR).min(axis=0)
        crossed = under >= over
        at = np.where(crossed, (under + over + 1) // 2, over)
        found = -((shift - at[crossed]) // max(times, 1))
        wrong = np.abs(np.clip(found, self.wide[0], self.wide[1] + 1) - self.start[:, crossed]).sum()
        return np.where(crossed, at - 1, under), at, int(wrong)


def enumerate_pairs(unit: Unit, gains: Sequence[Fraction], spans: Sequence[Span], offset: Fraction) -> Pairs:
    """The pairs of a wide (first) and a narrow drive of gains >= 0, in rational arithmetic."""
    wide, narrow = spans
    n = np.arange(narrow[0], narrow[1] + 1).astype(object)
    columns = []
    for edge in unit.edges():
        if isinstance(edge, bool):
            columns.append(np.full(len(n), wide[0] if edge else wide[1] + 1, dtype=np.int64))
            continue
        value, strict = edge
        common = math.lcm(value.denominator, offset.denominator, *(gain.denominator for gain in gains))
        missing = int((value - offset) * common) - int(gains[1] * common) * n
        columns.append(_least(missing, int(gains[0] * common), wide, strict=strict))
    return Pairs(wide, narrow, np.stack(columns, axis=1))


def _least(missing: Ints, step: int, wide: Span, *, strict: bool) -> Ints:
    """Least U of the wide drive with step * U at, or beyond, what is missing."""
    if step == 0:
        passes = missing < 0 if strict else missing <= 0
        return np.where(passes.astype(bool), wide[0], wide[1] + 1)
    least = missing // step + 1 if strict else -(-missing // step)
    return np.asarray(np.clip(least, wide[0], wide[1] + 1)).astype(np.int64)


def ratio(gains: Sequence[Fraction], limits: Two) -> Two:
    """Integers within `limits` whose ratio is near that of two numbers >= 0."""
    first, second = gains
    if first > second:
        return ratio((second, first), (limits[1], limits[0]))[::-1]
    if second == 0:
        return 0, 1
    most = min(limits[1], int(limits[0] * second / first) + 1) if first else 1
    best = (first / second).limit_denominator(most)
    if best.numerator > limits[0]:
        best = (first / second).limit_denominator(max(1, best.denominator - 1))
    least = 1 if first else 0
    return min(max(best.numerator, least), limits[0]), best.denominator
