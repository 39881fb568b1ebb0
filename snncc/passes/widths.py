"""Level widths of single populations: which to widen first, from what each width alone costs the outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

LEVEL_BITS = tuple(range(1, 9))
"""Widths that a population may have."""

PRICES = np.geomspace(1e-12, 1e6, 400)
"""Errors that one bit more per neuron may cost."""

SMALL = 1e-9
"""What a mean of widths may exceed its bound by, for rounding."""

Errors = Mapping[str, Mapping[int, float]]
"""Error of the outputs by population and its level bits, all other populations being real-valued."""


@dataclass(frozen=True)
class Widths:
    """Level bits of every population, and their mean over all neurons."""

    bits: Mapping[str, int]
    mean: float


def frontier(errors: Errors, neurons: Mapping[str, int]) -> tuple[Widths, ...]:
    """Settings from the widest to the narrowest, each the best of its cost if the errors add up.

    Minimises the sum of the errors plus price * mean bits over a range of prices: the Lagrangian form of
    choosing widths under a budget.
    """
    total = sum(neurons.values())
    monotone = {name: _monotone(by_bits) for name, by_bits in errors.items()}
    found: dict[tuple[int, ...], Widths] = {}
    for price in PRICES:
        bits = {
            name: min(
                reversed(LEVEL_BITS),
                key=lambda b, name=name: monotone[name][b] + price * b * neurons[name] / total,  # type: ignore[misc]
            )
            for name in errors
        }
        found.setdefault(tuple(bits.values()), Widths(bits, mean_bits(bits, neurons)))
    ends = [dict.fromkeys(errors, width) for width in (max(LEVEL_BITS), min(LEVEL_BITS))]
    for bits in ends:
        found.setdefault(tuple(bits.values()), Widths(bits, mean_bits(bits, neurons)))
    return tuple(sorted(found.values(), key=lambda widths: -widths.mean))


def filled(widths: Widths, errors: Errors, neurons: Mapping[str, int], most: float) -> Widths:
    """One bit more where it saves most per neuron, for as long as the mean stays within `most`."""
    bits, total = dict(widths.bits), sum(neurons.values())
    left = (most + SMALL) * total - sum(bits[name] * neurons[name] for name in bits)
    while True:
        fitting = (name for name in bits if neurons[name] <= left and bits[name] < max(LEVEL_BITS))
        saved = {n: (errors[n][bits[n]] - errors[n][bits[n] + 1]) / neurons[n] for n in fitting}
        best = max(saved, key=saved.__getitem__, default=None)
        if best is None or saved[best] <= 0:
            return Widths(bits, mean_bits(bits, neurons))
        bits[best] += 1
        left -= neurons[best]


def mean_bits(bits: Mapping[str, int], neurons: Mapping[str, int]) -> float:
    """Mean level bits over all neurons."""
    return sum(bits[name] * neurons[name] for name in bits) / sum(neurons[name] for name in bits)


def _monotone(by_bits: Mapping[int, float]) -> dict[int, float]:
    """The errors with noise taken out: fewer bits never cost less."""
    worst, found = 0.0, {}
    for bits in sorted(by_bits, reverse=True):
        worst = max(worst, by_bits[bits])
        found[bits] = worst
    return found
