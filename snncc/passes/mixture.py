"""Level bits of single channels, and the parts of populations that channels of like needs make up."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from snncc.passes.channel_ties import tied_populations
from snncc.passes.widths import LEVEL_BITS, PRICES, SMALL, Widths, filled, frontier
from snncc_ir.graph import Graph
from snncc_ir.tensors import Ints, Reals

ChannelErrors = Mapping[str, Mapping[int, Reals]]
"""What rounding each channel `[C]` of a population costs, by population and level bits."""

BITS: Ints = np.array(LEVEL_BITS)


@dataclass(frozen=True)
class Piece:
    """Channels of a population that have the same level bits."""

    channels: Ints
    bits: int


Mixture = dict[str, tuple[Piece, ...]]
"""The pieces of every population, which hold each channel once, from the first to the last part."""


def mixture(graph: Graph, errors: ChannelErrors, most: float, parts: int) -> Mixture:
    """Pieces whose level bits, at most `most` in the mean over neurons, have the least sum of errors.

    At the price of a bit at which the bits of single channels have that mean, channels of the same bits in
    all tied populations are one part. Where that makes more than `parts`, those are joined that it costs
    least to join. What is left of the mean then goes to the parts that gain most.
    """
    groups = list(_groups(graph, errors))
    within = (price for price in PRICES if sum(group.spent(price) for group in groups) <= most + SMALL)
    price = next(within, PRICES[-1])
    joined = [group.joined(group.alike(price), price, parts) for group in groups]
    widths = _widths(groups, joined, most)
    found: Mixture = {}
    for number, (group, channels) in enumerate(zip(groups, joined, strict=True)):
        bits = np.array([[widths.bits[_key(number, p, k)] for k in range(len(channels))] for p in group.rows])
        found |= group.pieces(channels, bits)
    return found


def _key(group: int, population: int, part: int) -> str:
    return f"{group}/{population}/{part}"


def _widths(groups: Sequence[_Group], joined: Sequence[Sequence[Ints]], most: float) -> Widths:
    """Level bits of every part of every population by its `_key`."""
    errors, neurons = {}, {}
    for number, (group, channels) in enumerate(zip(groups, joined, strict=True)):
        for p, (k, part) in itertools.product(group.rows, enumerate(channels)):
            errors[_key(number, p, k)] = dict(
                zip(LEVEL_BITS, group.errors[p][:, part].sum(axis=1), strict=True)
            )
            neurons[_key(number, p, k)] = len(part) * int(group.positions[p])
    start = next(widths for widths in frontier(errors, neurons) if widths.mean <= most + SMALL)
    return filled(start, errors, neurons, most)


def _groups(graph: Graph, errors: ChannelErrors) -> Iterator[_Group]:
    """Tied populations, and then those that must stay whole, each alone."""
    shapes = {name: graph.types[name].shape for name in errors}
    total = sum(int(np.prod(shape)) for shape in shapes.values())
    ties = tied_populations(graph)
    free = set(itertools.chain(*ties))
    for names in (*ties, *((name,) for name in errors if name not in free)):
        table = np.array([[errors[name][bits] for bits in LEVEL_BITS] for name in names])
        positions = np.array([int(np.prod(shapes[name][1:], dtype=np.int64)) for name in names])
        yield _Group(names, table, positions, total, divisible=names[0] in free)


@dataclass(frozen=True)
class _Group:
    """Populations that are divided alike: errors `[P, bits, C]`, positions `[P]` that a channel has in each.

    `total` counts the neurons of all groups.
    """

    names: tuple[str, ...]
    errors: Reals
    positions: Ints
    total: int
    divisible: bool

    @property
    def rows(self) -> range:
        """Of the populations."""
        return range(len(self.names))

    def _priced(self, price: float) -> Reals:
        """Error and price of every width `[P, bits, C]`."""
        return self.errors + (price / self.total) * self.positions[:, None, None] * BITS[:, None]

    def _cheapest(self, price: float) -> Ints:
        """Level bits `[P, C]` of single channels."""
        return np.asarray(BITS[np.argmin(self._priced(price), axis=1)])

    def spent(self, price: float) -> float:
        """What the bits of single channels add to the mean over all neurons."""
        return float((self._cheapest(price).sum(axis=1) @ self.positions) / self.total)

    def alike(self, price: float) -> list[Ints]:
        """The channels of the same bits in every population, from the widest to the narrowest."""
        if not self.divisible:
            return [np.arange(self.errors.shape[2])]
        return _classes(self._cheapest(price))

    def joined(self, parts: Sequence[Ints], price: float, most: int) -> list[Ints]:
        """At most `most` parts, joined so that the sum of error and price stays least."""
        priced, left = self._priced(price), list(parts)
        costs = [priced[:, :, part].sum(axis=2) for part in left]
        while len(left) > most:
            pairs = itertools.combinations(range(len(left)), 2)
            one, other = min(pairs, key=lambda pair: _loss_of_joining(costs[pair[0]], costs[pair[1]]))
            left[one] = np.sort(np.concatenate([left[one], left.pop(other)]))
            costs[one] = costs[one] + costs.pop(other)
        return left

    def pieces(self, parts: Sequence[Ints], bits: Ints) -> Mixture:
        """The pieces of every population for the level bits `[P, parts]`; parts of the same bits are one."""
        alike = _classes(bits)
        channels = [np.sort(np.concatenate([parts[k] for k in some])) for some in alike]
        return {
            name: tuple(Piece(of, int(row[some[0]])) for of, some in zip(channels, alike, strict=True))
            for name, row in zip(self.names, bits, strict=True)
        }


def _classes(bits: Ints) -> list[Ints]:
    """Which columns of `[P, n]` are the same, from the greatest to the least."""
    _, classes = np.unique(-bits, axis=1, return_inverse=True)
    return [np.flatnonzero(classes.ravel() == number) for number in range(classes.max() + 1)]


def _loss_of_joining(one: Reals, other: Reals) -> float:
    """What the least sums of both, each over its own bits, are exceeded by where they share them."""
    return float((one + other).min(axis=1).sum() - one.min(axis=1).sum() - other.min(axis=1).sum())
