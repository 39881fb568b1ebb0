"""The reference semantics spike by spike for phased graphs: pipelined images, every step of every window.

It follows ir/SPEC.md, sections 4 and 6, literally: senders fire, pools gate, receivers keep one
accumulator per strand, and whatever skips a window is delayed by whole windows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_ir.codes import Code, Strand
from snncc_ir.errors import GraphError
from snncc_ir.graph import Graph
from snncc_ir.linear import drive, wire
from snncc_ir.nodes import (
    Concat,
    Input,
    Linear,
    MaxPool,
    Population,
    Readout,
)
from snncc_ir.pools import PoolGate
from snncc_ir.semantics import check_input
from snncc_ir.senders import Sender, decode, make_input_sender, make_sender
from snncc_ir.strands import Spikes, join_strands
from snncc_ir.timing import Phased

Array = NDArray[Any]


@dataclass(frozen=True)
class SpikeRun:
    """What a run of I images on N independent streams gave.

    `trains[name][N, I, window, *shape]` are the spikes of inputs and populations in the population's own
    window, `levels[name][N, I, *shape]` what they stand for, `outputs[name][N, I, *shape]` the readouts'
    drive plus bias; `steps` is the number of time steps until the last output was known.
    """

    trains: dict[str, Array]
    levels: dict[str, Array]
    outputs: dict[str, Array]
    steps: int


def run_phased(graph: Graph, inputs: Mapping[str, Array]) -> SpikeRun:
    """Run images `inputs[name][N, I, *shape]` back to back through a phased graph."""
    if not isinstance(graph.timing, Phased) or not graph.is_integer:
        raise GraphError("only an integer graph with phased codes runs phase by phase", where=graph.name)
    machine = _Machine(graph, inputs)
    for window in range(machine.images + graph.latency - 1):
        machine.run_window(window)
    return machine.result()


class _Machine:
    """The state of every sender, pool and accumulator of a running graph."""

    def __init__(self, graph: Graph, inputs: Mapping[str, Array]) -> None:
        self.graph = graph
        self.inputs = {node.name: _check_stream(node, inputs[node.name]) for node in graph.inputs}
        self.streams, self.images = next(iter(self.inputs.values())).shape[:2]
        self.history: list[list[dict[str, Spikes]]] = []
        self.senders: dict[str, Sender] = {}
        self.pools: dict[str, PoolGate] = {}
        self.latched = {node.name: self._zeros(node.name) for node in graph.populations}
        self.outputs: dict[str, list[Array]] = {node.name: [] for node in graph.of_type(Readout)}

    def run_window(self, window: int) -> None:
        """One network window: latch, then step by step fire and integrate, then hand over the sums."""
        self._latch(window)
        self.history.append([])
        receivers = (node for node in self.graph.nodes if isinstance(node, Population | Readout))
        sums = {node.name: _Accumulators(self, node) for node in receivers}
        for step in range(self.graph.window):
            self.history[window].append(self._fire(step))
            for accumulators in sums.values():
                accumulators.receive(window, step)
        for name, accumulators in sums.items():
            self._hand_over(name, accumulators.total(), window)

    def _zeros(self, name: str) -> Array:
        return np.zeros((self.streams, *self.graph.types[name].shape), dtype=np.int64)

    def _latch(self, window: int) -> None:
        for node in self.graph.nodes:
            match node:
                case Input():
                    image = (
                        self.inputs[node.name][:, window] if window < self.images else self._zeros(node.name)
                    )
                    strand = self.graph.strands[node.name][0]
                    self.senders[node.name] = make_input_sender(strand, image.shape[1])
                    self.senders[node.name].load(image)
                case Population():
                    self.senders[node.name] = make_sender(node.neuron, self.graph.strand(node.name))
                    self.senders[node.name].load(self.latched[node.name])
                case MaxPool():
                    self.pools[node.name] = PoolGate(node, self.graph.strands[node.name][0].code)
                case _:
                    pass

    def _fire(self, step: int) -> dict[str, Spikes]:
        """Spikes of every level value in this step; pools and wiring pass them on at once."""
        values: dict[str, Spikes] = {}
        for node in self.graph.nodes:
            match node:
                case Input() | Population():
                    strand = self.graph.strand(node.name)
                    active = step < strand.window
                    values[node.name] = {strand: self.senders[node.name].step(step)} if active else {}
                case MaxPool():
                    gate = self.pools[node.name]
                    values[node.name] = {s: gate.step(x) for s, x in values[node.source].items()}
                case Concat():
                    values[node.name] = join_strands(node, values, self._zeros)
                case Linear() | Readout():
                    continue
                case _:
                    values[node.name] = {s: wire(node, x) for s, x in values[node.sources[0]].items()}
        return values

    def _hand_over(self, name: str, total: Array, window: int) -> None:
        node = self.graph.by_name[name]
        if isinstance(node, Population):
            self.latched[name] = total
        elif isinstance(node, Readout) and 0 <= window - self._slot(name) < self.images:
            self.outputs[name].append(total + node.bias.spread(total.shape[1:]))

    def _slot(self, name: str) -> int:
        return max(strand.slot for strand in self.graph.strands[name])

    def result(self) -> SpikeRun:
        """Cut every population's train into its images and decode them."""
        trains: dict[str, Array] = {}
        levels: dict[str, Array] = {}
        for node in (*self.graph.inputs, *self.graph.populations):
            strand = self.graph.strand(node.name)
            images = [
                np.stack(
                    [
                        self.history[image + strand.slot][step][node.name][strand]
                        for step in range(strand.window)
                    ]
                )
                for image in range(self.images)
            ]
            trains[node.name] = np.moveaxis(np.stack(images), 2, 0)
            levels[node.name] = np.stack([decode(strand, train) for train in images], axis=1)
        outputs = {name: np.stack(drives, axis=1) for name, drives in self.outputs.items()}
        return SpikeRun(trains, levels, outputs, len(self.history) * self.graph.window)


class _Accumulators:
    """The integrate phase of one population or readout: one sum per projection and strand.

    A projection is known by its position, since a population may read the same one twice.
    """

    def __init__(self, machine: _Machine, node: Population | Readout) -> None:
        graph = machine.graph
        self.machine, self.shape = machine, graph.types[node.name].shape
        self.projections = graph.projections(node)
        self.last_slot = max(strand.slot for name in node.drives for strand in graph.strands[name])
        self.sums: dict[tuple[int, Strand], Array] = {}
        self.latches: dict[tuple[int, Strand], Array] = {}

    def receive(self, window: int, step: int) -> None:
        """Add the spikes of this step, delayed by the windows that their strand skips."""
        for position, projection in enumerate(self.projections):
            for strand in self.machine.graph.strands[projection.name]:
                sent = window - (self.last_slot - strand.slot)
                if sent >= 0 and step < strand.window:
                    spikes = self.machine.history[sent][step][projection.source]
                    self._add((position, strand), projection, spikes[strand])

    def _add(self, key: tuple[int, Strand], projection: Linear, spikes: Array) -> None:
        before = self.sums.get(key, np.int64(0))
        match key[1].code:
            case Code.RADIX:
                self.sums[key] = 2 * before + drive(projection, spikes)
            case Code.TTFS:
                self.latches[key] = self.latches.get(key, np.int64(0)) + spikes
                self.sums[key] = before + drive(projection, self.latches[key])
            case _:
                self.sums[key] = before + drive(projection, spikes)

    def total(self) -> Array:
        """The drive of the image whose last strand ended with this window."""
        zero = np.zeros((self.machine.streams, *self.shape), dtype=np.int64)
        return sum(self.sums.values(), start=zero)


def _check_stream(node: Input, x: Array) -> Array:
    flat = check_input(node, x.reshape(-1, *x.shape[2:]))
    return flat.reshape(x.shape)
