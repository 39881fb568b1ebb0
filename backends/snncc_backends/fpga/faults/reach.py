"""Bits of weights, neurons and breakpoints: what a pass makes of them, and why no input can show some."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_backends.fpga.faults.bounds import Bounds
from snncc_backends.fpga.faults.fire_unit import Neuron, fired
from snncc_backends.fpga.planning.maps import WORD
from snncc_backends.fpga.simulator.runner import PassRunner
from snncc_backends.fpga.tables.tables import Tables
from snncc_ir.tensors import Ints

MOST_SUMS = 1 << 22
"""A neuron with more sums within its bounds is not tried sum by sum: nothing is proved of it."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Change:
    """A pass before and after a bit of its weights, neurons or breakpoints was flipped."""

    before: PassRunner
    after: PassRunner

    @cached_property
    def lanes(self) -> Ints:
        """The lanes (of all blocks) whose numbers differ."""
        return np.flatnonzero(self.weighed | self._neurons)

    @cached_property
    def weighed(self) -> Mask:
        """`[lanes]`: whose weights differ."""
        pairs = zip(self.before.matrices, self.after.matrices, strict=True)
        return np.any([differ(a, b).any(axis=(0, 1)) for a, b in pairs], axis=0)

    @cached_property
    def _neurons(self) -> Mask:
        pairs = zip(self.before.neurons[:2], self.after.neurons[:2], strict=True)
        found = np.any([differ(a, b).any(axis=(0, 1, 2)) for a, b in pairs], axis=0)
        if self.before.is_readout or not self.before.program.widths.table_rows:
            return found
        rows = [_corrections(runner) for runner in (self.before, self.after)]
        return np.asarray(found | differ(*rows).any(axis=(0, 1, 2, 4)))

    @cached_property
    def written(self) -> Mask:
        """`[slots, 1, 1, lanes]`: what leaves the core."""
        d, slots = self.before.d, self.before.program.slots
        word = np.arange(d.blocks * d.group_words * WORD) // WORD
        kept = (word < d.map_words) | d.is_readout
        rows = (np.arange(slots) // d.merge < self.before.shape[1]) | d.is_readout
        return np.asarray(rows[:, None] & kept)[:, None, None]


def differ(a: NDArray[Any], b: NDArray[Any]) -> Mask:
    """Where two arrays differ, which may have one slot, row or column for all."""
    return np.asarray(a != b)


def _corrections(runner: PassRunner) -> Ints:
    """`[slots, rows, columns, lanes, 2**STEPS]`."""
    span = 1 << runner.program.widths.fire_steps
    return np.asarray(runner.program.breaks.reshape(-1)[runner.neurons[2][..., None] + np.arange(span)])


class Reach:
    """Proofs for the tables of sums and levels of one network."""

    def __init__(self, tables: Tables) -> None:
        """Compute the bounds of all passes."""
        self.tables, self.bounds = tables, Bounds(tables)

    def changes(self, table: str, word: int, bit: int) -> Iterator[Change]:
        """The passes whose numbers differ once a bit is flipped."""
        memories = dict(self.tables.memories)
        memories[table] = memories[table].flipped(word, bit)
        for runner in self.bounds.passes:
            change = Change(before=runner, after=runner.with_memories(memories))
            if len(change.lanes):
                yield change

    def why(self, table: str, word: int, bit: int) -> str:
        """Why no input can show a bit; empty where one may."""
        if table == "table_rows" and self._is_outside(word, bit):
            return ""
        found = [self._why(change) for change in self.changes(table, word, bit)]
        return "" if "" in found else next(iter(found), "no neuron has the number")

    def _is_outside(self, word: int, bit: int) -> bool:
        """Whether a flipped row is none of the table: what is then read depends on the memory."""
        row = int(self.tables.memories["table_rows"].values["row"][word, 0])
        return row ^ 1 << bit >= self.tables.widths.table_rows

    def _why(self, change: Change) -> str:
        before, after, lanes = change.before, change.after, change.lanes
        if not change.weighed.any():
            return self._same_levels(change)
        delta = [b - a for a, b in zip(before.matrices, after.matrices, strict=True)]
        moved = self.bounds.sums(before, delta)[..., lanes].any(axis=0) & change.written[..., lanes]
        if not moved.any():
            return "the levels that it is multiplied with are always 0"
        if before.is_readout:
            return ""
        sums = [self.bounds.sums(runner, runner.matrices) for runner in (before, after)]
        low, high = np.minimum(*sums)[0], np.maximum(*sums)[1]
        levels = before.levels(np.stack([low, high]))[..., lanes]
        varies = (moved & (levels[0] != levels[1])).any()
        return "" if varies else "the level is the same for all sums in bounds"

    def _same_levels(self, change: Change) -> str:
        before, after = change.before, change.after
        written = np.broadcast_to(change.written, self._shape(before))[..., change.lanes]
        if before.is_readout:
            differs = differ(before.neurons[1], after.neurons[1])
            shown = (written & np.broadcast_to(differs, self._shape(before))[..., change.lanes]).any()
            return "" if shown else "a readout has no threshold"
        if any(self._may_show(*case, before) for case in self.cases(change)):
            return ""
        return "no sum in bounds has another level"

    def _shape(self, runner: PassRunner) -> tuple[int, ...]:
        return self.bounds.sums(runner, runner.matrices).shape[1:]

    def cases(self, change: Change) -> dict[tuple[Neuron, Neuron, int, int], list[int]]:
        """Places of every different (neuron, the same flipped, least and greatest sum) that is written."""
        bounds = self.bounds.sums(change.before, change.before.matrices).astype(np.int64)
        shape, lanes = bounds.shape[1:], change.lanes
        written = np.broadcast_to(change.written, shape)[..., lanes]
        places = np.arange(written[..., :1].size)[:, None] * shape[-1] + lanes
        pairs = [neurons_of(runner, written.shape, lanes) for runner in (change.before, change.after)]
        low, high = (part[..., lanes].reshape(-1).tolist() for part in bounds)
        found: dict[tuple[Neuron, Neuron, int, int], list[int]] = {}
        rows = zip(*pairs, low, high, places.reshape(-1).tolist(), written.reshape(-1).tolist(), strict=True)
        for *case, place, kept in rows:
            if kept:
                found.setdefault(tuple(case), []).append(place)
        return found

    def _may_show(self, before: Neuron, after: Neuron, low: int, high: int, runner: PassRunner) -> bool:
        if high - low >= MOST_SUMS:
            return True
        sums, widths, top = np.arange(low, high + 1), self.tables.widths, runner.d.top
        return bool((fired(before, sums, widths, top) != fired(after, sums, widths, top)).any())


def neurons_of(runner: PassRunner, shape: tuple[int, ...], lanes: Ints) -> list[Neuron]:
    """The neurons of every position and of some lanes, in order."""
    parts = [np.broadcast_to(part[..., lanes], shape).reshape(-1) for part in runner.neurons[:2]]
    theta, bias = (part.tolist() for part in parts)
    found = [Neuron(theta=a, bias=b) for a, b in zip(theta, bias, strict=True)]
    if not runner.program.widths.table_rows:
        return found
    rows = _corrections(runner)[..., lanes, :]
    spread = np.broadcast_to(rows, (*shape, rows.shape[-1])).reshape(len(found), -1).tolist()
    return [replace(n, corrections=tuple(row)) for n, row in zip(found, spread, strict=True)]
