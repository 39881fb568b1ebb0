"""How much the outputs lose by the rounding of each channel: its error spread forward by squared weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from snncc_ir.graph import Graph
from snncc_ir.linear import pool_divisor, pool_factors, wire
from snncc_ir.neurons import Analog, per_channel
from snncc_ir.nodes import (
    AnyNode,
    Conv,
    Dense,
    Linear,
    Population,
    Readout,
    Scale,
    SumPool,
    Wiring,
)
from snncc_ir.statistics import Statistics
from snncc_ir.tensors import Reals


def importances(graph: Graph, statistics: Mapping[str, Statistics]) -> dict[str, Reals]:
    """Squared error of all outputs `[C]` where a channel of an analog population is off by its whole range.

    Errors are taken as independent, so that their squares go back through squared weights; what a rectifier
    holds at 0 passes none. The range of a channel is that of its calibrated activations.
    """
    work = _Backward(graph, statistics)
    for node in reversed(graph.nodes):
        work.visit(node)
    found = {}
    for node in graph.populations:
        if isinstance(node.neuron, Analog):
            seen = statistics[node.name]
            found[node.name] = work.gain[node.name] * np.square(np.maximum(seen.high, -seen.low))
    return found


@dataclass
class _Backward:
    """`gain[value][C]`: squared error of the outputs where all of a channel has an error of variance 1."""

    graph: Graph
    statistics: Mapping[str, Statistics]
    gain: dict[str, Reals] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.gain = {name: np.zeros(value.shape[0]) for name, value in self.graph.types.items()}

    def visit(self, node: AnyNode) -> None:
        """Add to the gain of what the node reads."""
        match node:
            case Readout():
                for drive in node.drives:
                    self.gain[drive] += 1.0
            case Population():
                for drive in node.drives:
                    self.gain[drive] += self.gain[node.name] * self._passing(node)
            case Linear():
                self.gain[node.source] += self._through(node)
            case Wiring():
                self._rewire(node)

    def _passing(self, node: Population) -> Reals:
        """Share of the activations that are not held at 0, `[C]`."""
        seen = self.statistics.get(node.name)
        if seen is None:
            return np.ones(1)
        return np.asarray((seen.sample != 0).mean(axis=0), dtype=np.float64)

    def _through(self, node: Linear) -> Reals:
        gain, weight = self.gain[node.name], np.square(node.weight.data)
        match node:
            case Conv(groups=groups):
                by_group = weight.sum(axis=(2, 3)).reshape(groups, -1, weight.shape[1])
                return np.asarray(np.einsum("go,goi->gi", gain.reshape(groups, -1), by_group).ravel())
            case Dense():
                return np.asarray(gain @ weight)
            case SumPool():
                shape = self.graph.types[node.source].shape
                # U is the divisor times the average of the window.
                taps = pool_divisor(node, shape) * pool_factors(node, shape).mean()
                return np.asarray(gain * weight * taps)
            case Scale():
                return np.asarray(gain * weight)
            case _:
                raise TypeError(f"no rule for {type(node).__name__}")

    def _rewire(self, node: Wiring) -> None:
        """Every channel of a source gets the gain of the positions that it went to, in equal parts."""
        gain, ends, labels = self.gain[node.name], [1], []  # 0 stands for padding
        for name in node.sources:
            shape = self.graph.types[name].shape
            channels = np.arange(ends[-1], ends[-1] + shape[0])
            labels.append(np.broadcast_to(per_channel(channels, len(shape)), shape)[None])
            ends.append(ends[-1] + shape[0])
        value = wire(node, *labels)[0]
        share = np.broadcast_to(per_channel(gain / value[0].size, value.ndim), value.shape)
        total = np.bincount(value.ravel(), share.ravel(), minlength=ends[-1])
        for name, first, last in zip(node.sources, ends, ends[1:], strict=False):
            self.gain[name] += total[first:last]
