"""A graph as a program for levels."""

from __future__ import annotations

import numpy as np

from snncc.sim.native.library import PoolShape
from snncc.sim.native.program import NARROW, Lowering, reach_of, spread, spread_classes
from snncc.sim.native.storage import Stored, map_bytes
from snncc.sim.tables import find_line
from snncc_ir.certificates import drive_interval
from snncc_ir.graph import Graph
from snncc_ir.neurons import Leaky, Staircase, Table
from snncc_ir.nodes import Input, MaxPool, Population, Readout
from snncc_ir.types import Levels

CACHE = 1 << 20
"""Bytes of all values of the maps that go through the network together, about."""


class LevelLowering(Lowering):
    """Codes are levels - lo."""

    def __init__(self, graph: Graph) -> None:
        """A program for as many maps at a time as the cache holds."""
        super().__init__(graph, max(4, min(32, CACHE // map_bytes(graph))))

    def export(self, name: str) -> tuple[int, ...]:
        """Slots to which the planes of a value are written."""
        return tuple(self.program("export", plane.buffer) for plane in self.stored[name].planes)

    def range(self, name: str) -> Levels:
        """The value's own levels."""
        return self.graph.levels(name)

    def input(self, node: Input, value: Stored) -> tuple[int, ...]:
        """Add an input."""
        return tuple(self.program("input", plane.buffer) for plane in value.planes)

    def pool(self, node: MaxPool, source: Stored, result: Stored, shape: PoolShape) -> None:
        """The greatest code is that of the greatest level."""
        self.program("max_pool", source.buffers, result.buffers, shape)

    def stairs(self, node: Population, neuron: Staircase, result: Stored) -> None:
        """floor((U + b + h - lo * theta) / theta) is the code, within its range."""
        theta = np.ascontiguousarray(neuron.theta.data)
        offsets, classes = spread(neuron.bias)
        offsets = offsets + (theta // 2 - neuron.lo * theta)
        self.begin(node, wide=reach_of(drive_interval(self.graph, node), offsets) > NARROW)
        self.program("end_stairs", result.buffers, theta, offsets, len(offsets), classes, result.span)

    def table(self, node: Population, neuron: Table, result: Stored) -> None:
        """The number of breakpoints reached is the code; no drive beyond the certified ones occurs."""
        drive = drive_interval(self.graph, node)
        values, classes = spread_classes(neuron.breakpoints.data, neuron.rows, neuron.columns)
        inside = np.ascontiguousarray(np.clip(values, drive.low[:, None], drive.high[:, None] + 1))
        line = find_line(neuron, drive)
        ends = (None, None) if line is None else (line.slope, line.start)
        self.begin(node, wide=reach_of(drive, np.zeros(1, np.int64)) > NARROW)
        self.program("end_table", result.buffers, inside, len(inside), classes, result.span, *ends)

    def leaky(self, node: Population, neuron: Leaky, result: Stored) -> None:
        """Spikes in time are no levels, and no graph of levels has such neurons."""
        raise TypeError("a leaky neuron has no level")

    def readout(self, node: Readout) -> None:
        """The sum of the drives and the bias."""
        offsets, classes = spread(node.bias)
        reach = reach_of(drive_interval(self.graph, node), np.zeros(1, np.int64))
        self.begin(node, wide=reach > NARROW)
        self.readouts[node.name] = self.program("end_readout", offsets, len(offsets), classes)
