"""Breakpoints in memory: the corrections of tabled neurons as the stages of the fire units look them up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from snncc_ir.tensors import Ints, signed_bits


@dataclass(frozen=True)
class Breaks:
    """`rows[neuron words]` says which row of `table[rows, groups, 2**steps]` holds a word's corrections.

    Row 0 is all zeros, the row of evenly spaced thresholds; equal rows are one. Without tables there is none.
    """

    rows: Ints
    table: Ints

    @property
    def bits(self) -> int:
        """Width of a correction."""
        return signed_bits(self.table) if self.table.size else 1

    def stage(self, number: int, group: int) -> Ints:
        """What a group's stage reads at row * 2**number + the bits found so far, the highest first."""
        span = self.table.shape[2]
        step = span >> number
        return np.asarray(self.table[:, group, step // 2 :: step].reshape(-1))


def find_breaks(corrections: Iterable[Ints], steps: int, *, always: bool = False) -> Breaks:
    """The rows of all neuron words `[words, groups, levels - 1]`, pass by pass.

    `always` gives row 0 even where there are no corrections.
    """
    parts = [_padded(part, steps) for part in corrections]
    whole = np.concatenate(parts)
    if not whole.any() and not always:
        return Breaks(np.zeros(len(whole), dtype=np.int64), whole[:0])
    zero = np.zeros((1, *whole.shape[1:]), dtype=np.int64)
    known = {zero.tobytes(): 0}
    rows = np.array([known.setdefault(word.tobytes(), len(known)) for word in whole])
    table = np.frombuffer(b"".join(known), dtype=np.int64).reshape(-1, *whole.shape[1:])
    return Breaks(rows, table)


def _padded(part: Ints, steps: int) -> Ints:
    """Entry q is the correction of q; what lies above the greatest level repeats the last."""
    found = np.zeros((*part.shape[:2], 1 << steps), dtype=np.int64)
    top = part.shape[2]
    if top:
        found[..., 1 : top + 1] = part
        found[..., top + 1 :] = part[..., -1:]
    return found
