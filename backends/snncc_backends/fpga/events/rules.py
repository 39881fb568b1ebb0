"""What the passes of the event core do with the memories of many images at once."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from snncc_backends.fpga.events.program import PassProgram
from snncc_ir.lif import decayed
from snncc_ir.tensors import Ints

GAP = 3
"""Cycles after the taps of an event, so that no potential is read before it is written."""


@dataclass
class State:
    """Memories of N images, `clock[N]`, and which images still run."""

    inputs: Ints
    maps: Ints
    potentials: Ints
    sent: Ints
    clock: Ints
    running: NDArray[np.bool_]
    pass_cycles: Ints
    keep: bool
    step: int = 0
    levels: list[list[Ints]] = field(default_factory=list)
    results: list[list[Ints]] = field(default_factory=list)

    def spend(self, number: int, cycles: Ints | int) -> None:
        """Let the running images' clocks run."""
        spent = np.where(self.running, cycles, 0)
        self.clock = self.clock + spent
        self.pass_cycles[:, number] += spent


def add(state: State, program: PassProgram) -> Ints:
    """Add all taps of the levels; the cycles of every image's words."""
    d = program.descriptor
    memory = state.inputs if d.from_input else state.maps
    levels = memory[:, program.visited]
    for taps in program.tap_sets:
        given = levels[:, taps.pixels].astype(program.kind) * d.gain
        weights = program.weights(taps.number)
        if d.own:
            drive = given * weights
            words = d.words
        else:
            drive = given.reshape(*given.shape[:2], -1) @ weights
            words = d.blocks
        reached = (taps.potentials[:, None] + np.arange(words)).reshape(-1)
        values = drive.astype(np.int64).reshape(len(levels), len(reached), -1)
        if taps.apart:
            state.potentials[:, reached] += values
        else:
            np.add.at(state.potentials.swapaxes(0, 1), reached, values.swapaxes(0, 1))
    return _add_cycles(program, levels)


def _add_cycles(program: PassProgram, levels: Ints) -> Ints:
    d = program.descriptor
    found = (levels != 0).sum(axis=3)
    events = (found > 0) if d.own else found
    cost = np.where(program.taps > 0, program.taps * d.blocks + GAP, 0)[:, None]
    return np.asarray(np.maximum(events * cost, 1).sum(axis=(1, 2)))


def load(state: State, program: PassProgram, *, stbif: bool) -> None:
    """Set potentials to what an image begins with."""
    d = program.descriptor
    place = slice(d.close, d.close + program.visited.size)
    start = np.zeros((program.visited.size, state.potentials.shape[2]), dtype=np.int64)
    if d.half or d.bias:
        theta, bias = program.neurons
        start = theta // 2 * d.half + bias * d.bias
    state.potentials[:, place] = start
    if stbif:
        state.sent[:, place] = 0


def advance(state: State, program: PassProgram) -> Ints:
    """Add a step's bias and the current, if a pass has them, to potentials `[N, words, P]`; the sums."""
    d = program.descriptor
    _, bias = program.neurons
    place = slice(d.close, d.close + len(bias))
    state.potentials[:, place] += bias * d.bias
    if d.current:
        state.potentials[:, place] += _greatest(state, program)
    return np.asarray(state.potentials[:, place])


def fire(state: State, program: PassProgram, *, stbif: bool) -> Ints:
    """Spikes `[N, words, P]`."""
    d = program.descriptor
    theta, _ = program.neurons
    place = slice(d.close, d.close + len(theta))
    v = advance(state, program)
    up, down = v >= theta, (v < 0) & d.signed
    if stbif:
        up &= state.sent[:, place] < d.hi
        down = (v < 0) & (state.sent[:, place] > d.lo)
    spikes = up.astype(np.int64) - down
    left = np.where(up, 0, v) if d.zero else v - theta * spikes
    state.potentials[:, place] = decayed(left, d.decay_v) if d.decay_v else left
    if d.decay_u:
        _decay_currents(state, program)
    if stbif:
        state.sent[:, place] += spikes
    return spikes


def _decay_currents(state: State, program: PassProgram) -> None:
    """Let what the taps have read decay."""
    for reached, _ in program.gathered:
        state.potentials[:, reached] = decayed(state.potentials[:, reached], program.descriptor.decay_u)


def pool(state: State, program: PassProgram) -> Ints:
    """The greatest sums of the windows less what was sent, which they become."""
    d = program.descriptor
    greatest = _greatest(state, program)
    place = slice(d.close, d.close + greatest.shape[1])
    spikes = greatest - state.potentials[:, place]
    state.potentials[:, place] = greatest
    return spikes


def _greatest(state: State, program: PassProgram) -> Ints:
    """The greatest of the potentials that every word's taps read `[N, words, P]`."""
    d = program.descriptor
    found = np.zeros((len(state.clock), d.rows * d.columns, d.words, state.maps.shape[2]), dtype=np.int64)
    for reached, pixels in program.gathered:
        found[:, pixels] = state.potentials[:, reached].max(axis=2)
    return found.reshape(len(found), -1, found.shape[3])
