"""`rate` and `stbif` neuron by neuron, with every partial sum of the membrane in random order."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np

from snncc_ir.codes import Reset
from snncc_ir.neurons import Staircase, Table
from snncc_ir.nodes import Input, MaxPool, Population, Readout
from snncc_ir.timing import Rate
from support.naive import Net, bias_at, level, positions


class Streams:
    """One image running through a streaming graph.

    `counts` are running sums of what every value has sent, `potentials` the membranes;
    `extremes[name][c]` are the extremes that a membrane of channel c has held.
    """

    def __init__(self, net: Net, inputs: Mapping[str, np.ndarray[Any, Any]], seed: int = 0) -> None:
        self.net, self.random = net, random.Random(seed)
        self.inputs = {name: [int(n) for n in x.ravel()] for name, x in inputs.items()}
        self.timing = net.graph.timing
        self.readers = [node for node in net.graph.nodes if isinstance(node, Population | Readout)]
        self.incoming = {node.name: net.incoming(node) for node in self.readers}
        self.index = {node.name: list(positions(net.shapes[node.name])) for node in self.readers}
        self.potentials = {node.name: self._start(node) for node in self.readers}
        names = [name for name in net.shapes if name not in net.synapses]
        self.counts = {name: [0] * int(np.prod(net.shapes[name])) for name in names}
        self.previous = {name: [0] * len(self.counts[name]) for name in names}
        self.extremes = {
            node.name: [[0, 0] for _ in range(net.shapes[node.name][0])] for node in self.readers
        }
        self.steps = 0

    @property
    def is_rate(self) -> bool:
        return isinstance(self.timing, Rate)

    def step(self) -> dict[str, list[int]]:
        """Run one step; the spikes of inputs and populations."""
        sent: dict[str, list[int]] = {}
        for node in self.net.graph.nodes:
            match node:
                case Input(name=name):
                    active = self.is_rate or self.steps == 0
                    sent[name] = list(self.inputs[name]) if active else [0] * len(self.inputs[name])
                case Population():
                    sent[node.name] = self._fire(node, sent)
                case Readout():
                    self._integrate(node, sent)
                    continue
                case _ if node.name in self.net.synapses:
                    continue
                case _:
                    sent[node.name] = self._wired(node, sent)
            name = node.name
            self.counts[name] = [a + b for a, b in zip(self.counts[name], sent[name], strict=True)]
        self.previous = sent
        self.steps += 1
        return {node.name: sent[node.name] for node in (*self.net.graph.inputs, *self.net.graph.populations)}

    def _start(self, node: Population | Readout) -> list[int]:
        if isinstance(node, Readout):
            return [0 if self.is_rate else bias_at(node.bias, i) for i in self.index[node.name]]
        neuron = node.neuron
        if isinstance(neuron, Table):
            return [0 for _ in self.index[node.name]]
        assert isinstance(neuron, Staircase)
        if self.is_rate:
            return [self._theta(neuron, i[0]) // 2 for i in self.index[node.name]]
        return [bias_at(neuron.bias, i) + int(neuron.theta.data[i[0]]) // 2 for i in self.index[node.name]]

    def _theta(self, neuron: Staircase, channel: int) -> int:
        gain = max(neuron.hi, -neuron.lo) if self.is_rate else 1
        return int(neuron.theta.data[channel]) * gain

    def _gain(self, name: str, index: int) -> int:
        """L of the population behind a value, for `rate` alone; the graded input counts as it is."""
        origin = self.net.graph.by_name.get(self.net.origin(name, index))
        if not self.is_rate or not isinstance(origin, Population):
            return 1
        assert isinstance(origin.neuron, Staircase)
        return max(origin.neuron.hi, -origin.neuron.lo)

    def _integrate(self, node: Population | Readout, sent: Mapping[str, list[int]]) -> None:
        spikes = sent if self.is_rate else self.previous
        for j, triples in enumerate(self.incoming[node.name]):
            index = self.index[node.name][j]
            parts = [w * self._gain(source, i) * spikes[source][i] for source, i, w in triples]
            parts = [part for part in parts if part]
            if self.is_rate:
                bias = node.bias if isinstance(node, Readout) else node.neuron.bias  # type: ignore[union-attr]
                parts.append(bias_at(bias, index))
            self.random.shuffle(parts)
            v = self.potentials[node.name][j]
            self._see(node.name, index[0], v)
            for part in parts:
                v += part
                self._see(node.name, index[0], v)
            self.potentials[node.name][j] = v

    def _see(self, name: str, channel: int, v: int) -> None:
        extremes = self.extremes[name][channel]
        extremes[0], extremes[1] = min(extremes[0], v), max(extremes[1], v)

    def _fire(self, node: Population, sent: Mapping[str, list[int]]) -> list[int]:
        self._integrate(node, sent)
        spikes = []
        neuron = node.neuron
        if isinstance(neuron, Table):
            for j, index in enumerate(self.index[node.name]):
                wanted, now = level(neuron, self.potentials[node.name][j], index), self.counts[node.name][j]
                spikes.append((wanted > now) - (wanted < now))
            return spikes
        assert isinstance(neuron, Staircase)
        for j, index in enumerate(self.index[node.name]):
            theta, v = self._theta(neuron, index[0]), self.potentials[node.name][j]
            s, v = self._rule(neuron, theta, v, self.counts[node.name][j])
            self._see(node.name, index[0], v)
            self.potentials[node.name][j] = v
            spikes.append(s)
        return spikes

    def _rule(self, neuron: Staircase, theta: int, v: int, sent: int) -> tuple[int, int]:
        if isinstance(self.timing, Rate):
            if v >= theta:
                return 1, 0 if self.timing.reset is Reset.ZERO else v - theta
            return (-1, v + theta) if neuron.lo < 0 and v < 0 else (0, v)
        if v >= theta and sent < neuron.hi:
            return 1, v - theta
        return (-1, v + theta) if v < 0 and sent > neuron.lo else (0, v)

    def _wired(self, node: Any, sent: Mapping[str, list[int]]) -> list[int]:
        if not isinstance(node, MaxPool):
            return self.net.wired(node, sent)
        best = self.net.wired(node, self.counts)
        return [b - s for b, s in zip(best, self.counts[node.name], strict=True)]
