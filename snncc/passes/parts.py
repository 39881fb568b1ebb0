"""Projections in integers: what one unit of their drive stands for, and one unit for several of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce
from math import gcd

import numpy as np

from snncc.passes.folding import varying
from snncc_ir.linear import pool_divisor
from snncc_ir.nodes import Conv, Dense, Linear, Scale, SumPool
from snncc_ir.tensors import MULTIPLIER_BITS, WEIGHT_BITS, Ints, Reals, Tensor, synapse_bits
from snncc_ir.types import Levels

LARGEST_MULTIPLIER = 2 ** (MULTIPLIER_BITS - 1) - 1
LARGEST_WEIGHT = 2 ** (WEIGHT_BITS[-1] - 1) - 1


@dataclass(frozen=True, eq=False, kw_only=True)
class Incoming:
    """A projection on real values whose source has levels; `scale` and `zero` broadcast to its shape."""

    linear: Linear
    levels: Levels
    scale: Reals
    zero: Reals


@dataclass(frozen=True, eq=False, kw_only=True)
class Part:
    """A projection of integers: channel c of its drive stands for gains[c] * (U - what the zero gives)."""

    linear: Linear
    gains: tuple[Fraction, ...]
    incoming: Incoming

    @property
    def is_identity(self) -> bool:
        """True where wide multipliers are at hand."""
        return isinstance(self.linear, Scale | SumPool)

    @property
    def limits(self) -> list[int]:
        """The greatest number that each channel's weights can be multiplied by."""
        limit = LARGEST_MULTIPLIER if self.is_identity else LARGEST_WEIGHT
        weights = self.linear.weight.data
        largest = np.abs(weights).reshape(len(weights), -1).max(axis=1)
        return [max(1, limit // max(1, int(each))) for each in largest]


def exact_part(incoming: Incoming) -> Part | None:
    """The projection in integers without any rounding; None where its weights are no such integers."""
    linear = incoming.linear
    if isinstance(linear, Scale | SumPool):
        return _identity(linear, incoming)
    weight, scale = linear.weight, np.unique(incoming.scale)
    if weight.scale is None or len(scale) > 1:
        return None
    source = Fraction(float(scale[0]))
    gains = tuple(Fraction(float(step)) * source for step in weight.scale.data)
    return Part(linear=replace(linear, weight=replace(weight, scale=None)), gains=gains, incoming=incoming)


def _identity(linear: Scale | SumPool, incoming: Incoming) -> Part:
    """A multiplier of 1; the real weight becomes the gain, a rounded 1 / divisor the divisor itself."""
    shape = incoming.levels.shape
    divisor = pool_divisor(linear, shape) if isinstance(linear, SumPool) else 1
    channels = linear.weight.shape[0]
    scale = np.broadcast_to(incoming.scale, shape).reshape(channels, -1)
    if bool((scale != scale[:, :1]).any()):
        raise varying(linear.name)
    weights = [_over(float(weight), divisor) for weight in linear.weight.values]
    gains = [weight * Fraction(float(step)) for weight, step in zip(weights, scale[:, 0], strict=True)]
    ones = np.array([-1 if gain < 0 else 1 for gain in gains])
    made = replace(linear, weight=Tensor.integer(ones))
    return Part(linear=made, gains=tuple(map(abs, gains)), incoming=incoming)


def _over(weight: float, divisor: int) -> Fraction:
    """The number of few bits whose quotient by `divisor` rounds to `weight`; else `weight` itself."""
    for whole in (float(np.float32(weight * divisor)), weight * divisor):
        if whole / divisor == weight:
            return Fraction(whole) / divisor
    return Fraction(weight)


# One gain for all projections.


def united(parts: Sequence[Part]) -> tuple[tuple[Linear, ...], tuple[Fraction, ...]] | None:
    """Projections in the greatest unit that divides all gains of a channel; None where it is too small."""
    units = tuple(_common(values) for values in zip(*(part.gains for part in parts), strict=True))
    linears = []
    for part in parts:
        factors = [int(gain / unit) for gain, unit in zip(part.gains, units, strict=True)]
        widest = max(abs(factor) for factor in factors)
        limit = LARGEST_MULTIPLIER if part.is_identity else LARGEST_WEIGHT
        if widest > limit:
            return None
        times = np.array(factors).reshape(-1, *(1,) * (len(part.linear.weight.shape) - 1))
        values = part.linear.weight.data * times
        if widest > 1 and int(np.abs(values).max()) > limit:
            return None
        linears.append(with_integers(part.linear, values))
    return tuple(linears), units


def with_integers(linear: Linear, values: Ints) -> Linear:
    """The node with integer weights, synapses as narrow as they can be."""
    bits = synapse_bits(values) if isinstance(linear, Conv | Dense) else None
    return replace(linear, weight=Tensor.integer(values, bits))


def _common(values: Sequence[Fraction]) -> Fraction:
    """Greatest number of which all values are multiples; 1 where all are 0."""
    denominator = reduce(lambda a, b: a * b // gcd(a, b), (value.denominator for value in values))
    whole = reduce(gcd, (int(value * denominator) for value in values))
    return Fraction(whole, denominator) if whole else Fraction(1)
