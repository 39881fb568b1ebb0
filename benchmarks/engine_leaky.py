"""Leaky neurons in the native engine, beside the portable one, and `rate` neurons in the same networks.

    OMP_NUM_THREADS=1 python benchmarks/engine_leaky.py

Convolutions and a dense layer of random weights. Times are processor time of one thread, medians of rounds in
turn; both engines count spikes and synaptic operations of every step. Exits 1 unless they give the same
integers in every step.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from engine import Net, interleaved

from snncc.sim.native.library import native
from snncc.sim.native.streams import NativeStreamEngine
from snncc.sim.streams import StreamBatch, StreamEngine
from snncc_ir.codes import Code, Reset
from snncc_ir.graph import Graph
from snncc_ir.neurons import Leaky, Neuron, Staircase
from snncc_ir.nodes import Population
from snncc_ir.timing import Rate

STEPS, IMAGES, ROUNDS = 32, 8, 5
SHAPES = {"small": ((32, 2), (64, 2)), "large": ((64, 1), (128, 2), (128, 1), (256, 2))}
"""Channels and stride of every convolution, 32 x 32 pixels of 3 channels."""

LEAKS = {"LIF": (4095, 409), "CubaLIF": (2047, 409)}
"""du and dv: a tenth of v leaks in a step, and half of u or all of it."""

FIRST, LATER = 4.0e5, 0.2
"""What makes spikes of every tenth step or so."""


def network(name: str) -> Graph:
    """Convolutions of random weights, and a readout."""
    net, size = Net(np.random.default_rng(0)), 32
    for number, (channels, stride) in enumerate(SHAPES[name]):
        fan_in = 9 * net.channels * (LATER if number else FIRST)
        drive = net.convolve(f"c{number}", channels, stride)
        net.fire(f"p{number}", channels, int(fan_in), drive)
        size //= stride
    return net.graph(name, size)


def streaming(graph: Graph, neuron: Callable[[Staircase], Neuron]) -> Graph:
    """The network with other neurons, in `rate` steps."""
    nodes = tuple(
        replace(node, neuron=neuron(node.neuron), code=Code.RATE)
        if isinstance(node, Population) and isinstance(node.neuron, Staircase)
        else node
        for node in graph.nodes
    )
    return replace(graph, nodes=nodes, timing=Rate(STEPS, Reset.ZERO))


def leaking(du: int, dv: int) -> Callable[[Staircase], Neuron]:
    """Neurons that leak at a threshold."""
    return lambda neuron: Leaky(vth=int(neuron.theta.data[0]), bias=neuron.bias, du=du, dv=dv)


def same(ours: StreamBatch, theirs: StreamBatch) -> bool:
    """All that both engines give, step by step."""
    parts = ("counts", "outputs", "spikes", "synops")
    return all(
        np.array_equal(values, getattr(theirs, part)[name])
        for part in parts
        for name, values in getattr(ours, part).items()
    )


def row(name: str, kind: str, graph: Graph) -> bool:
    """Print the times of both engines; True where they give the same."""
    ours, theirs = NativeStreamEngine(graph, 1), StreamEngine(graph)
    feed = {"x": np.random.default_rng(1).integers(0, 256, (IMAGES, 3, 32, 32))}
    run = ours.run(feed)
    equal = same(run, theirs.run(feed)) and same(ours.run(feed), run)
    times = interleaved([lambda: ours.run(feed), lambda: theirs.run(feed)], ROUNDS)
    own, portable = (1e3 * statistics.median(each) / IMAGES for each in times)
    neurons = sum(int(np.prod(graph.types[node.name].shape)) for node in graph.populations)
    spikes = sum(int(run.spikes[node.name].sum()) for node in graph.populations)
    density = spikes / (neurons * STEPS * IMAGES)
    print(
        f"{name:8} {kind:8} {density:8.1%} {own:10.3f} {portable:10.2f} {portable / own:8.1f}   "
        f"{'yes' if equal else 'NO'}",
        flush=True,
    )
    return equal


def main() -> int:
    """All networks with all neurons."""
    print(f"kernels: {native().kernels}; {STEPS} steps, {IMAGES} images, ms per image")
    print("network  neurons  density     native   portable    ratio   equal")
    equal = True
    for name in SHAPES:
        graph = network(name)
        equal &= row(name, "rate", streaming(graph, lambda neuron: replace(neuron, hi=1)))
        for kind, leak in LEAKS.items():
            equal &= row(name, kind, streaming(graph, leaking(*leak)))
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
