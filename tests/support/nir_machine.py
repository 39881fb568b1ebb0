"""A small interpreter of NIR files, written from NIR's definitions and the metadata in docs/nir.md alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np

from snncc_backends.nir.leaks import is_relay
from snncc_ir.graph import Graph
from snncc_ir.streaming import run_streaming
from snncc_ir.timing import Rate

Array = np.ndarray[Any, Any]


NEURONS = nir.IF, nir.LIF, nir.CubaLIF


class Machine:
    """The nodes of a file, stepped in topological order on one image."""

    def __init__(self, file: Path) -> None:
        graph = nir.read(file)
        self.nodes, self.metadata = graph.nodes, graph.metadata
        self.sources = {name: [a for a, b in graph.edges if b == name] for name in self.nodes}
        self.order: list[str] = []
        for name in self.nodes:
            self._visit(name)
        self.spikes = {name: [] for name, node in self.nodes.items() if isinstance(node, NEURONS)}
        self.v = {name: self._start(self.nodes[name]) for name in self.spikes}
        self.i = {name: np.zeros(self.v[name].shape) for name in self.spikes}
        self.sums = {name: 0.0 for name, node in self.nodes.items() if isinstance(node, nir.Output)}

    def _start(self, node: nir.NIRNode) -> Array:
        if isinstance(node, nir.IF):
            return np.asarray(node.metadata["v_initial"].astype(float))
        return np.zeros(node.v_threshold.shape)

    def _visit(self, name: str) -> None:
        if name not in self.order:
            for source in self.sources[name]:
                self._visit(source)
            self.order.append(name)

    def step(self, inputs: dict[str, Array]) -> None:
        values: dict[str, Array] = {}
        for name in self.order:
            node = self.nodes[name]
            x = inputs[name] if isinstance(node, nir.Input) else sum(values[s] for s in self.sources[name])
            values[name] = self._value(name, node, np.asarray(x, dtype=float))

    def _value(self, name: str, node: nir.NIRNode, x: Array) -> Array:
        match node:
            case nir.Input():
                return x
            case nir.Output():
                self.sums[name] = self.sums[name] + x
                return x
            case nir.Affine():
                return node.weight.astype(float) @ x + node.bias
            case nir.Scale():
                return x * node.scale
            case nir.Flatten():
                assert (node.start_dim, node.end_dim) == (0, -1)
                return x.ravel()
            case nir.Conv2d():
                return convolve(x, node) + node.bias[:, None, None]
            case nir.SumPool2d():
                return pool(x, node)
            case nir.IF() | nir.LIF() | nir.CubaLIF():
                return self._fire(name, node, x) if isinstance(node, nir.IF) else self._leak(name, node, x)
        raise AssertionError(type(node))

    def _fire(self, name: str, node: nir.IF, x: Array) -> Array:
        v = self.v[name] + node.r * x
        z = v > node.v_threshold
        assert (z == (v >= node.v_threshold)).all()  # the file leaves nothing to the choice between the two
        soft = node.metadata["reset"] == "subtract"
        self.v[name] = v - node.v_threshold * z if soft else np.where(z, node.v_reset, v)
        self.spikes[name].append(z.astype(int))
        return z.astype(float)

    def _leak(self, name: str, node: nir.LIF | nir.CubaLIF, x: Array) -> Array:
        """A step of forward Euler; what is left of i and v is rounded toward zero, v to 64ths of `v_unit`."""
        dt, grid = float(self.metadata["dt"]), float(node.metadata["v_unit"]) / 64
        if isinstance(node, nir.CubaLIF):
            share, fall = dt / node.tau_mem, dt / node.tau_syn
            self.i[name] = left(self.i[name], fall, grid / (share * node.r)) + fall * node.w_in * x
        else:
            share = dt / node.tau
            self.i[name] = x
        v = left(self.v[name], share, grid) + share * (node.r * self.i[name] + node.v_leak)
        z = v > node.v_threshold
        assert (z == (v >= node.v_threshold)).all()
        assert (v / grid == np.rint(v / grid)).all()
        self.v[name] = np.where(z, node.v_reset, v)
        self.spikes[name].append(z.astype(int))
        return z.astype(float)


def left(x: Array, share: Array, grid: Array | float) -> Array:
    """What a step leaves of x, of which it loses a share, rounded toward zero to a multiple of `grid`."""
    return np.asarray(np.trunc((1 - share) * (x / grid)) * grid)


def convolve(x: Array, node: nir.Conv2d) -> Array:
    (down, right), (py, px), (dy, dx) = (
        map(int, pair) for pair in (node.stride, node.padding, node.dilation)
    )
    assert node.groups == 1
    outputs, _, height, width = node.weight.shape
    x = np.pad(x, ((0, 0), (py, py), (px, px)))
    rows = range(0, x.shape[1] - dy * (height - 1), down)
    columns = range(0, x.shape[2] - dx * (width - 1), right)
    y = np.zeros((outputs, len(rows), len(columns)))
    for i, r in enumerate(rows):
        for j, c in enumerate(columns):
            window = x[:, r : r + dy * (height - 1) + 1 : dy, c : c + dx * (width - 1) + 1 : dx]
            y[:, i, j] = (node.weight * window).sum(axis=(1, 2, 3))
    return y


def pool(x: Array, node: nir.SumPool2d) -> Array:
    (height, width), (down, right), (py, px) = (
        map(int, pair) for pair in (node.kernel_size, node.stride, node.padding)
    )
    x = np.pad(x, ((0, 0), (py, py), (px, px)))
    rows, columns = (
        range(0, n - k + 1, s) for n, k, s in ((x.shape[1], height, down), (x.shape[2], width, right))
    )
    return np.array(
        [[x[:, r : r + height, c : c + width].sum(axis=(1, 2)) for c in columns] for r in rows]
    ).transpose(2, 0, 1)


def check_same_spikes(graph: Graph, inputs: dict[str, Array], file: Path) -> None:
    """Every spike of every step, and the sums of every output."""
    assert isinstance(graph.timing, Rate)
    steps = graph.timing.steps
    run = run_streaming(graph, inputs)
    for image in range(len(next(iter(inputs.values())))):
        machine = Machine(file)
        for _ in range(steps):
            machine.step({name: x[image] for name, x in inputs.items()})
        assert machine.metadata["steps"] == steps
        for node in graph.populations:
            if node.name not in machine.spikes:  # it passes the spikes of an input on
                assert is_relay(graph, node)
                continue
            np.testing.assert_array_equal(machine.spikes[node.name], run.trains[node.name][:, image])
        for name in graph.outputs:
            if name in run.outputs:
                np.testing.assert_array_equal(machine.sums[name], run.outputs[name][-1, image])
            else:
                np.testing.assert_array_equal(machine.sums[f"{name}_output"], run.counts[name][image])
