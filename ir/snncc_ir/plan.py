"""Where a network lies on chips of cores: slices of populations, what each core uses, and its place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from snncc_ir.types import Shape

Interval = tuple[int, int]
Box = tuple[Interval, Interval, Interval]
"""Half-open intervals of channels, rows and columns."""


class Resource(Enum):
    """What a core has a limited number of."""

    COMPARTMENTS = "compartments"
    SYNAPSE_WORDS = "synapse words"
    INPUT_AXONS = "input axons"
    OUTPUT_AXONS = "output axons"
    POPULATIONS = "populations"
    PROJECTIONS = "projections"


Usage = tuple[int, int, int, int, int, int]
"""How much of every resource, in the order of `Resource`."""

RESOURCES = tuple(Resource)
NOTHING: Usage = (0, 0, 0, 0, 0, 0)


def three_axes(shape: Shape) -> tuple[int, int, int]:
    """Any shape as channels, rows and columns, with the elements in the same order."""
    return shape[0], math.prod(shape[1:-1]), shape[-1] if len(shape) > 1 else 1


@dataclass(frozen=True, slots=True)
class Slice:
    """A box of the neurons of one population, pooling node, input, readout or partial sum."""

    unit: str
    box: Box

    @property
    def size(self) -> int:
        """Neurons."""
        return math.prod(stop - start for start, stop in self.box)


@dataclass(frozen=True, slots=True)
class Partial:
    """Neurons that add what a projection brings from channels `inputs`, and send the sum to `owner`."""

    name: str
    projection: str
    owner: str
    inputs: Interval


@dataclass(frozen=True, slots=True)
class CoreUse:
    """The slices on one core, and what they use together."""

    slices: tuple[Slice, ...]
    usage: Usage


@dataclass(frozen=True, slots=True)
class Place:
    """The chip of a core, and the column and row of its router."""

    chip: int
    column: int
    row: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A network on the cores of `chip`, with the place of each core.

    `partials` are the sums that are split over several cores; `bounds` are the cores that each resource
    needs at least.
    """

    chip: str
    cores: tuple[CoreUse, ...]
    places: tuple[Place, ...]
    partials: tuple[Partial, ...]
    bounds: Usage

    @property
    def bound(self) -> int:
        """No plan has fewer cores."""
        return max(self.bounds)

    @property
    def chips(self) -> int:
        """Chips that are used."""
        return 1 + max(place.chip for place in self.places)
