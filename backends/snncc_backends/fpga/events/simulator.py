"""The cycle simulator of the event core: runs its tables spike for spike and cycle for cycle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snncc_backends.fpga.events.descriptors import Op, When
from snncc_backends.fpga.events.plan import Kind
from snncc_backends.fpga.events.program import read_program
from snncc_backends.fpga.events.rules import State, add, advance, fire, load, pool
from snncc_backends.fpga.events.tables import EventTables, Placed, words_of
from snncc_backends.fpga.simulator.cycles import Trace
from snncc_ir.tensors import Ints

START = 1
"""Cycles before the first pass begins."""

SKIPPED = 16
"""Cycles of a pass that has no turn in a step, and of END."""

FILL = 21
"""Cycles of a pass before its first word."""

TO_WRITE = 12
"""Cycles from a word's own potential to the word that is written."""

TAIL = 11
"""Cycles from the last cycle of the last word to the next pass."""

LEAK = 2
"""Cycles more to the next pass in a core whose neurons leak: what is stored decays first."""


@dataclass(frozen=True, kw_only=True)
class EventRun:
    """What N images gave in T steps; an image of `stbif` is silent in the steps behind its last.

    `trains[name][N, T, *shape]` are the levels that populations and pools sent, `outputs[name][N, T, *shape]`
    the potentials of readouts after each step, `cycles[N]` and `pass_cycles[N, passes]` clock cycles.
    """

    trains: Mapping[str, Ints]
    outputs: Mapping[str, Ints]
    cycles: Ints
    steps: Ints
    pass_cycles: Ints
    traces: tuple[Trace, ...]


class EventSimulator:
    """Runs the tables of one network."""

    def __init__(self, tables: EventTables) -> None:
        """Read the program; nothing runs yet."""
        self.tables = tables
        self.passes = read_program(tables)
        self.loop = self.passes[-1].descriptor.potentials
        self.steps = self.passes[-1].descriptor.target
        self.around = FILL + TAIL + LEAK * tables.widths.leaky

    def run(self, inputs: Mapping[str, Ints], *, trace: bool = False) -> EventRun:
        """Run images `inputs[name][N, *shape]`."""
        state = self._state(inputs, trace)
        for number in range(self.loop):
            self._pass(state, number)
        trains: dict[str, list[Ints]] = {}
        outputs: dict[str, list[Ints]] = {}
        steps = np.zeros(len(state.clock), dtype=np.int64)
        while state.running.any():
            steps += state.running
            active = np.zeros(len(steps), dtype=bool)
            for number in range(self.loop, len(self.passes) - 1):
                active |= self._pass(state, number)
            self._keep(state, trains, outputs)
            state.spend(len(self.passes) - 1, SKIPPED)
            state.step += 1
            state.running &= state.step < self.steps if self.steps else active | (state.step == 1)
        return EventRun(
            trains={name: np.stack(parts, axis=1) for name, parts in trains.items()},
            outputs={name: np.stack(parts, axis=1) for name, parts in outputs.items()},
            cycles=state.clock,
            steps=steps,
            pass_cycles=state.pass_cycles,
            traces=self._traces(state) if trace else (),
        )

    def _state(self, inputs: Mapping[str, Ints], trace: bool) -> State:
        widths = self.tables.widths
        images = len(next(iter(inputs.values())))
        shape = (images, 1, widths.lanes)
        found = State(
            inputs=np.zeros((images, widths.input_words, widths.lanes), dtype=np.int64),
            maps=np.zeros((images, widths.map_words, widths.lanes), dtype=np.int64),
            potentials=np.zeros((images, widths.potential_words, widths.lanes), dtype=np.int64),
            sent=np.zeros((images, widths.potential_words, widths.lanes), dtype=np.int64),
            clock=np.full(images, START, dtype=np.int64),
            running=np.ones(images, dtype=bool),
            pass_cycles=np.zeros((images, len(self.passes)), dtype=np.int64),
            keep=trace,
            levels=[[np.zeros((0, 3 + shape[2]), dtype=np.int64)] for _ in range(images)],
            results=[[np.zeros((0, 2 + shape[2]), dtype=np.int64)] for _ in range(images)],
        )
        for name, levels in inputs.items():
            words = input_words(self.tables, name, levels)
            first = self.tables.inputs[name]
            found.inputs[:, first : first + words.shape[1]] = words
        return found

    def _pass(self, state: State, number: int) -> NDArray[np.bool_] | bool:
        """Run a pass; which images have sent a spike in it."""
        program = self.passes[number]
        d = program.descriptor
        if (d.when is When.STEP_ONE and state.step != 1) or (
            d.when is When.NOT_STEP_ZERO and state.step == 0
        ):
            state.spend(number, SKIPPED)
            return False
        match d.op:
            case Op.ADD:
                state.spend(number, self.around + add(state, program))
                return False
            case Op.LOAD:
                load(state, program, stbif=bool(self.tables.widths.stbif))
                state.spend(number, self.around + program.visited.size)
                return False
            case Op.READ:
                return self._read(state, number)
            case _:
                return self._send(state, number)

    def _read(self, state: State, number: int) -> bool:
        program = self.passes[number]
        potentials = advance(state, program)
        place = program.descriptor.target + np.arange(potentials.shape[1])
        self._write(state, state.results, number, [place], potentials)
        return False

    def _send(self, state: State, number: int) -> NDArray[np.bool_]:
        program = self.passes[number]
        stbif = bool(self.tables.widths.stbif)
        is_pool = program.descriptor.op is Op.POOL
        spikes = pool(state, program) if is_pool else fire(state, program, stbif=stbif)
        place = program.descriptor.target + np.arange(spikes.shape[1])
        state.maps[:, place] = spikes
        self._write(state, state.levels, number, [np.zeros_like(place), place], spikes)
        return np.asarray(spikes.any(axis=(1, 2)))

    def _write(
        self, state: State, rows: list[list[Ints]], number: int, places: list[Ints], words: Ints
    ) -> None:
        """Note a pass's words, (cycle, place..., P values), and let the clocks run."""
        ends = np.cumsum(self.passes[number].visit_cycles)
        for image in np.flatnonzero(state.running & state.keep):
            cycle = state.clock[image] + FILL + ends - 1 + TO_WRITE
            rows[image].append(np.concatenate([np.stack([cycle, *places], axis=1), words[image]], axis=1))
        state.spend(number, self.around + int(ends[-1]))

    def _keep(self, state: State, trains: dict[str, list[Ints]], outputs: dict[str, list[Ints]]) -> None:
        for item in self.tables.units:
            if item.unit.kind is Kind.READOUT:
                words = _slice(state.potentials, item.potentials, item, self.tables.widths.lanes)
                outputs.setdefault(item.unit.name, []).append(words)
            else:
                words = _slice(state.maps, item.target, item, self.tables.widths.lanes)
                trains.setdefault(item.unit.name, []).append(words)

    def _traces(self, state: State) -> tuple[Trace, ...]:
        return tuple(
            Trace(levels=np.concatenate(levels).astype(np.int32), results=np.concatenate(results))
            for levels, results in zip(state.levels, state.results, strict=True)
        )


def input_words(tables: EventTables, name: str, levels: Ints) -> Ints:
    """The levels `[N, words, P]` of an input as its words hold them."""
    channels, height, width = tables.shapes[name]
    lanes = tables.widths.lanes
    words = words_of((channels, 1, 1), lanes)
    found = np.zeros((len(levels), height, width, words * lanes), dtype=np.int64)
    found[..., :channels] = np.moveaxis(levels.reshape(len(levels), channels, height, width), 1, -1)
    return found.reshape(len(levels), -1, lanes)


def _slice(memory: Ints, first: int, item: Placed, lanes: int) -> Ints:
    """The values `[N, *shape]` of a unit."""
    channels, height, width = item.unit.shape
    words = memory[:, first : first + words_of(item.unit.shape, lanes)]
    image = words.reshape(len(memory), height, width, -1)[..., :channels]
    return np.moveaxis(image, -1, 1).copy()
