"""The engine `lif`: a network of stock neurons by our own model of Lava's fixed-point LIF, without Lava."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_backends.lava.stock.refusals import find_refusals
from snncc_ir.backend import EngineRun
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.lif import SHIFT, Lif, bias_parts
from snncc_ir.linear import drive, wire
from snncc_ir.machine import Machine
from snncc_ir.neurons import Leaky, Staircase
from snncc_ir.nodes import Concat, Input, Linear, Population, Readout
from snncc_ir.progress import Progress
from snncc_ir.semantics import check_input
from snncc_ir.timing import Rate

Array = NDArray[Any]


@dataclass(frozen=True)
class LifEngine:
    """Registers of 24 bits, thresholds and biases as Lava's LIF has them, layer by layer."""

    name: str = "lif"

    def missing(self) -> None:
        """Nothing: it needs numpy alone."""
        return None

    def runs(self, graph: Graph) -> bool:
        """Rate networks."""
        return isinstance(graph.timing, Rate)

    def run(
        self, graph: Graph, machine: Machine, inputs: Mapping[str, Array], progress: Progress
    ) -> EngineRun:
        """Run images `inputs[name][I, *shape]`, each on its own."""
        refusals = find_refusals(graph, machine)
        if refusals or not isinstance(graph.timing, Rate):
            raise TargetError("; ".join(refusals))
        levels = {node.name: check_input(node, inputs[node.name]) for node in graph.inputs}
        network = _Network(graph, levels)
        for step in range(graph.timing.steps):
            network.step()
            progress(step + 1, graph.timing.steps)
        steps = graph.timing.steps
        trains = {name: np.stack(spikes, axis=1) for name, spikes in network.trains.items()}
        trains |= {name: np.repeat(x[:, None], steps, axis=1) for name, x in levels.items()}
        return EngineRun(trains=trains, outputs=network.sums, steps=steps * network.images)


class _Network:
    """Currents, potentials and what has been sent of all images at once."""

    def __init__(self, graph: Graph, levels: Mapping[str, Array]) -> None:
        self._graph, self._levels = graph, levels
        self.images = len(next(iter(levels.values())))
        self.trains: dict[str, list[Array]] = {node.name: [] for node in graph.populations}
        self.sums = {node.name: self._zeros(node.name) for node in graph.of_type(Readout)}
        self._neurons = {node.name: self._lif(node) for node in graph.populations}
        halves = {node.name for node in graph.populations if isinstance(node.neuron, Staircase)}
        self._u = {name: self._zeros(name) for name in self._neurons}
        self._v = {
            name: self._zeros(name) + (((lif.vth + 1) // 2) << SHIFT if name in halves else 0)
            for name, lif in self._neurons.items()
        }

    def _zeros(self, name: str) -> Array:
        return np.zeros((self.images, *self._graph.types[name].shape), np.int64)

    def _lif(self, node: Population) -> Lif:
        """The parameters of a population; its pixels are part of its biases."""
        if not isinstance(node.neuron, Staircase | Leaky):
            raise TypeError("a LIF neuron is a staircase, or leaks")
        bias = self._zeros(node.name) + node.neuron.bias.spread(self._graph.types[node.name].shape)
        for projection in self._graph.projections(node):
            if projection.source in self._levels:
                bias = bias + drive(projection, self._levels[projection.source])
        mantissa, exponent = bias_parts(bias)
        if isinstance(node.neuron, Leaky):
            leaky = node.neuron
            return Lif(vth=leaky.vth, bias_mant=mantissa, bias_exp=exponent, du=leaky.du, dv=leaky.dv)
        return Lif(vth=int(node.neuron.theta.data[0]) - 1, bias_mant=mantissa, bias_exp=exponent)

    def step(self) -> None:
        """One time step of every layer."""
        spikes: dict[str, Array] = {}
        for node in self._graph.nodes:
            match node:
                case Input() | Linear():
                    continue
                case Population(name=name):
                    self._u[name], self._v[name], spikes[name] = self._neurons[name].step(
                        self._u[name], self._v[name], self._drive(node, spikes)
                    )
                    self.trains[name].append(spikes[name])
                case Readout(name=name):
                    bias = node.bias.spread(self._graph.types[name].shape)
                    self.sums[name] = self.sums[name] + self._drive(node, spikes) + bias
                case Concat():
                    spikes[node.name] = wire(node, *(spikes[part] for part in node.parts))
                case _:
                    spikes[node.name] = wire(node, spikes[node.sources[0]])

    def _drive(self, node: Population | Readout, spikes: Mapping[str, Array]) -> Array:
        """The synaptic sum; pixels are biases."""
        total = self._zeros(node.name)
        for projection in self._graph.projections(node):
            if projection.source not in self._levels:
                total = total + drive(projection, spikes[projection.source])
        return total
