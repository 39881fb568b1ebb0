"""Boxes into cores: the fullest core that has room, a new one where none has."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from snncc.cores.tiles import total, within
from snncc_ir.errors import TargetError
from snncc_ir.plan import NOTHING, CoreUse, Slice, Usage

OPEN = 64
"""Cores with room that are kept in view."""

MOST_CORES = 1 << 13
"""Cores of a plan at most: time and memory of what follows grow with their square."""


def check_number(cores: int) -> None:
    """Raise TargetError where a plan has, or must have, so many cores that none is made."""
    if cores > MOST_CORES:
        raise TargetError(
            f"it takes {cores:,} cores or more, and no plan is made of more than {MOST_CORES:,}",
            hint="use a chip with larger cores",
        )


@dataclass
class Bin:
    """A core that is being filled."""

    usage: Usage = NOTHING
    slices: list[Slice] = field(default_factory=list)


class Packing(Enum):
    """Boxes into the fullest core with room; also cut to fill cores; or spread over as many as are needed."""

    PLAIN = "plain"
    CUTTING = "cutting"
    SPREADING = "spreading"


class Bins:
    """The cores so far; `open` are those that still have room for more.

    With `spread` empty cores at the start, each box goes to the one that has used least of what the box needs
    most: what is rich in synapses then shares cores with what is rich in neurons.
    """

    def __init__(self, limits: Usage, spread: int = 0) -> None:
        self.limits, self.spread = limits, spread
        self.bins = [Bin() for _ in range(spread)]
        self.open = list(self.bins)
        self._scale = np.array(limits, dtype=np.float64)

    def best(self, usage: Usage) -> Bin | None:
        """The open core that suits a box best among those that have room."""
        if self.spread:
            shares = [used / limit for used, limit in zip(usage[:4], self.limits[:4], strict=True)]
            scarce = shares.index(max(shares))
            roomy = [bin_ for bin_ in self.open if within(total(bin_.usage, usage), self.limits)]
            return min(roomy, key=lambda bin_: bin_.usage[scarce], default=None)
        found, fullest = None, -1.0
        for bin_ in self.open:
            if within(total(bin_.usage, usage), self.limits):
                fill = self._fill(bin_)
                if fill > fullest:
                    found, fullest = bin_, fill
        return found

    def roomiest(self) -> list[Bin]:
        """Open cores, those with the most room first."""
        return sorted(self.open, key=self._fill)

    def add(self, item: Slice, usage: Usage, bin_: Bin | None) -> None:
        """Put a slice into a core, or into a new one."""
        if bin_ is None:
            check_number(len(self.bins) + 1)
            bin_ = Bin()
            self.bins.append(bin_)
            self.open.append(bin_)
        bin_.usage = total(bin_.usage, usage)
        bin_.slices.append(item)
        if bin_.usage[0] == self.limits[0]:
            self.open.remove(bin_)
        elif len(self.open) > max(OPEN, self.spread):
            self.open.remove(max(self.open, key=self._fill))

    def _fill(self, bin_: Bin) -> float:
        used: NDArray[np.float64] = np.array(bin_.usage[:4], dtype=np.float64) / self._scale[:4]
        return float(used.max())

    @property
    def cores(self) -> tuple[CoreUse, ...]:
        """What was packed."""
        return tuple(CoreUse(tuple(bin_.slices), bin_.usage) for bin_ in self.bins if bin_.slices)
