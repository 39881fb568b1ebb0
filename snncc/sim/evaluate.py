"""Running a data set through an engine batch by batch: predictions, accuracy and costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.sim.levels import LevelEngine
from snncc.sim.native.levels import NativeEngine
from snncc.sim.native.library import NativeError
from snncc.sim.native.streams import NativeStreamEngine
from snncc.sim.spikes import SpikeEngine
from snncc.sim.streams import StreamBatch, StreamEngine
from snncc.sim.trace import Trace, join, make_trace
from snncc_ir.backend import EngineRun, LayerRun, Pipeline
from snncc_ir.costs import NO_COUNTS, Counter, Counts, count_trains, spread
from snncc_ir.encoding import InputFormat
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.linear import wire
from snncc_ir.neurons import per_channel
from snncc_ir.nodes import Input, Population, Readout, Wiring
from snncc_ir.progress import Progress
from snncc_ir.semantics import evaluate
from snncc_ir.senders import decode
from snncc_ir.timing import Phased, Rate

Array = NDArray[Any]
Levels = Mapping[str, Array]

BATCHES = {"native": 256, "levels": 64, "spikes": 16, "reference": 4}
"""Images per batch of each engine; working memory is bounded by it."""


@dataclass(frozen=True)
class Evaluation:
    """What an engine made of a data set of N images.

    `outputs[name][N, *shape]` are the readouts in real units (levels times scale for a population);
    `steps` the time steps of one image; `counts` the sums over all images; `seconds` the evaluation alone;
    `trace` what a streaming code with a readout as its first output knew after each step; `cycles[N]` the
    clock cycles of every image, of an engine that has a clock, `layers` where they went, `clock_mhz` its
    estimated clock, and `pipeline` what its cores in a row did;
    `note` why it is not the fastest engine.
    """

    engine: str
    images: int
    outputs: Mapping[str, Array]
    steps: int
    counts: Counts
    seconds: float
    trace: Trace | None = None
    cycles: Array | None = None
    pipeline: Pipeline | None = None
    layers: tuple[LayerRun, ...] = ()
    clock_mhz: float | None = None
    note: str = ""

    @property
    def predictions(self) -> Array:
        """Index of the greatest value of the first output; ties go to the lowest index."""
        first = next(iter(self.outputs.values()))
        return np.asarray(first.reshape(self.images, -1).argmax(axis=1))

    def accuracy(self, labels: Array) -> float:
        """Share of predictions that equal the labels."""
        return float((self.predictions == labels).mean())


@dataclass(frozen=True)
class Batch:
    """Integers of one batch: outputs by name, the counted spikes, steps and clock cycles per image."""

    outputs: Mapping[str, Array]
    counts: Counts
    steps: int
    trace: Trace | None = None
    cycles: Array | None = None
    pipeline: Pipeline | None = None
    layers: tuple[LayerRun, ...] = ()
    clock_mhz: float | None = None


Runner = Callable[[Levels], Batch]


@dataclass
class _Collected:
    outputs: dict[str, list[Array]] = field(default_factory=dict)
    counts: Counts = NO_COUNTS
    steps: int = 0
    traces: list[Trace] = field(default_factory=list)
    cycles: list[Array] = field(default_factory=list)
    pipeline: Pipeline | None = None
    layers: tuple[LayerRun, ...] = ()
    clock_mhz: float | None = None

    def add(self, batch: Batch) -> None:
        for name, values in batch.outputs.items():
            self.outputs.setdefault(name, []).append(values)
        self.counts = self.counts + batch.counts
        self.steps = max(self.steps, batch.steps)
        self.traces += [batch.trace] if batch.trace else []
        self.cycles += [] if batch.cycles is None else [batch.cycles]
        # a backend's engine has all images in one batch
        self.pipeline, self.layers, self.clock_mhz = batch.pipeline, batch.layers, batch.clock_mhz


def evaluate_images(
    graph: Graph,
    form: InputFormat,
    images: Array,
    engine: str | None,
    progress: Progress,
    runner: Runner | None = None,
) -> Evaluation:
    """Run images `[N, *input shape]`, pixels or real numbers, through one of this package's engines.

    Without `engine` it is the fastest that runs the graph here. `runner` stands for an engine from outside,
    for example a backend's.
    """
    engine, run, note = (engine, runner, "") if engine and runner else choose(graph, engine)
    (name,) = (node.name for node in graph.inputs)
    size = BATCHES.get(engine, len(images))
    collected = _Collected()
    start = time.perf_counter()
    for first, chunk in _chunks(images, size):
        collected.add(run({name: form.to_levels(chunk)}))
        progress(min(first + size, len(images)), len(images))
    seconds = time.perf_counter() - start
    outputs = {name: np.concatenate(parts) * _unit(graph, name) for name, parts in collected.outputs.items()}
    trace = join(collected.traces) if collected.traces else None
    cycles = np.concatenate(collected.cycles) if collected.cycles else None
    return Evaluation(
        engine=engine,
        images=len(images),
        outputs=outputs,
        steps=collected.steps,
        counts=collected.counts,
        seconds=seconds,
        trace=trace,
        cycles=cycles,
        pipeline=collected.pipeline,
        layers=collected.layers,
        clock_mhz=collected.clock_mhz,
        note=note,
    )


def _chunks(images: Array, size: int) -> Iterator[tuple[int, Array]]:
    for first in range(0, len(images), size):
        yield first, np.asarray(images[first : first + size])


def _unit(graph: Graph, name: str) -> Array:
    """Real value of one unit of an output: of a drive, a level, or a spike count over T steps."""
    node = graph.by_name[name]
    steps = graph.timing.steps if isinstance(graph.timing, Rate) else None
    match node:
        case Readout(scale=scale):
            return np.asarray(scale / (steps or 1))
        case Input(scale=scale) | Population(scale=scale):
            shape = graph.types[name].shape
            own = np.ones((1,) * len(shape)) if scale is None else scale.data
            spread = per_channel(own, len(shape)) if isinstance(node, Population) else own
            return np.broadcast_to(spread * (graph.strand(name).top / steps if steps else 1.0), shape)
        case Wiring():  # rearranges the units of its sources as it does their levels
            parts = (_unit(graph, source)[None] for source in node.sources)
            return np.asarray(wire(node, *parts)[0])
        case _:
            raise TypeError(f"{name} is no output")


def choose(graph: Graph, engine: str | None) -> tuple[str, Runner, str]:
    """The named engine or the fastest one, its runner, and why that is not the native one."""
    if engine is not None:
        return engine, make_runner(graph, engine), ""
    try:
        return "native", make_runner(graph, "native"), ""
    except NativeError as error:
        portable = "levels" if isinstance(graph.timing, Phased) else "spikes"
        return portable, make_runner(graph, portable), f"{error}; the portable engine runs instead"


def make_runner(graph: Graph, engine: str) -> Runner:
    """The runner of an engine of this package."""
    phased = isinstance(graph.timing, Phased)
    match engine:
        case "native" if phased:
            return _native_runner(graph)
        case "native":
            return _streaming_runner(graph, NativeStreamEngine(graph, with_counts=_reads_counts(graph)))
        case "levels" if not isinstance(graph.timing, Rate):
            return _levels_runner(graph)
        case "spikes" if phased:
            return _spikes_runner(graph)
        case "spikes":
            return _streaming_runner(graph, StreamEngine(graph))
        case "reference" if phased:
            return _reference_runner(graph)
        case "levels" | "reference":
            raise SnnccError(
                f"engine {engine} does not run this network's timing", hint="use --engine spikes"
            )
        case _:
            raise SnnccError(f"no engine is called {engine!r}", where="--engine")


def phased_steps(graph: Graph) -> int:
    """Time steps from the first step of an image until its outputs are known."""
    return graph.latency * graph.window


def _native_runner(graph: Graph) -> Runner:
    outputs = tuple(name for name in graph.outputs if not isinstance(graph.by_name[name], Readout))
    engine = NativeEngine(graph, outputs, counter=Counter(graph))

    def run(levels: Levels) -> Batch:
        found, counts = engine.run_counted(levels)
        return Batch({name: found[name] for name in graph.outputs}, counts or NO_COUNTS, phased_steps(graph))

    return run


def _levels_runner(graph: Graph) -> Runner:
    counter = Counter(graph) if isinstance(graph.timing, Phased) else None
    outputs = [name for name in graph.outputs if not isinstance(graph.by_name[name], Readout)]
    values = counter.values if counter else ()
    engine = LevelEngine(graph, tuple(dict.fromkeys((*values, *outputs))))

    def run(levels: Levels) -> Batch:
        found = engine.run(levels)
        counts = counter.count(found) if counter else NO_COUNTS
        steps = phased_steps(graph) if counter else 0
        return Batch({name: found[name] for name in graph.outputs}, counts, steps)

    return run


def _reference_runner(graph: Graph) -> Runner:
    counter = Counter(graph)

    def run(levels: Levels) -> Batch:
        found = evaluate(graph, levels)
        return Batch({name: found[name] for name in graph.outputs}, counter.count(found), phased_steps(graph))

    return run


def _spikes_runner(graph: Graph) -> Runner:
    engine = SpikeEngine(graph)

    def run(levels: Levels) -> Batch:
        found = engine.run(levels)
        values = {**spread(graph, found.levels), **found.outputs}
        return Batch({name: values[name] for name in graph.outputs}, found.costs, phased_steps(graph))

    return run


def _reads_counts(graph: Graph) -> bool:
    """Whether more is asked of a streaming graph than its readouts: levels, or that all of them are exact."""
    readouts = all(isinstance(graph.by_name[name], Readout) for name in graph.outputs)
    return not (readouts and isinstance(graph.timing, Rate))


def _streaming_runner(graph: Graph, engine: StreamEngine | NativeStreamEngine) -> Runner:
    names = tuple(node.name for node in graph.populations)
    exact = None if isinstance(graph.timing, Rate) else LevelEngine(graph, names)

    def run(levels: Levels) -> Batch:
        found = engine.run(levels)
        outputs = {
            name: found.outputs[name][-1] if name in found.outputs else found.counts[name]
            for name in graph.outputs
        }
        equal = None if exact is None else _equal_images(found, exact.run(levels))
        return Batch(outputs, found.costs, int(found.settled.max()), _trace(graph, found, equal))

    return run


def _equal_images(found: StreamBatch, levels: Levels) -> Array:
    """True for each image whose every level, and every drive of a readout, is that of `levels`."""
    equal = np.ones(len(found.settled), dtype=bool)
    for name, expected in levels.items():
        values = found.outputs[name][-1] if name in found.outputs else found.counts[name]
        equal &= (values == expected).reshape(len(equal), -1).all(axis=1)
    return equal


def _trace(graph: Graph, found: StreamBatch, exact: Array | None) -> Trace | None:
    """The trace of the first output, where that is a readout."""
    node = graph.by_name[graph.outputs[0]]
    if not isinstance(node, Readout):
        return None
    drives = found.outputs[node.name] * node.scale
    if isinstance(graph.timing, Rate):
        drives = drives / graph.timing.steps
    costs = (sum_over(found.spikes), sum_over(found.synops))
    return make_trace(drives, costs, found.settled, exact)


def sum_over(costs: Mapping[str, Array]) -> Array:
    """Costs `[T, N]` of all senders or synapses together."""
    return np.asarray(sum(costs.values()))


def engine_runner(graph: Graph, run: Callable[[Levels], EngineRun]) -> Runner:
    """A runner for an engine outside this package, which gives back every spike, or every level."""
    if not isinstance(graph.timing, Phased):
        return _stream_engine_runner(graph, run)
    counter = Counter(graph)
    own = LevelEngine(graph, tuple(counter.values))

    def runner(levels: Levels) -> Batch:
        found = run(levels)
        if found.trains:
            sent = {
                name: decode(graph.strands[name][0], np.moveaxis(train, 1, 0))
                for name, train in found.trains.items()
            }
            values = {**spread(graph, sent), **found.outputs}
            counts = counter.count(values)
        else:  # spikes are those of the code: the engine computes levels and sends none
            values = {**found.levels, **found.outputs}
            counts = counter.count(own.run(levels))
        outputs = {name: _wired(graph, name, values) for name in graph.outputs}
        steps = phased_steps(graph)
        return Batch(
            outputs,
            counts,
            steps,
            cycles=found.cycles,
            pipeline=found.pipeline,
            layers=found.layers,
            clock_mhz=found.clock_mhz,
        )

    return runner


def _last_event(found: EngineRun) -> int:
    """Steps after which nothing happens any more."""
    happened = [train.reshape(*train.shape[:2], -1).any(axis=(0, 2)) for train in found.trains.values()]
    return int(np.flatnonzero(np.any(happened, axis=0)).max(initial=-1)) + 1


def _stream_engine_runner(graph: Graph, run: Callable[[Levels], EngineRun]) -> Runner:
    """A runner for an engine that sends a streaming code."""

    def runner(levels: Levels) -> Batch:
        found = run(levels)
        values = {**{name: train.sum(axis=1) for name, train in found.trains.items()}, **found.outputs}
        outputs = {name: _wired(graph, name, values) for name in graph.outputs}
        return Batch(outputs, count_trains(graph, found.trains), _last_event(found), cycles=found.cycles)

    return runner


def _wired(graph: Graph, name: str, values: Mapping[str, Array]) -> Array:
    """A value, or what wiring makes of values."""
    if name in values:
        return np.asarray(values[name])
    node = graph.by_name[name]
    if not isinstance(node, Wiring):
        raise ValueError(f"no engine gave {name}")
    return wire(node, *(_wired(graph, source, values) for source in node.sources))
