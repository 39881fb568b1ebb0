"""Max-pooling on spikes: a gate without neurons that passes on the train of the greatest level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from numerics.linear import Shape, taps
from numerics.strand import RADIX, TTFS, Ints

LOWEST = np.iinfo(np.int32).min
"""Less than any spike: the padding, which never wins, and members that are out of the race."""


class PoolGate:
    """The gate of one max-pool; padding takes no part."""

    def __init__(self, code: str, source: Shape, record: Mapping[str, Any]) -> None:
        """A gate for spikes of shape `source`, sent by `code`."""
        (top, bottom), (left, right) = record["padding"]
        channels, height, width = source
        self._code = code
        padded = np.full((channels, height + top + bottom, width + left + right), LOWEST, np.int32)
        self._inside = padded[:, top : top + height, left : left + width]
        self._members = taps(padded, record["kernel"], record["stride"])
        self.shape = self._members.shape[:1] + self._members.shape[3:]
        self.load()

    def load(self) -> None:
        """Start a window: every member is in the race, none has fired."""
        self._alive = np.ones(self._members.shape, bool)
        self._fell = np.zeros(self._members.shape, bool)
        self._done = np.zeros(self.shape, bool)

    def step(self, spikes: Ints) -> Ints:
        """Spikes of the pool for its source's spikes of this step."""
        self._inside[...] = spikes
        if self._code == RADIX:
            return self._first_difference()
        if self._code == TTFS:
            return self._first_rise_or_last_fall()
        return np.asarray(self._members.max(axis=(1, 2)))

    def _first_difference(self) -> Ints:
        """Most significant first: the greatest spike of the members that kept up with every earlier one."""
        members = np.where(self._alive, self._members, LOWEST)
        best: Ints = members.max(axis=(1, 2))
        self._alive &= members == best[:, None, None]
        return best

    def _first_rise_or_last_fall(self) -> Ints:
        """+1 at the first +1 of any member, -1 once all have fired -1, as padding has from the start."""
        rise = (self._members > 0).any(axis=(1, 2)) & ~self._done
        self._fell |= self._members < 0
        fall = self._fell.all(axis=(1, 2)) & ~self._done
        self._done |= rise | fall
        return rise.astype(np.int32) - fall
