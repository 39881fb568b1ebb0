"""snncc's native engine: the artefact `levels` or `rate` with spikes and synaptic operations counted."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from serve import Prepared, serve

from snncc import artefact
from snncc.sim.native.levels import NativeEngine
from snncc.sim.native.streams import NativeStreamEngine
from snncc_ir.costs import Counter
from snncc_ir.graph import Graph
from snncc_ir.nodes import Readout
from snncc_ir.timing import Phased, Rate


def prepare(folder: Path, batch: int, threads: int, steps: int) -> Prepared:
    """The engine of the artefact's timing."""
    graph = artefact.read(folder / sys.argv[1]).graph
    (node,) = graph.inputs
    with np.load(folder / "images.npz") as arrays:
        feed = {node.name: np.resize(arrays["levels"], (batch, *arrays["levels"].shape[1:]))}
    if isinstance(graph.timing, Phased):
        return _phased(graph, feed, threads)
    return _streaming(replace(graph, timing=Rate(steps)), feed, threads)


def _phased(graph: Graph, feed: dict[str, NDArray[np.generic]], threads: int) -> Prepared:
    engine = NativeEngine(graph, workers=threads, counter=Counter(graph))
    (output,) = (node.name for node in graph.of_type(Readout))
    return Prepared({"levels": lambda: engine.run_counted(feed)[0][output]}, lambda: None)


def _streaming(graph: Graph, feed: dict[str, NDArray[np.generic]], threads: int) -> Prepared:
    engine = NativeStreamEngine(graph, workers=threads, with_counts=False)
    (output,) = (node.name for node in graph.of_type(Readout))

    def density() -> float:
        spikes = engine.run(feed).spikes
        neurons = {node.name: int(np.prod(graph.types[node.name].shape)) for node in graph.populations}
        fired = sum(int(spikes[name].sum()) for name in neurons)
        size = next(iter(spikes.values())).size  # steps times images
        return fired / (size * sum(neurons.values()))

    return Prepared({"steps": lambda: engine.run(feed).outputs[output][-1]}, density)


if __name__ == "__main__":
    serve(prepare)
