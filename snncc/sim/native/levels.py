"""The native engine for levels: one integer inference, and the spikes counted in the same pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.sim.native.level_program import LevelLowering
from snncc.sim.native.library import Span, span, threads
from snncc.sim.native.program import codes_of, levels_of
from snncc_ir.codes import Code
from snncc_ir.costs import Counter, Counts
from snncc_ir.graph import Graph
from snncc_ir.nodes import Input
from snncc_ir.semantics import check_values
from snncc_ir.types import Levels

Array = NDArray[Any]

MODES = {Code.GRADED: 1, Code.TTFS: 1, Code.COUNT: 2, Code.RADIX: 4}
"""How the library counts the spikes of each code: nonzero levels, their magnitudes, the ones in those."""


@dataclass(frozen=True)
class _Sums:
    """A slot of counted sums: columns `first` to `end` of all that are counted."""

    slot: int
    first: int
    end: int


class NativeEngine:
    """Levels, drives and costs of an integer graph, exactly as `semantics.evaluate` and `Counter` give them.

    Raises NativeError where the library is missing, or says which node it cannot run.
    """

    def __init__(
        self, graph: Graph, levels: tuple[str, ...] = (), workers: int = 0, counter: Counter | None = None
    ) -> None:
        """Prepare a program for the levels of the named nodes, all readouts and `counter`'s counts."""
        self.graph, self.levels, self.workers = graph, levels, workers or threads()
        self._lowering = LevelLowering(graph)
        self._lowering.all()
        self._inputs = graph.inputs
        self._counter = counter
        self._spikes: dict[str, int] = {}  # the column of every sum
        self._synops: dict[str, int] = {}
        self._sums = self._probes(counter) if counter else ()
        self._kept = dict.fromkeys(levels if self._sums or not counter else (*levels, *counter.values))
        self._exports = {name: self._lowering.export(name) for name in self._kept}

    @property
    def kernels(self) -> str:
        """The instruction set in use."""
        return self._lowering.program.native.kernels

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Values for `inputs[name][N, *shape]`: levels in a narrow integer type, drives as int64."""
        return self.run_counted(inputs)[0]

    def run_counted(self, inputs: Mapping[str, Array]) -> tuple[dict[str, Array], Counts | None]:
        """The same, and the counts of these images."""
        feed: dict[int, Array] = {}
        for node in self._inputs:
            slots, levels = self._lowering.inputs[node.name], self.graph.levels(node.name)
            codes = codes_of(checked(node, inputs[node.name], levels), levels)
            feed |= dict(zip(slots, codes, strict=True))
        count = len(next(iter(feed.values())))
        found = self._outputs(count)
        sums = np.empty(count * (self._sums[-1].end if self._sums else 0), np.int64)
        spans = {slot: span(array) for slot, array in found.items()} | self._places(sums, count)
        self._lowering.program.run(
            [span(feed[slot]) for slot in sorted(feed)],
            [spans[slot] for slot in sorted(spans)],
            count,
            self.workers,
        )
        values = {
            name: levels_of((found[slot] for slot in slots), self.graph.levels(name))
            for name, slots in self._exports.items()
        }
        counts = self._counts(sums, count, values)
        drives = {name: found[slot] for name, slot in self._lowering.readouts.items()}
        return {**{name: values[name] for name in self.levels}, **drives}, counts

    def _outputs(self, count: int) -> dict[int, Array]:
        found: dict[int, Array] = {}
        for name, slots in self._exports.items():
            for slot in slots:
                found[slot] = np.empty((count, *self.graph.types[name].shape), np.uint8)
        for name, slot in self._lowering.readouts.items():
            found[slot] = np.empty((count, *self.graph.types[name].shape), np.int64)
        return found

    def _places(self, sums: Array, count: int) -> dict[int, Span]:
        """Where each slot's sums go: one slot behind the other, an image in each row."""
        base, _ = span(sums)
        row = count * sums.itemsize
        return {own.slot: (base + own.first * row, (own.end - own.first) * row) for own in self._sums}

    def _probes(self, counter: Counter) -> tuple[_Sums, ...]:
        """Probes for all counts; none where a value mixes codes or has more than 8 bits: levels tell then."""
        stored, strands = self._lowering.stored, self.graph.strands
        if any(len(strands[name]) > 1 or len(stored[name].planes) > 1 for name in counter.values):
            return ()
        found: list[_Sums] = []
        end = 0
        for name in counter.values:
            spikes = [probe for probe in counter.spikes if probe.value == name]
            synops = [probe for probe in counter.synops if probe.value == name]
            fans = [stored[name].by_position(probe.factor) for probe in (*spikes, *synops)]
            columns = np.ascontiguousarray(np.stack(fans, axis=1), dtype=np.int64)
            mode = MODES[strands[name][0].code]
            slot = self._lowering.program("probe", stored[name].planes[0].buffer, mode, columns, len(fans))
            self._spikes |= {probe.owner: end + at for at, probe in enumerate(spikes)}
            self._synops |= {probe.owner: end + len(spikes) + at for at, probe in enumerate(synops)}
            found.append(_Sums(slot, end, end + len(fans)))
            end += len(fans)
        return tuple(found)

    def _counts(self, sums: Array, count: int, values: Mapping[str, Array]) -> Counts | None:
        if self._counter is None:
            return None
        if not self._sums:
            return self._counter.count(values)
        totals = sums.tolist() if count == 1 else self._totals(sums, count)
        return Counts(
            {name: totals[column] for name, column in self._spikes.items()},
            {name: totals[column] for name, column in self._synops.items()},
        )

    def _totals(self, sums: Array, count: int) -> list[int]:
        totals: list[int] = []
        for own in self._sums:
            rows = sums[own.first * count : own.end * count].reshape(count, own.end - own.first)
            totals += rows.sum(axis=0).tolist()
        return totals


def checked(node: Input, x: Array, levels: Levels) -> Array:
    """Levels of an input that are in range; pixels of the right shape cannot be wrong."""
    if x.dtype == np.uint8 and x.shape[1:] == levels.shape and (levels.lo, levels.hi) == (0, 255):
        return x
    check_values(node, x)
    return x
