"""The fast engine for streaming codes: layer by layer, every layer through all of its steps at once.

A streaming graph has no cycles, so a population's spikes in all steps depend on its sources' spikes alone.
Each layer's drives of many steps are one convolution, in float32 where that is exact, and only steps in
which an image sends something are computed. The integers are those of `snncc_ir.streaming`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.sim.drives import DriveMaps
from snncc.sim.firing import LeakyMembrane, Membrane, RateMembrane, StbifMembrane, TableMembrane
from snncc.sim.trains import SPIKE, Trains, added, by_step, held, joined, padded, per_image, pooled
from snncc_ir.certificates import certify_widths
from snncc_ir.codes import Code, Strand
from snncc_ir.costs import Counts, fan_out
from snncc_ir.errors import GraphError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Leaky, Staircase, Table, per_channel
from snncc_ir.nodes import AnyNode, Concat, Input, Linear, MaxPool, Population, Readout, Scale
from snncc_ir.semantics import check_input
from snncc_ir.streaming import settle_bound
from snncc_ir.timing import Phased, Rate

Array = NDArray[Any]

CHUNK = 1 << 22
"""Drives that are held at once."""

HELD = 1 << 28
"""Spikes of one value that are held at once; more images than that allows are run in turn."""

LIKELY_STEPS = 512
"""Steps that a `stbif` network rarely exceeds, whatever its bound."""


@dataclass(frozen=True)
class StreamBatch:
    """What T steps made of N images.

    `counts[name][N, *shape]` are the signed sums of the spikes of inputs, populations and outputs that are
    wiring, `outputs[name][T, N, *shape]` each readout's drive after every step, `settled[N]` the steps
    after which nothing happened any more, `spikes[name][T, N]` and `synops[name][T, N]` what every sender
    and every linear node cost in each step.
    """

    counts: Mapping[str, Array]
    outputs: Mapping[str, Array]
    settled: Array
    spikes: Mapping[str, Array]
    synops: Mapping[str, Array]

    @property
    def costs(self) -> Counts:
        """The costs of all steps and images."""
        return Counts(
            {name: int(values.sum()) for name, values in self.spikes.items()},
            {name: int(values.sum()) for name, values in self.synops.items()},
        )


class StreamEngine:
    """Runs an integer graph with a streaming code; the drive maps are shared by all batches."""

    def __init__(self, graph: Graph) -> None:
        """Prepare the widths in which potentials are held."""
        if isinstance(graph.timing, Phased) or not graph.is_integer:
            raise GraphError(
                "only an integer graph with a streaming code runs step by step", where=graph.name
            )
        self.graph = graph
        self.drives = DriveMaps()
        self.types = {name: _state_type(width.bits) for name, width in certify_widths(graph).items()}
        self.group, self.last_reads = _group_size(graph), _last_reads(graph)
        self.counted = {*(node.name for node in graph.inputs), *graph.reported}
        self.fan_outs = {node.name: fan_out(node, graph.types[node.source].shape) for node in graph.linears}

    def run(self, inputs: Mapping[str, Array]) -> StreamBatch:
        """Run images `inputs[name][N, *shape]`, given as levels."""
        images = len(next(iter(inputs.values())))
        groups = [slice(first, first + self.group) for first in range(0, images, self.group)]
        runs = [self._run({name: x[part] for name, x in inputs.items()}) for part in groups]
        return runs[0] if len(runs) == 1 else together(runs)

    def _run(self, inputs: Mapping[str, Array]) -> StreamBatch:
        batch = _Batch(self, inputs)
        for node in self.graph.nodes:
            batch.visit(node)
            batch.finish(node)
        return batch.result()


def _group_size(graph: Graph) -> int:
    """Images that may be run together."""
    timing = graph.timing
    steps = timing.steps if isinstance(timing, Rate) else min(settle_bound(graph), LIKELY_STEPS)
    largest = max(int(np.prod(value.shape)) for value in graph.types.values())
    return max(1, HELD // (steps * largest))


def _last_reads(graph: Graph) -> dict[str, list[str]]:
    """For each node the values that nothing after it reads; a linear node reads when its reader does."""
    last: dict[str, str] = {}
    for node in graph.nodes:
        for name in node.sources:
            source = graph.by_name[name]
            last[source.source if isinstance(source, Linear) else name] = node.name
    found: dict[str, list[str]] = {}
    for name, reader in last.items():
        found.setdefault(reader, []).append(name)
    return found


def together(runs: Sequence[StreamBatch]) -> StreamBatch:
    """Runs of different images as one; what has ended keeps its drives and costs nothing more."""
    steps = max(len(next(iter(run.spikes.values()))) for run in runs)

    def over(name: str, costs: Sequence[Mapping[str, Array]]) -> Array:
        return np.concatenate([padded(part[name], steps) for part in costs], axis=1)

    first = runs[0]
    return StreamBatch(
        counts={name: np.concatenate([run.counts[name] for run in runs]) for name in first.counts},
        outputs={
            name: np.concatenate([held(run.outputs[name], steps) for run in runs], axis=1)
            for name in first.outputs
        },
        settled=np.concatenate([run.settled for run in runs]),
        spikes={name: over(name, [run.spikes for run in runs]) for name in first.spikes},
        synops={name: over(name, [run.synops for run in runs]) for name in first.synops},
    )


def _state_type(bits: int) -> type[np.generic]:
    """Narrowest type in which sums of this certified width are exact, and quick."""
    if bits <= 24:
        return np.float32
    return np.int32 if bits <= 32 else np.int64


@dataclass
class _Batch:
    engine: StreamEngine
    inputs: Mapping[str, Array]
    values: dict[str, Trains] = field(default_factory=dict)
    drives: dict[str, list[Array]] = field(default_factory=dict)
    fired: dict[str, Array] = field(default_factory=dict)
    passed: dict[str, Array] = field(default_factory=dict)
    counts: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.graph = self.engine.graph
        timing = self.graph.timing
        self.rate = timing if isinstance(timing, Rate) else None
        self.images = len(next(iter(self.inputs.values())))

    def visit(self, node: AnyNode) -> None:
        """Compute the spikes of one node in all steps, or the drive of a readout after each."""
        match node:
            case Input():
                levels = check_input(node, self.inputs[node.name])
                self.values[node.name] = {self.graph.strand(node.name): levels[None]}
            case Population():
                self.values[node.name] = {self.graph.strand(node.name): self._fire(node)}
            case Readout():
                self.drives[node.name] = self._read(node)
            case MaxPool():
                self.values[node.name] = {s: pooled(node, x) for s, x in self.values[node.source].items()}
            case Concat():
                shapes = [self.graph.types[part].shape for part in node.parts]
                self.values[node.name] = joined(node, [self.values[part] for part in node.parts], shapes)
            case Linear():
                pass
            case _:
                trains = self.values[node.sources[0]].items()
                self.values[node.name] = {s: by_step(node, x) for s, x in trains}

    def _fire(self, node: Population) -> Array:
        membrane = self._membrane(node)
        last = self._steps(node)
        fired = []
        for step, drive in enumerate(self._drive(node, last)):
            fired.append(membrane.step(drive).astype(SPIKE))
            if step >= last - 1 and (self.rate or not fired[-1].any()):
                break
        return np.stack(fired)

    def _membrane(self, node: Population) -> Membrane:
        shape, kind = (self.images, *self.graph.types[node.name].shape), self.engine.types[node.name]
        match node.neuron:
            case Staircase() as neuron if self.rate:
                return RateMembrane(neuron, self.rate.reset, shape, kind)
            case Staircase() as neuron:
                return StbifMembrane(neuron, shape, kind)
            case Leaky() as neuron:
                return LeakyMembrane(neuron, shape)
            case Table() as neuron:
                return TableMembrane(neuron, shape, kind)
            case _:
                raise GraphError("a real unit sends no spikes", where=node.name)

    def _steps(self, node: Population | Readout) -> int:
        """Steps in which drive can arrive: T, or one more than the sources of a `stbif` neuron send in."""
        if self.rate:
            return self.rate.steps
        sources = (projection.source for projection in self.graph.projections(node))
        return 1 + max(len(train) for name in sources for train in self.values[name].values())

    def _read(self, node: Readout) -> list[Array]:
        shape = self.graph.types[node.name].shape
        bias = node.bias.spread(shape).astype(np.int64)
        total = np.zeros((self.images, *shape), dtype=np.int64) + (0 if self.rate else bias)
        last, found = self._steps(node), []
        for step, drive in enumerate(self._drive(node, last)):
            if step == last:
                break
            if drive is not None:
                total = total + drive.astype(np.int64)
            total = total + bias if self.rate else total
            found.append(total)
        return found

    def _drive(self, node: Population | Readout, last: int) -> Iterator[Array | None]:
        """The drive that arrives in each step, in the node's own type; None, for ever, once none can."""
        kind = self.engine.types[node.name]
        size = self.images * int(np.prod(self.graph.types[node.name].shape))
        chunk = max(1, CHUNK // size)
        delay = 0 if self.rate else 1
        lasting = self._lasting(node, kind) if self.rate else None
        if delay:
            yield None
        for first in range(0, last - delay, chunk):
            parts = self._chunk(node, slice(first, min(first + chunk, last - delay)), kind)
            for step in range(min(chunk, last - delay - first)):
                moving = None if parts is None else parts[step]
                if moving is not None and lasting is not None:
                    moving = moving + lasting
                yield lasting if moving is None else moving
        while True:
            yield None

    def _lasting(self, node: Population | Readout, kind: type[np.generic]) -> Array | None:
        """The drive of a `rate` graph's inputs, which is the same in every step."""
        total: Array | None = None
        for projection in self.graph.projections(node):
            for strand, train in self.values[projection.source].items():
                if strand.code is not Code.RATE:
                    part = self.engine.drives.floats(projection, train[0]).astype(kind)
                    total = part if total is None else total + part
        return total

    def _chunk(self, node: Population | Readout, steps: slice, kind: type[np.generic]) -> Array | None:
        """The drive of some steps' spikes, `[steps, N, *shape]`; None where there are none."""
        total: Array | None = None
        for projection in self.graph.projections(node):
            for strand, train in self.values[projection.source].items():
                if self.rate and strand.code is not Code.RATE:
                    continue
                part = self._project(projection, train[steps], strand, kind)
                if part is None:
                    continue
                if total is None:
                    total = np.zeros(
                        (steps.stop - steps.start, self.images, *self.graph.types[node.name].shape), kind
                    )
                total[: len(part)] += part
        return total

    def _project(self, node: Linear, spikes: Array, strand: Strand, kind: type[np.generic]) -> Array | None:
        """W s, with W_r = W * L of a `rate` source, computed where an image sends something."""
        flat = spikes.reshape(-1, *spikes.shape[2:])
        sends = flat.any(axis=tuple(range(1, flat.ndim)))
        if not sends.any():
            return None
        some = self._apply(node, flat if sends.all() else flat[sends], kind)
        if strand.code is Code.RATE and strand.top != 1:
            some *= np.array(strand.top, kind)
        if sends.all():
            return some.reshape(*spikes.shape[:2], *some.shape[1:])
        full = np.zeros((len(flat), *some.shape[1:]), kind)
        full[sends] = some
        return full.reshape(*spikes.shape[:2], *some.shape[1:])

    def _apply(self, node: Linear, spikes: Array, kind: type[np.generic]) -> Array:
        if isinstance(node, Scale):  # its certified drive fits `kind`, however wide the multiplier
            return spikes * per_channel(node.weight.data, spikes.ndim - 1).astype(kind)
        return self.engine.drives.floats(node, spikes).astype(kind, copy=False)

    def finish(self, node: AnyNode) -> None:
        """Count what the node has sent, and drop the trains that no later node reads."""
        if node.name in self.values:
            sent = {strand: train != 0 for strand, train in self.values[node.name].items()}
            if isinstance(node, Input | Population):
                self.fired[node.name] = self._lasting_over(sent, per_image)
            if node.name in self.engine.counted:
                self.counts[node.name] = self._count(node.name)
            for reader in self.graph.readers[node.name]:
                if isinstance(reader, Linear):
                    weights = self.engine.fan_outs[reader.name]
                    counter = partial(per_image, weights=weights)
                    self.passed[reader.name] = self._lasting_over(sent, counter)
        for name in self.engine.last_reads.get(node.name, ()):
            self.values.pop(name, None)

    def _lasting_over(self, sent: Trains, counter: Callable[[Array], Array]) -> Array:
        """What spikes count as, `[t, N]`: the input of a `rate` graph in every step."""
        parts = []
        for strand, spikes in sent.items():
            counted = counter(spikes)
            lasting = self.rate is not None and strand.code is not Code.RATE
            parts.append(np.repeat(counted, self.rate.steps, axis=0) if lasting and self.rate else counted)
        return added(parts)

    def _count(self, name: str) -> Array:
        """The signed sum of a value's spikes over all steps."""
        total = np.zeros((self.images, *self.graph.types[name].shape), dtype=np.int64)
        for strand, train in self.values[name].items():
            times = self.rate.steps if self.rate and strand.code is not Code.RATE else 1
            total += train.sum(axis=0, dtype=np.int64) * times
        return total

    def result(self) -> StreamBatch:
        """Everything that was recorded, over the steps that the slowest image took."""
        events = added([(values > 0).astype(np.int64) for values in self.fired.values()]) > 0
        last = len(events) - np.argmax(events[::-1], axis=0)
        settled = np.where(events.any(axis=0), last, 0)
        steps = self.rate.steps if self.rate else max(int(settled.max()), 1) + 1
        return StreamBatch(
            counts=self.counts,
            outputs={name: held(np.stack(drives), steps) for name, drives in self.drives.items()},
            settled=settled,
            spikes={name: padded(values, steps) for name, values in self.fired.items()},
            synops={node.name: padded(self.passed[node.name], steps) for node in self.graph.linears},
        )
