"""The ladder: every engine must compute the same integers as the reference semantics."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc import artefact
from snncc.artefact import Artefact
from snncc.emitted import check_target_files, machine_of
from snncc.golden import reference_values
from snncc.sim.levels import LevelEngine
from snncc.sim.native.levels import NativeEngine
from snncc.sim.native.library import NativeError
from snncc.sim.native.streams import NativeStreamEngine
from snncc.sim.spikes import SpikeEngine
from snncc.sim.streams import StreamEngine
from snncc.targets import check_runs, load_target
from snncc_ir.backend import Backend, Engine
from snncc_ir.costs import Counter, spread
from snncc_ir.errors import ArtefactError, SnnccError, TargetError, ToolError
from snncc_ir.nodes import Readout
from snncc_ir.progress import Watch, no_watch
from snncc_ir.semantics import evaluate
from snncc_ir.spiking import run_phased
from snncc_ir.streaming import run_streaming
from snncc_ir.timing import Phased, Rate

Array = NDArray[Any]
Values = Mapping[str, Array]

RANDOM_INPUTS = 6
PIPELINED = 3
"""Images that are sent back to back where every single spike is compared."""

REQUIRE_TOOLS = "SNNCC_REQUIRE_TOOLS"
"""Environment variable: where it is 1, an engine whose tool is missing counts as a failure."""


class Status(Enum):
    """What the ladder says of an engine."""

    EQUAL = "equal"
    DIFFERENT = "different"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Rung:
    """One engine's line: inputs tried, and the first difference or why it did not run."""

    engine: str
    status: Status
    inputs: int
    detail: str = ""


@dataclass(frozen=True)
class Ladder:
    """The table that `snncc verify` prints."""

    rungs: tuple[Rung, ...]

    @property
    def equal(self) -> bool:
        """True where no engine differs, and none is missing that must be there."""
        refused = {Status.DIFFERENT}
        if os.environ.get(REQUIRE_TOOLS) == "1":
            refused.add(Status.NOT_RUN)
        return not any(rung.status in refused for rung in self.rungs)


def verify(path: Path, *, only: str | None = None, watch: Watch = no_watch) -> Ladder:
    """Climb the ladder of an artefact, or one rung of it: the target's engine called `only`.

    Raises ArtefactError where its emitted files were changed, ToolError where `only` lacks its tool.
    """
    found = artefact.read(path)
    backend = load_target(str(found.manifest["target"]))
    known = backend.engines if only is None else (_engine(backend, only),)
    engines = [engine for engine in known if engine.runs(found.graph)]
    if only is not None:
        check_runs(known[0], found.graph)
    check_target_files(found)
    climber = _Climber(found)
    steps: list[Callable[[], Rung]] = [climber.golden]
    steps += climber.own_engines() if only is None else []
    steps += [_foreign(climber, engine, watch) for engine in engines]
    progress = watch("verify")
    rungs = []
    for done, step in enumerate(steps, start=1):
        rungs.append(step())
        progress(done, len(steps))
    return Ladder(tuple(rungs))


def _engine(backend: Backend, name: str) -> Engine:
    for engine in backend.engines:
        if engine.name == name:
            missing = engine.missing()
            if missing:
                raise ToolError(missing, where=f"--engine {name}")
            return engine
    names = ", ".join(engine.name for engine in backend.engines)
    raise TargetError(
        f"target {backend.name} has no engine {name!r} of its own",
        where="--engine",
        hint=f"it has {names}" if names else "leave it out, and snncc's engines are compared",
    )


def _foreign(climber: _Climber, engine: Engine, watch: Watch) -> Callable[[], Rung]:
    return lambda: climber.foreign(engine, watch)


class _Climber:
    """The inputs that are tried and what the reference makes of them."""

    def __init__(self, found: Artefact) -> None:
        self.found = found
        self.graph = found.graph
        self.input = self.graph.inputs[0].name
        self.images = self._inputs()
        self.expected = reference_values(self.graph, self.images)

    def _inputs(self) -> Array:
        """The golden inputs, extremes, and random levels: a sparse, an even and a dense draw."""
        levels = self.graph.levels(self.input)
        rng = np.random.default_rng(1)
        shape = (RANDOM_INPUTS, *levels.shape)
        draws = rng.integers(levels.lo, levels.hi + 1, shape)
        keep = rng.random(shape) < np.linspace(0.1, 1.0, RANDOM_INPUTS).reshape(-1, *(1,) * len(levels.shape))
        checker = np.where(np.indices(levels.shape).sum(axis=0) % 2, levels.hi, levels.lo)
        extremes = [np.full(levels.shape, levels.lo), np.full(levels.shape, levels.hi), checker]
        return np.concatenate([self.golden_input(), draws * keep, np.stack(extremes)])

    def golden_input(self) -> Array:
        """The artefact's golden inputs as levels."""
        golden = self.found.golden.get(f"input.{self.input}")
        if golden is None or golden.shape[1:] != self.graph.levels(self.input).shape:
            raise ArtefactError("holds no golden input", where=str(self.found.path / artefact.GOLDEN))
        return np.asarray(golden).astype(np.int64)

    def golden(self) -> Rung:
        """The reference against the integers that were stored at compile time."""
        stored = {name: values for name, values in self.found.golden.items() if not name.startswith("input.")}
        expected = reference_values(self.graph, self.golden_input())
        missing = sorted(expected.keys() ^ stored.keys())
        detail = f"golden.npz lacks or adds {missing[0]}" if missing else first_difference(stored, expected)
        return _rung("reference", len(self.golden_input()), detail)

    def own_engines(self) -> list[Callable[[], Rung]]:
        """The engines of this package that run the graph's timing."""
        if isinstance(self.graph.timing, Phased):
            return [self.reference_spikes, self.levels, self.native, self.spikes]
        engines = [self.native, self.streaming]
        return engines if isinstance(self.graph.timing, Rate) else [self.levels, *engines]

    def _named(self, levels: Values, outputs: Values) -> dict[str, Array]:
        """An engine's integers under the names that the reference's have."""
        return {
            **{f"levels.{name}": levels[name] for name in self.graph.reported},
            **{f"output.{name}": values for name, values in outputs.items()},
        }

    def reference_spikes(self) -> Rung:
        """The pipelined spike-by-spike reference: its levels are those of the reference on levels."""
        images = self.images[:PIPELINED]
        run = run_phased(self.graph, {self.input: images[None]})
        levels = spread(self.graph, {name: values[0] for name, values in run.levels.items()})
        got = self._named(levels, {name: values[0] for name, values in run.outputs.items()})
        return _rung("reference spikes", len(images), first_difference(got, self.expected, len(images)))

    def levels(self) -> Rung:
        """The fast engine for levels."""
        found = LevelEngine(self.graph, self.graph.reported).run({self.input: self.images})
        got = self._named(found, {node.name: found[node.name] for node in self.graph.of_type(Readout)})
        return _rung("levels", len(self.images), first_difference(got, self.expected))

    def native(self) -> Rung:
        """The native engine: levels and the spikes that it counts, or the steps of a streaming code."""
        if not isinstance(self.graph.timing, Phased):
            return self._native_steps()
        counter = Counter(self.graph)
        try:
            engine = NativeEngine(self.graph, self.graph.reported, counter=counter)
        except NativeError as error:
            return Rung("native", Status.NOT_RUN, 0, str(error))
        found, counts = engine.run_counted({self.input: self.images})
        got = self._named(found, {node.name: found[node.name] for node in self.graph.of_type(Readout)})
        detail = first_difference(got, self.expected)
        if not detail and counts != counter.count(evaluate(self.graph, {self.input: self.images})):
            detail = "counts other spikes or synaptic operations than the reference's levels have"
        return _rung("native", len(self.images), detail)

    def spikes(self) -> Rung:
        """The spike engine: its levels, and every single spike of the images sent back to back."""
        run = SpikeEngine(self.graph).run({self.input: self.images})
        got = self._named(spread(self.graph, run.levels), run.outputs)
        detail = first_difference(got, self.expected) or self._trains_differ(run.trains)
        return _rung("spikes", len(self.images), detail)

    def _native_steps(self) -> Rung:
        try:
            return self._stream_rung("native", NativeStreamEngine(self.graph))
        except NativeError as error:
            return Rung("native", Status.NOT_RUN, 0, str(error))

    def streaming(self) -> Rung:
        """The portable engine for streaming codes."""
        return self._stream_rung("spikes", StreamEngine(self.graph))

    def _stream_rung(self, name: str, engine: StreamEngine | NativeStreamEngine) -> Rung:
        """A streaming engine's integers, and every step of some images."""
        run = engine.run({self.input: self.images})
        got = self._named(run.counts, {name: values[-1] for name, values in run.outputs.items()})
        detail = first_difference(got, self.expected) or self._steps_differ(engine)
        return _rung(name, len(self.images), detail)

    def _steps_differ(self, engine: StreamEngine | NativeStreamEngine) -> str:
        """Readouts after each step, costs and the step in which each image settles."""
        feed = {self.input: self.images[:PIPELINED]}
        run, expected = engine.run(feed), run_streaming(self.graph, feed, keep_trains=False)
        if run.costs != expected.costs:
            return "other spikes or synaptic operations than the reference"
        wanted = {f"steps of {name}": np.moveaxis(values, 0, 1) for name, values in expected.outputs.items()}
        got = {f"steps of {name}": np.moveaxis(values, 0, 1) for name, values in run.outputs.items()}
        return first_difference(
            {**got, "settled": run.settled}, {**wanted, "settled": expected.settled}, PIPELINED
        )

    def foreign(self, engine: Engine, watch: Watch) -> Rung:
        """A backend's engine, image after image through its pipeline, spike for spike."""
        missing = engine.missing()
        if missing:
            return Rung(engine.name, Status.NOT_RUN, 0, missing)
        images = self.images[:PIPELINED]
        try:
            run = engine.run(self.graph, machine_of(self.found), {self.input: images}, watch(engine.name))
        except SnnccError as error:
            return Rung(engine.name, Status.DIFFERENT, len(images), str(error))
        got = {f"output.{name}": values for name, values in run.outputs.items()}
        expected = {name: values for name, values in self.expected.items() if name.startswith("output.")}
        sent = self._trains_differ(run.trains) if run.trains else self._levels_differ(run.levels)
        detail = sent or first_difference(got, expected, len(images))
        return _rung(engine.name, len(images), detail)

    def _levels_differ(self, levels: Values) -> str:
        """The levels of every population, or of the pool that alone reads it."""
        for node in self.graph.populations:
            readers = self.graph.readers[node.name]
            if node.name not in levels and not (len(readers) == 1 and readers[0].name in levels):
                return f"gave no levels of {node.name}"
        expected = evaluate(self.graph, {self.input: self.images[:PIPELINED]})
        return first_difference(levels, {name: expected[name] for name in levels})

    def _reference_trains(self, images: Array) -> dict[str, Array]:
        """The spikes `[I, T, *shape]` of inputs and populations, phased images back to back."""
        if isinstance(self.graph.timing, Phased):
            run = run_phased(self.graph, {self.input: images[None]})
            return {name: train[0] for name, train in run.trains.items()}
        found = run_streaming(self.graph, {self.input: images})
        return {name: np.moveaxis(train, 0, 1) for name, train in found.trains.items()}

    def _trains_differ(self, trains: Values) -> str:
        images = self.images[:PIPELINED]
        for name, expected in self._reference_trains(images).items():
            if name not in trains:
                return f"gave no spikes of {name}"
            place = _first(np.asarray(trains[name])[:PIPELINED], expected)
            if place is not None:
                image, step, *neuron = place
                where = f"{name} neuron {tuple(neuron)}, image {image}, step {step}"
                return f"{where}: another spike than the reference"
        return ""


def first_difference(got: Values, expected: Values, images: int | None = None) -> str:
    """Where two sets of integers differ first, in words; empty where they are equal."""
    for name, values in expected.items():
        if name not in got:
            return f"gave nothing for {name}"
        place = _first(np.asarray(got[name]), values[:images])
        if place is not None:
            image, *neuron = place
            actual, wanted = np.asarray(got[name])[place], values[place]
            return f"{name} neuron {tuple(neuron)}, image {image}: {actual} instead of {wanted}"
    return ""


def _first(got: Array, expected: Array) -> tuple[int, ...] | None:
    if got.shape != expected.shape:
        return (0,) * expected.ndim
    places = np.argwhere(got != expected)
    return tuple(map(int, places[0])) if len(places) else None


def _rung(engine: str, inputs: int, detail: str) -> Rung:
    return Rung(engine, Status.DIFFERENT if detail else Status.EQUAL, inputs, detail)


def as_plain(ladder: Ladder) -> dict[str, Any]:
    """What `--json` prints."""
    rows = [
        {"engine": rung.engine, "status": rung.status.value, "inputs": rung.inputs, "detail": rung.detail}
        for rung in ladder.rungs
    ]
    return {"engines": rows, "equal": ladder.equal}
