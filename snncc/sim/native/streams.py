"""The native engine for streaming codes: all steps of an image, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.sim.native.levels import checked
from snncc.sim.native.library import threads
from snncc.sim.native.program import codes_of
from snncc.sim.native.stream_program import StreamLowering
from snncc.sim.streams import StreamBatch, together
from snncc_ir.costs import fan_out, spread
from snncc_ir.errors import GraphError
from snncc_ir.graph import Graph
from snncc_ir.streaming import settle_bound
from snncc_ir.timing import Phased

Array = NDArray[Any]

FIRST_STEPS = 240
"""Steps that a `stbif` network is given; where that is not enough it gets twice as many, and so on."""

RECORDED = 1 << 24
"""Numbers that are recorded at once; more images than that allows are run in turn."""

NONZERO = 1


@dataclass(frozen=True)
class _Probe:
    """Where a value's spikes are counted: those it sends, if it is a sender, then those of linear nodes."""

    slot: int
    value: str
    sender: bool
    linears: tuple[str, ...]

    @property
    def columns(self) -> int:
        return self.sender + len(self.linears)


class NativeStreamEngine:
    """What `StreamEngine` gives, to the last integer; without `counts` if none are wanted: they are large.

    Raises NativeError where the library is missing, or says which node it cannot run.
    """

    def __init__(self, graph: Graph, workers: int = 0, *, with_counts: bool = True) -> None:
        """Prepare the program."""
        if isinstance(graph.timing, Phased) or not graph.is_integer:
            raise GraphError(
                "only an integer graph with a streaming code runs step by step", where=graph.name
            )
        self.graph, self.workers, self.with_counts = graph, workers or threads(), with_counts
        self._lowering = StreamLowering(graph)
        self._lowering.all()
        self._probes = tuple(self._probe(name) for name in self._lowering.stored if self._is_counted(name))

    def run(self, inputs: Mapping[str, Array]) -> StreamBatch:
        """Run images `inputs[name][N, *shape]`, given as levels."""
        images = len(next(iter(inputs.values())))
        rate = self._lowering.rate
        steps = rate.steps if rate else min(settle_bound(self.graph) + 1, FIRST_STEPS)
        group = max(1, RECORDED // (steps * self._row()))
        parts = [slice(first, first + group) for first in range(0, images, group)]
        runs = [self._run({name: x[part] for name, x in inputs.items()}, steps) for part in parts]
        return runs[0] if len(runs) == 1 else together(runs)

    def _row(self) -> int:
        """Numbers that one step of one image gives."""
        drives = (int(np.prod(self.graph.types[name].shape)) for name in self._lowering.readouts)
        return sum(probe.columns for probe in self._probes) + sum(drives)

    def _is_counted(self, name: str) -> bool:
        senders = (*self.graph.inputs, *self.graph.populations)
        return any(node.name == name for node in senders) or any(n.source == name for n in self.graph.linears)

    def _probe(self, name: str) -> _Probe:
        shape = self.graph.types[name].shape
        sender = any(node.name == name for node in (*self.graph.inputs, *self.graph.populations))
        linears = [node for node in self.graph.linears if node.source == name]
        factors = [np.ones(1, np.int64)] * sender + [fan_out(node, shape) for node in linears]
        stored = self._lowering.stored[name]
        fans = [stored.by_position(factor) for factor in factors]
        columns = np.ascontiguousarray(np.stack(fans, axis=1), dtype=np.int64)
        slot = self._lowering.program("probe", stored.buffers.low, NONZERO, columns, len(fans))
        return _Probe(slot, name, sender, tuple(node.name for node in linears))

    def _run(self, inputs: Mapping[str, Array], steps: int) -> StreamBatch:
        feed = {}
        levels = {}
        for node in self.graph.inputs:
            own = self.graph.levels(node.name)
            levels[node.name] = checked(node, inputs[node.name], own)
            (feed[self._lowering.inputs[node.name][0]],) = codes_of(levels[node.name], own)
        count = len(next(iter(feed.values())))
        rate, taken = self._lowering.rate, np.array([-1])
        while (taken < 0).any():
            found = self._outputs(count, steps)
            taken = self._lowering.program.run_stream(
                [feed[slot] for slot in sorted(feed)], [found[slot] for slot in sorted(found)], steps,
                until_silent=rate is None, workers=self.workers,
            )  # fmt: skip
            steps = steps if (taken >= 0).all() else 2 * steps
        return self._result(levels, found, taken)

    def _outputs(self, count: int, steps: int) -> dict[int, Array]:
        found: dict[int, Array] = {}
        for name, slot in self._lowering.sums.items():
            shape = (count, *self.graph.types[name].shape) if self.with_counts else (0,)
            found[slot] = np.empty(shape, np.int32)
        for name, slot in self._lowering.readouts.items():
            found[slot] = np.zeros((count, steps, *self.graph.types[name].shape), np.int64)
        for probe in self._probes:
            found[probe.slot] = np.zeros((count, steps, probe.columns), np.int64)
        return found

    def _result(self, levels: Mapping[str, Array], found: Mapping[int, Array], taken: Array) -> StreamBatch:
        fired, passed = self._costs(found)
        events = np.any([values > 0 for values in fired.values()], axis=0)
        last = len(events) - np.argmax(events[::-1], axis=0)
        settled = np.where(events.any(axis=0), last, 0)
        rate = self._lowering.rate
        steps = rate.steps if rate else max(int(settled.max()), 1) + 1
        return StreamBatch(
            counts=self._counts(levels, found) if self.with_counts else {},
            outputs={
                name: _held(found[slot], taken, steps) for name, slot in self._lowering.readouts.items()
            },
            settled=settled,
            spikes={name: values[:steps] for name, values in fired.items()},
            synops={node.name: passed[node.name][:steps] for node in self.graph.linears},
        )

    def _costs(self, found: Mapping[int, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
        """Spikes `[T, N]` by sender and synaptic operations by linear node."""
        fired, passed = {}, {}
        for probe in self._probes:
            rows = np.moveaxis(found[probe.slot], 0, 1)
            if self._lowering.is_lasting(probe.value):
                rows = np.broadcast_to(rows[:1], rows.shape)
            if probe.sender:
                fired[probe.value] = rows[:, :, 0]
            for column, name in enumerate(probe.linears, start=int(probe.sender)):
                passed[name] = rows[:, :, column]
        return fired, passed

    def _counts(self, levels: Mapping[str, Array], found: Mapping[int, Array]) -> dict[str, Array]:
        """Signed sums of the spikes; wiring and pools do to sums what they do to spikes."""
        repeats = self._lowering.rate.steps if self._lowering.rate else 1
        sums = {name: x.astype(np.int64) * repeats for name, x in levels.items()}
        sums |= {name: found[slot].astype(np.int64) for name, slot in self._lowering.sums.items()}
        every = spread(self.graph, sums)
        return {name: every[name] for name in (*levels, *self.graph.reported)}


def _held(drives: Array, taken: Array, steps: int) -> Array:
    """Drives `[T, N, ...]` after each step; the last one of every image stays."""
    last = np.minimum(np.arange(steps)[:, None], taken - 1)
    return np.asarray(drives[np.arange(len(taken)), last])
