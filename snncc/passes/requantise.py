"""Populations that came quantised: the integer neuron with exactly their levels, and its certificate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import isinf

import numpy as np

from snncc.passes.breakpoints import Brackets, Fit, Unit, fit, linear_brackets
from snncc.passes.offsets import Offsets, offsets
from snncc.passes.pairs import Pairs, Two, enumerate_pairs, ratio
from snncc.passes.parts import LARGEST_MULTIPLIER, Part, united, with_integers
from snncc_ir.certificates import Requantised, weight_sums
from snncc_ir.errors import GraphError
from snncc_ir.neurons import Bias, Quantiser, Staircase, Table
from snncc_ir.nodes import Linear, Population
from snncc_ir.tensors import WEIGHT_BITS, Ints, Tensor
from snncc_ir.types import Shape

STRIDES = (1, 2**6, 2**12, 2**18)
"""Multipliers of identity projections: with larger ones a staircase fits where it did not."""

REACHES = (2**7 - 1, 2**11 - 1, 2**15 - 1, 2**19 - 1, LARGEST_MULTIPLIER)
"""Greatest multipliers tried for a sum of two scales, narrow ones first."""

MOST_PAIRS = 2**20
"""Pairs of levels that are enumerated to prove a sum of two scales."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcome:
    """The integer population, its projections, the level of its real value 0, and what is proved of it."""

    population: Population
    linears: tuple[Linear, ...]
    zero: float
    certificate: Requantised


@dataclass(frozen=True, eq=False)
class _Found:
    """Projections with the brackets of their sum; `wrong` counts the pairs per channel that they miss.

    There are `pairs` in all, and a `reason` why some may be missed.
    """

    linears: tuple[Linear, ...]
    brackets: Brackets
    low: Ints
    high: Ints
    wrong: Ints
    pairs: int = 0
    reason: str = ""

    def fitted(self, lo: int) -> Fit:
        """The staircases with these brackets, where there are any."""
        return fit(self.brackets, lo)


def requantise(
    node: Population, parts: Sequence[Part], shape: Shape, *, two_levels: bool, rounded: str = ""
) -> Outcome:
    """The integer population for projections in integers; `two_levels` allows -1 and +1 to become 0 and 1.

    With exact parts every channel is a staircase of equal breakpoints (proved) or a table (tabled). Parts
    that had to be `rounded`, for the reason given, are treated the same, and their channels called
    approximated.
    """
    neuron = _narrowed(node)
    bias = offsets(neuron.bias, parts, shape)
    found = _summed(node, neuron, bias, parts)
    lo, hi = neuron.lo, neuron.hi
    split = two_levels and (lo, hi) == (-1, 1) and _skips_zero(found.brackets)
    if split:
        lo, found = 0, replace(found, brackets=_last(found.brackets))
    fitted = found.fitted(lo)
    if fitted.proved.all():
        theta, values = Tensor.integer(fitted.theta), bias.bias(fitted.bias)
        integer: Staircase | Table = Staircase(theta=theta, bias=values, lo=lo, hi=hi)
    else:
        integer = _table(found, bias, lo, hi)
    return Outcome(
        population=replace(node, neuron=integer, scale=Tensor.real(neuron.step.data * (2 if split else 1))),
        linears=found.linears,
        zero=0.5 if split else 0.0,
        certificate=_certificate(node.name, found, fitted, rounded),
    )


def _quantiser(node: Population) -> Quantiser:
    if not isinstance(node.neuron, Quantiser):
        raise TypeError("only quantised populations have a grid of their own")
    return node.neuron


def _units(neuron: Quantiser) -> list[Unit]:
    bounds = (None if isinf(value) else Fraction(value) for value in (neuron.low, neuron.high))
    low, high = bounds
    return [
        Unit(
            step=Fraction(float(step)),
            rounding=neuron.rounding,
            lo=neuron.lo,
            hi=neuron.hi,
            low=low,
            high=high,
        )
        for step in neuron.step.data
    ]


def _narrowed(node: Population) -> Quantiser:
    """Without the levels that the unit's bounds rule out in every channel; one beside 0 always stays."""
    neuron = _quantiser(node)
    edges = [unit.edges() for unit in _units(neuron)]
    always = [all(edge is True for edge in level) for level in zip(*edges, strict=True)]
    never = [all(edge is False for edge in level) for level in zip(*edges, strict=True)]
    lo = min(neuron.lo + sum(always), 0)
    hi = max(neuron.hi - sum(never), 0)
    if lo == hi or neuron.rounding.levels is not None:
        return neuron
    return replace(neuron, lo=lo, hi=hi)


def why_not(node: Population, parts: Sequence[Part]) -> str:
    """Why no integers bring the drives together; empty where one unit divides all, or two are enumerated."""
    if united(parts) is not None:
        return ""
    if len(parts) > 2:
        return f"{len(parts)} drives of different scales were rounded to one"
    neuron = _quantiser(node)
    narrow = min(max(high - low + 1 for low, high in _spans(part)) for part in parts)
    if narrow * (neuron.hi - neuron.lo) > MOST_PAIRS:
        return (
            "two drives of different scales were rounded to one: the narrower of them has "
            f"{narrow:,} values, too many to enumerate"
        )
    return ""


def _summed(node: Population, neuron: Quantiser, bias: Offsets, parts: Sequence[Part]) -> _Found:
    common = united(parts)
    if common is not None:
        return _linear(neuron, bias, parts, *common)
    reason = why_not(node, parts)
    if reason:
        raise GraphError(reason, where=node.name)
    return _paired(neuron, bias, parts)


def _linear(
    neuron: Quantiser,
    bias: Offsets,
    parts: Sequence[Part],
    linears: tuple[Linear, ...],
    units: tuple[Fraction, ...],
) -> _Found:
    """One unit of drive for all projections; identity projections get the first stride that proves all."""
    low, high = _interval(linears, parts)
    widest = max(int(np.abs(linear.weight.data).max()) for linear in linears)
    strides = STRIDES if all(part.is_identity for part in parts) else STRIDES[:1]
    tried = []
    for stride in strides:
        if widest * stride > LARGEST_MULTIPLIER:
            break
        rows = [
            [
                linear_brackets(unit, units[c], offset, int(low[c]), int(high[c]), stride)
                for offset in bias.values[c]
            ]
            for c, unit in enumerate(_units(neuron))
        ]
        scaled = tuple(with_integers(linear, linear.weight.data * stride) for linear in linears)
        wrong = np.zeros(len(low), dtype=np.int64)
        tried.append(_Found(scaled, _brackets(rows), low * stride, high * stride, wrong))
        if tried[-1].fitted(neuron.lo).proved.all():
            return tried[-1]
    return tried[0]


def _brackets(rows: Sequence[Sequence[tuple[list[int], list[int]]]]) -> Brackets:
    found = np.array(rows, dtype=np.int64)
    return Brackets(found[:, :, 0], found[:, :, 1])


def _interval(linears: Sequence[Linear], parts: Sequence[Part]) -> tuple[Ints, Ints]:
    """Least and greatest drive per channel."""
    low: Ints = np.zeros(1, dtype=np.int64)
    high: Ints = np.zeros(1, dtype=np.int64)
    for linear, part in zip(linears, parts, strict=True):
        levels = part.incoming.levels
        positive, negative = weight_sums(linear, levels)
        low = low + positive * levels.lo + negative * levels.hi
        high = high + positive * levels.hi + negative * levels.lo
    return low, high


def _paired(neuron: Quantiser, bias: Offsets, parts: Sequence[Part]) -> _Found:
    """Two drives on different scales: multipliers whose sum orders all pairs as their real sum does."""
    spans = [_spans(part) for part in parts]
    widths = [max(high - low for low, high in found) for found in spans]
    order = (0, 1) if widths[0] >= widths[1] else (1, 0)
    channels = []
    known: dict[object, Pairs] = {}
    for c, unit in enumerate(_units(neuron)):
        gains, reach = [parts[i].gains[c] for i in order], [spans[i][c] for i in order]
        keys = [(unit, *gains, *reach, offset) for offset in bias.values[c]]
        for key, offset in zip(keys, bias.values[c], strict=True):
            if key not in known:
                known[key] = enumerate_pairs(unit, gains, reach, offset)
        limits = [parts[i].limits[c] for i in order]
        channels.append(_Channel(gains, limits, [known[key] for key in keys]))
    tried = [_multiplied(parts, order, channels, reach) for reach in REACHES]
    exact = [found for found in tried if not found.wrong.any()]
    for found in exact:
        if found.fitted(neuron.lo).proved.all():
            return found
    return exact[0] if exact else min(tried, key=lambda found: int(found.wrong.sum()))


@dataclass(frozen=True, eq=False)
class _Channel:
    """Two drives of one channel, the greatest multipliers that fit, and their pairs by border class."""

    gains: Sequence[Fraction]
    limits: Sequence[int]
    pairs: Sequence[Pairs]

    def brackets(self, multipliers: Two) -> tuple[list[Ints], list[Ints], int]:
        """Brackets of all border classes, and how many pairs they get wrong."""
        found = [pairs.brackets(multipliers) for pairs in self.pairs]
        return [each[0] for each in found], [each[1] for each in found], sum(each[2] for each in found)


def _spans(part: Part) -> list[tuple[int, int]]:
    """Least and greatest drive of every channel."""
    low, high = _interval([part.linear], [part])
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _multiplied(parts: Sequence[Part], order: Two, channels: Sequence[_Channel], reach: int) -> _Found:
    chosen = [
        ratio(channel.gains, (min(channel.limits[0], reach), min(channel.limits[1], reach)))
        for channel in channels
    ]
    rows = [channel.brackets(pair) for channel, pair in zip(channels, chosen, strict=True)]
    linears = []
    for index, part in enumerate(parts):
        times = np.array([pair[order.index(index)] for pair in chosen])
        times = times.reshape(-1, *(1,) * (len(part.linear.weight.shape) - 1))
        linears.append(with_integers(part.linear, part.linear.weight.data * times))
    low, high = _interval(linears, parts)
    brackets = Brackets(np.array([row[0] for row in rows]), np.array([row[1] for row in rows]))
    return _Found(
        tuple(linears),
        brackets,
        low,
        high,
        np.array([row[2] for row in rows]),
        sum(pairs.count for channel in channels for pairs in channel.pairs),
        _reason(channels),
    )


def _reason(channels: Sequence[_Channel]) -> str:
    """What keeps the multipliers of the tightest channel from being larger."""
    tightest = min(channels, key=lambda channel: min(channel.limits))
    return (
        "no multipliers keep the sums of two drives of different scales in order, as weights that fill their "
        f"{WEIGHT_BITS[-1]} bits cannot be multiplied by more than {min(tightest.limits)}"
    )


def _skips_zero(brackets: Brackets) -> bool:
    """True where no drive has level 0: the two breakpoints of every channel are one."""
    return bool((brackets.at[..., 0] == brackets.at[..., 1]).all())


def _last(brackets: Brackets) -> Brackets:
    return Brackets(brackets.below[..., 1:], brackets.at[..., 1:])


def _table(found: _Found, bias: Offsets, lo: int, hi: int) -> Table:
    """The breakpoints themselves, levels out of reach at greatest drive + 1."""
    low, high = (values[:, None, None] for values in (found.low, found.high))
    values = np.clip(found.brackets.at, low, high + 1)
    values = values.reshape(len(values), *bias.shape, -1) if bias.rows else values[:, 0]
    return Table(breakpoints=Tensor.integer(values), lo=lo, hi=hi, rows=bias.rows, columns=bias.columns)


def _certificate(name: str, found: _Found, fitted: Fit, rounded: str) -> Requantised:
    right = (found.wrong == 0) & (not rounded)
    proved = int((right & fitted.proved).sum())
    tabled = int((right & ~fitted.proved).sum())
    wrong = int(found.wrong.sum())
    missed = f"{found.reason}: {wrong:,} of {found.pairs:,} pairs of them differ" if wrong else ""
    return Requantised(
        population=name,
        channels=len(right),
        proved=proved,
        tabled=tabled,
        approximated=len(right) - proved - tabled,
        wrong_pairs=wrong,
        reason=rounded or missed,
    )


@dataclass(frozen=True, eq=False)
class UnitedReadout:
    """A readout in integers; `exact` says whether its real bias is a whole number of units."""

    linears: tuple[Linear, ...]
    bias: Bias
    unit: Fraction
    exact: bool


def united_readout(parts: Sequence[Part], bias: Bias, shape: Shape) -> UnitedReadout | None:
    """A readout of the integers that came with the network, its bias rounded to one unit of drive.

    None where its channels differ in scale: an integer argmax needs one for all.
    """
    common = united(parts)
    if common is None or len(set(common[1])) > 1:
        return None
    linears, units = common
    offset = offsets(bias, parts, shape)
    whole = [[value / units[0] for value in values] for values in offset.values]
    exact = all(value.denominator == 1 for values in whole for value in values)
    rounded = np.array([[round(value) for value in values] for values in whole], dtype=np.int64)
    return UnitedReadout(linears, offset.bias(rounded), units[0], exact)
