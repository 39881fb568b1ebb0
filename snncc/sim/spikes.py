"""The spike-by-spike engine: every spike of every step of every code, in batches of images.

It goes population by population instead of window by window: the spikes of an image do not depend on
what is in flight beside it, so the pipeline of the reference changes when things happen, not what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.sim.drives import DriveMaps
from snncc_ir.codes import Code, Strand
from snncc_ir.costs import Counts, fan_out, trains_sent
from snncc_ir.errors import GraphError
from snncc_ir.graph import Graph
from snncc_ir.linear import wire
from snncc_ir.nodes import (
    AnyNode,
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
from snncc_ir.timing import Phased

Array = NDArray[Any]
SPIKE = np.int16
"""Type of a stored spike: -1, 0, +1, or the payload of a graded one."""

Trains = dict[Strand, Array]
"""Spikes `[window, N, *shape]` of a value, by strand."""


@dataclass(frozen=True)
class PhasedRun:
    """`trains[name][N, window, *shape]`, `levels[name][N, *shape]`, `outputs[name][N, *shape]`.

    `costs` are the spikes that were sent and the synapses that they passed.
    """

    trains: Mapping[str, Array]
    levels: Mapping[str, Array]
    outputs: Mapping[str, Array]
    costs: Counts


class SpikeEngine:
    """Runs a phased graph spike by spike."""

    def __init__(self, graph: Graph) -> None:
        """Prepare the drive maps; they are shared by all batches."""
        if not isinstance(graph.timing, Phased) or not graph.is_integer:
            raise GraphError("only an integer graph with phased codes runs phase by phase", where=graph.name)
        self.graph = graph
        self._drives = DriveMaps()
        self._sent = trains_sent(graph)
        self._fan_outs = {node.name: fan_out(node, graph.types[node.source].shape) for node in graph.linears}

    def run(self, inputs: Mapping[str, Array]) -> PhasedRun:
        """Run images `inputs[name][N, *shape]` given as levels."""
        batch = _Batch(self.graph, self._drives, inputs)
        for node in self.graph.nodes:
            batch.visit(node)
        trains, levels = batch.sent()
        return PhasedRun(trains, levels, batch.outputs, self._costs(batch.values))

    def _costs(self, values: Mapping[str, Trains]) -> Counts:
        fired = {
            name: sum((train != 0).sum(axis=0) for train in trains.values())
            for name, trains in values.items()
        }
        return Counts(
            {name: int(np.sum(fired[name])) * sent for name, sent in self._sent.items()},
            {
                node.name: int((fired[node.source] * self._fan_outs[node.name]).sum())
                for node in self.graph.linears
            },
        )


@dataclass
class _Batch:
    graph: Graph
    drives: DriveMaps
    inputs: Mapping[str, Array]
    values: dict[str, Trains] = field(default_factory=dict)
    outputs: dict[str, Array] = field(default_factory=dict)

    def visit(self, node: AnyNode) -> None:
        """Compute the spikes (or the readout) of one node for all steps of its window."""
        match node:
            case Input():
                levels = check_input(node, self.inputs[node.name])
                strand = self.graph.strand(node.name)
                self.values[node.name] = _fire(make_input_sender(strand, levels.shape[1]), strand, levels)
            case Population():
                strand = self.graph.strand(node.name)
                self.values[node.name] = _fire(make_sender(node.neuron, strand), strand, self._drive(node))
            case Readout():
                drive = self._drive(node)
                self.outputs[node.name] = drive + node.bias.spread(drive.shape[1:])
            case MaxPool():
                self.values[node.name] = {s: _pool(node, s, x) for s, x in self.values[node.source].items()}
            case Concat():
                self.values[node.name] = self._join(node)
            case Linear():
                pass
            case _:
                trains = self.values[node.sources[0]].items()
                self.values[node.name] = {s: np.stack([wire(node, step) for step in x]) for s, x in trains}

    def _drive(self, node: Population | Readout) -> Array:
        total: Array | None = None
        for projection in self.graph.projections(node):
            for strand, train in self.values[projection.source].items():
                part = self._integrate(projection, strand, train)
                total = part if total is None else total + part
        if total is None:
            raise ValueError("a population without drives")
        return total

    def _integrate(self, projection: Linear, strand: Strand, train: Array) -> Array:
        """The integrate phase: what the steps of one train add up to under the receiver's rule."""
        sent = np.cumsum(train, axis=0, dtype=SPIKE) if strand.code is Code.TTFS else train
        total: Array | None = None
        for spikes in sent:
            part = self.drives(projection, spikes)
            kept = 0 if total is None else total
            total = (2 * kept if strand.code is Code.RADIX else kept) + part
        if total is None:
            raise ValueError("a train without steps")
        return total

    def _join(self, node: Concat) -> Trains:
        strands = dict.fromkeys(strand for part in node.parts for strand in self.values[part])
        joined = {}
        for strand in strands:
            parts = [self._part(name, strand) for name in node.parts]
            joined[strand] = np.stack([wire(node, *step) for step in zip(*parts, strict=True)])
        return joined

    def _part(self, name: str, strand: Strand) -> Array:
        """The part's train in `strand`, silent where the part carries another one."""
        known = self.values[name].get(strand)
        if known is not None:
            return known
        images = next(iter(self.values[name].values())).shape[1]
        return np.zeros((strand.window, images, *self.graph.types[name].shape), dtype=SPIKE)

    def sent(self) -> tuple[dict[str, Array], dict[str, Array]]:
        """Trains and levels of inputs and populations."""
        trains, levels = {}, {}
        for node in (*self.graph.inputs, *self.graph.populations):
            ((strand, train),) = self.values[node.name].items()
            trains[node.name] = np.moveaxis(train, 0, 1)
            levels[node.name] = decode(strand, train)
        return trains, levels


def _fire(sender: Sender, strand: Strand, drive: Array) -> Trains:
    sender.load(drive)
    return {strand: np.stack([sender.step(step).astype(SPIKE) for step in range(strand.window)])}


def _pool(node: MaxPool, strand: Strand, train: Array) -> Array:
    gate = PoolGate(node, strand.code)
    return np.stack([gate.step(spikes) for spikes in train])
