"""The cores of a chain: which passes each one runs on how many lanes, by exact search.

Every run of passes is built for every number of lanes, so its LUTs, memories and cycles are those of the
emitted core. For a given interval between images, dynamic programming over the places of the cuts keeps all
choices that no other one beats in every resource at once; the least interval that fits is found by bisection
over those that occur. By cycle model and estimate no chain is better.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from snncc_ir.machine import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a core, or several, take of a device."""

    luts: int
    blocks: int
    multipliers: int

    def __add__(self, other: Needs) -> Needs:
        return Needs(
            luts=self.luts + other.luts,
            blocks=self.blocks + other.blocks,
            multipliers=self.multipliers + other.multipliers,
        )

    def within(self, other: Needs) -> bool:
        """Whether nothing is more than in another."""
        return (
            self.luts <= other.luts and self.blocks <= other.blocks and self.multipliers <= other.multipliers
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """Passes `first` to `end` - 1 on so many lanes: an image every `interval` cycles, at `clock` MHz."""

    first: int
    end: int
    lanes: int
    needs: Needs
    interval: float
    clock: float


@dataclass(frozen=True, slots=True)
class Choice:
    """Options that follow each other, and what they take together."""

    options: tuple[Option, ...]
    needs: Needs

    @property
    def clock(self) -> float:
        """MHz of the slowest core."""
        return min(option.clock for option in self.options)

    @property
    def slowest(self) -> Option:
        """The core that sets the throughput."""
        return max(self.options, key=lambda option: option.interval)

    @property
    def images_per_second(self) -> float:
        """By cycle model and estimated clock."""
        return self.clock * 1e6 / self.slowest.interval

    @property
    def parts(self) -> tuple[Part, ...]:
        """The cores as a machine has them."""
        return tuple(Part(passes=o.end - o.first, lanes=o.lanes) for o in self.options)


def fewest_luts(
    options: Sequence[Option], passes: int, limits: Needs, images_per_second: float
) -> Choice | None:
    """The chain of fewest LUTs that reaches so many images per second within the limits; None without one."""
    found = []
    for clock in _clocks(options):
        interval = clock * 1e6 / images_per_second
        allowed = [o for o in options if o.clock >= clock and o.interval <= interval]
        found += _fronts(allowed, passes, limits)
    return min(found, key=lambda choice: (choice.needs.luts, choice.slowest.interval), default=None)


def most_images(options: Sequence[Option], passes: int, limits: Needs) -> Choice | None:
    """The chain with the most images per second within the limits; None where none fits."""
    found = []
    for clock in _clocks(options):
        choice = _least_interval([o for o in options if o.clock >= clock], passes, limits)
        found += [choice] if choice else []
    return max(found, key=lambda choice: (choice.images_per_second, -choice.needs.luts), default=None)


def _clocks(options: Sequence[Option]) -> list[float]:
    """The clocks that a slowest core can have: with each, faster cores are allowed, slower ones are not."""
    return sorted({option.clock for option in options})


def _least_interval(options: Sequence[Option], passes: int, limits: Needs) -> Choice | None:
    intervals = sorted({option.interval for option in options})
    low, high, best = 0, len(intervals), None
    while low < high:
        middle = (low + high) // 2
        choices = _fronts([o for o in options if o.interval <= intervals[middle]], passes, limits)
        if choices:
            best, high = min(choices, key=lambda choice: choice.needs.luts), middle
        else:
            low = middle + 1
    return best


def _fronts(options: Sequence[Option], passes: int, limits: Needs) -> list[Choice]:
    """All chains of the options within the limits that no other one beats in every resource."""
    none = Choice((), Needs(luts=0, blocks=0, multipliers=0))
    fronts: list[list[Choice]] = [[none], *([] for _ in range(passes))]
    by_end: list[list[Option]] = [[] for _ in range(passes + 1)]
    for option in options:
        by_end[option.end].append(option)
    for end in range(1, passes + 1):
        fronts[end] = _best(_extended(fronts, by_end[end], limits))
    return fronts[passes]


def _extended(
    fronts: Sequence[Sequence[Choice]], options: Iterable[Option], limits: Needs
) -> Iterator[Choice]:
    for option in options:
        for choice in fronts[option.first]:
            needs = choice.needs + option.needs
            if needs.within(limits):
                yield Choice((*choice.options, option), needs)


def _best(choices: Iterable[Choice]) -> list[Choice]:
    """The choices that no other one beats, or equals, in everything."""
    kept: list[Choice] = []
    ordered = sorted(
        choices, key=lambda choice: (choice.needs.luts, choice.needs.blocks, choice.needs.multipliers)
    )
    for choice in ordered:
        if not any(other.needs.within(choice.needs) for other in kept):
            kept.append(choice)
    return kept
