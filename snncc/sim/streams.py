"""The fast engine for streaming codes: layer by layer, every layer through all of its steps at once.

A streaming graph has no cycles, so a population's spikes in all steps depend on its sources' spikes alone.
Each layer's drives of many steps are one convolution, in float32 where that is exact, and only steps in
which an image sends something are computed. The integers are those of `snncc_ir.streaming`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.sim.drives import DriveMaps
from snncc.sim.firing import Membrane, RateMembrane, StbifMembrane
from snncc_ir.certificates import certify_widths
from snncc_ir.codes import Code, Strand
from snncc_ir.costs import Counts, fan_out
from snncc_ir.errors import GraphError
from snncc_ir.graph import Graph
from snncc_ir.linear import wire
from snncc_ir.neurons import Staircase, per_channel
from snncc_ir.nodes import AnyNode, Concat, Input, Linear, MaxPool, Population, Readout, Scale, Wiring
from snncc_ir.semantics import check_input
from snncc_ir.timing import Phased, Rate

Array = NDArray[Any]

SPIKE = np.int8
"""Type of a stored spike."""

CHUNK = 1 << 22
"""Drives that are held at once."""

Trains = dict[Strand, Array]
"""Spikes `[T, N, *shape]` by strand, as long as there are any.

An input's train has one step: a `rate` graph repeats it for ever, in a `stbif` graph silence follows.
"""


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
        self.fan_outs = {node.name: fan_out(node, graph.types[node.source].shape) for node in graph.linears}

    def run(self, inputs: Mapping[str, Array]) -> StreamBatch:
        """Run images `inputs[name][N, *shape]`, given as levels."""
        batch = _Batch(self, inputs)
        for node in self.graph.nodes:
            batch.visit(node)
        return batch.result()


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
    events: dict[str, Array] = field(default_factory=dict)

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
                self.values[node.name] = {s: _pool(node, x) for s, x in self.values[node.source].items()}
            case Concat():
                self.values[node.name] = self._join(node)
            case Linear():
                pass
            case _:
                trains = self.values[node.sources[0]].items()
                self.values[node.name] = {s: _by_step(node, x) for s, x in trains}

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
        if not isinstance(node.neuron, Staircase):
            raise GraphError("streaming codes need staircase neurons", where=node.name)
        shape, kind = (self.images, *self.graph.types[node.name].shape), self.engine.types[node.name]
        if self.rate:
            return RateMembrane(node.neuron, self.rate.reset, shape, kind)
        return StbifMembrane(node.neuron, shape, kind)

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

    def _join(self, node: Concat) -> Trains:
        strands = dict.fromkeys(strand for part in node.parts for strand in self.values[part])
        return {strand: self._joined(node, strand) for strand in strands}

    def _joined(self, node: Concat, strand: Strand) -> Array:
        """Every part's train in `strand`, silent where it carries another or has ended."""
        known = [self.values[part].get(strand) for part in node.parts]
        steps = max(len(train) for train in known if train is not None)
        parts = []
        for part, train in zip(node.parts, known, strict=True):
            whole = np.zeros((steps, self.images, *self.graph.types[part].shape), np.int64)
            if train is not None:
                whole[: len(train)] = train
            parts.append(whole)
        return np.concatenate(parts, axis=node.axis + 2)

    # What is reported.

    def result(self) -> StreamBatch:
        """Everything that was recorded, over the steps that the slowest image took."""
        senders = (*self.graph.inputs, *self.graph.populations)
        sent = {node.name: _only(self.values[node.name]) for node in senders}
        happened = {name: _per_image(train != 0) for name, train in sent.items()}
        steps, settled = self._settled(happened)
        counted = (*(node.name for node in self.graph.inputs), *self.graph.reported)
        return StreamBatch(
            counts={name: self._count(name) for name in counted},
            outputs={name: _held(drives, steps) for name, drives in self.drives.items()},
            settled=settled,
            spikes={name: self._over(values, name, steps) for name, values in happened.items()},
            synops={node.name: self._synops(node, steps) for node in self.graph.linears},
        )

    def _settled(self, happened: Mapping[str, Array]) -> tuple[int, Array]:
        """Number of steps, and each image's last step with an event, plus one."""
        longest = max(len(values) for values in happened.values())
        steps = self.rate.steps if self.rate else longest
        events = np.zeros((steps, self.images), dtype=bool)
        for name, values in happened.items():
            events |= self._over(values, name, steps) > 0
        last = steps - np.argmax(events[::-1], axis=0)
        settled = np.where(events.any(axis=0), last, 0)
        return (steps if self.rate else max(int(settled.max()), 1) + 1), settled

    def _over(self, values: Array, name: str, steps: int) -> Array:
        """`values[t, N]` for all steps: an input of a `rate` graph goes on, all else is silent."""
        if self.rate and len(values) == 1 and isinstance(self.graph.by_name[name], Input):
            return np.repeat(values, steps, axis=0)
        return _padded(values, steps)

    def _synops(self, node: Linear, steps: int) -> Array:
        total = np.zeros((steps, self.images), dtype=np.int64)
        for strand, train in self.values[node.source].items():
            passed = _per_image(train != 0, self.engine.fan_outs[node.name])
            lasting = self.rate is not None and strand.code is not Code.RATE
            total += np.repeat(passed, steps, axis=0) if lasting else _padded(passed, steps)
        return total

    def _count(self, name: str) -> Array:
        """The signed sum of a value's spikes over all steps."""
        total = np.zeros((self.images, *self.graph.types[name].shape), dtype=np.int64)
        for strand, train in self.values[name].items():
            times = self.rate.steps if self.rate and strand.code is not Code.RATE else 1
            total += train.sum(axis=0, dtype=np.int64) * times
        return total


def _only(trains: Trains) -> Array:
    (train,) = trains.values()
    return train


def _by_step(node: Wiring, train: Array) -> Array:
    """Wiring acts on the spikes of each step."""
    moved = wire(node, train.reshape(-1, *train.shape[2:]))
    return moved.reshape(*train.shape[:2], *moved.shape[1:])


def _pool(node: MaxPool, train: Array) -> Array:
    """The greatest running sum of each window, minus what the pool has sent."""
    if len(train) == 1:
        return _by_step(node, train)
    best = _by_step(node, train.cumsum(axis=0, dtype=np.int32))
    return np.diff(best, axis=0, prepend=np.zeros_like(best[:1])).astype(train.dtype)


def _per_image(fired: Array, weights: Array | None = None) -> Array:
    """Spikes `[T, N]` of a train `[T, N, *shape]`, each times its weight (which broadcasts to shape)."""
    if weights is None or weights.size == 1:
        once = np.count_nonzero(fired.reshape(*fired.shape[:2], -1), axis=2)
        return np.asarray(once if weights is None else once * int(weights.item()), dtype=np.int64)
    channels = fired.sum(axis=2, dtype=np.int32)
    flat = channels.reshape(*fired.shape[:2], -1)
    return np.asarray(flat @ np.broadcast_to(weights[0], channels.shape[2:]).ravel(), dtype=np.int64)


def _padded(values: Array, steps: int) -> Array:
    """`values[t, N]` cut or filled with zeros to the number of steps."""
    missing = steps - len(values)
    if missing <= 0:
        return values[:steps]
    return np.concatenate([values, np.zeros((missing, *values.shape[1:]), values.dtype)])


def _held(drives: list[Array], steps: int) -> Array:
    """Drives after each step; the last one stays."""
    return np.stack([*drives[:steps], *[drives[-1]] * (steps - len(drives))])
