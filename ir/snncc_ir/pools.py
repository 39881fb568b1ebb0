"""Max-pooling on spikes: a gate that passes on the train of the greatest level (ir/SPEC.md, section 5)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_ir.codes import Code
from snncc_ir.linear import wire
from snncc_ir.nodes import MaxPool

Array = NDArray[Any]


class PoolGate:
    """The gate of one max-pool node in one window of a phased code."""

    def __init__(self, node: MaxPool, code: Code) -> None:
        """A gate at the start of a window: every member is alive, none has fired."""
        self.node, self.code = node, code
        self.alive: Array | None = None
        self.fell: Array | None = None
        self.done: Array | None = None

    def step(self, spikes: Array) -> Array:
        """Spikes `[N, C, H, W]` of the source in, spikes `[N, C, H', W']` of the pool out."""
        match self.code:
            case Code.RADIX:
                return self._first_difference(spikes)
            case Code.TTFS:
                return self._first_rise_or_last_fall(spikes)
            case _:
                return wire(self.node, spikes)

    def _members(self, values: Array, fill: int) -> Array:
        """The members of every window, `[taps, N, C, H', W']`; padding is `fill`."""
        padded = np.pad(values, ((0, 0), (0, 0), *self.node.padding), constant_values=fill)
        bare = replace(self.node, padding=((0, 0), (0, 0)))
        rows, columns = self.node.kernel
        (out_rows, out_columns) = wire(bare, padded).shape[2:]
        down, right = self.node.stride
        return np.stack(
            [
                padded[
                    :,
                    :,
                    r : r + down * (out_rows - 1) + 1 : down,
                    c : c + right * (out_columns - 1) + 1 : right,
                ]
                for r in range(rows)
                for c in range(columns)
            ]
        )

    def _first_difference(self, spikes: Array) -> Array:
        """Most significant first: o = max over the members still alive, which are those that kept up."""
        members = self._members(spikes, 0)
        if self.alive is None:
            self.alive = self._members(np.ones_like(spikes), 0).astype(bool)
        lowest = np.iinfo(members.dtype).min
        best = np.where(self.alive, members, lowest).max(axis=0)
        self.alive &= members == best
        return np.asarray(best)

    def _first_rise_or_last_fall(self, spikes: Array) -> Array:
        """+1 at the first +1 of any member, -1 once all members have fired -1."""
        members = self._members(spikes, 0)
        if self.fell is None or self.done is None:
            self.fell = ~self._members(np.ones_like(spikes), 0).astype(bool)
            self.done = np.zeros(members.shape[1:], dtype=bool)
        rise = (members > 0).any(axis=0) & ~self.done
        self.fell |= members < 0
        fall = self.fell.all(axis=0) & ~self.done
        self.done |= rise | fall
        return rise.astype(np.int64) - fall
