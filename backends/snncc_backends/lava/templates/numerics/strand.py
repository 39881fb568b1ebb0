"""The format of a spike train, and the clock that all processes share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]

GRADED, RADIX, COUNT, TTFS = "graded", "radix", "count", "ttfs"


@dataclass(frozen=True)
class Strand:
    """A train that sends one level of lo..hi by `code`, in window `slot` after its image entered.

    The train takes `window` steps; the rest of the network's window it is silent.
    """

    code: str
    lo: int
    hi: int
    slot: int
    window: int

    @property
    def top(self) -> int:
        """Greatest magnitude of a level, which bounds every payload."""
        return max(self.hi, -self.lo)

    def magnitude(self, step: int) -> int:
        """Levels that a spike of `step` stands for (`graded` sends the level itself)."""
        if self.code == RADIX:
            return 1 << (self.window - 1 - step)
        return self.window - step if self.code == TTFS else 1

    def may_rise(self, step: int) -> bool:
        """Whether a positive spike is possible in `step`."""
        if self.code == COUNT:
            return step < self.hi
        return self.magnitude(step) <= self.hi if self.code == TTFS else self.hi > 0

    def may_fall(self, step: int) -> bool:
        """Whether a negative spike is possible in `step`."""
        if self.code == COUNT:
            return step < -self.lo
        return self.magnitude(step) <= -self.lo if self.code == TTFS else self.lo < 0


@dataclass(frozen=True)
class Clock:
    """The phases: time step 1 of Lava is step 0 of window 0, and every window has `window` steps."""

    window: int

    def at(self, time_step: int) -> tuple[int, int]:
        """Window and step of one of Lava's time steps."""
        return divmod(time_step - 1, self.window)
