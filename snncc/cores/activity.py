"""How often every neuron fires, from levels or spike counts that were measured on images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_ir.codes import Code
from snncc_ir.costs import spikes_per_level, spread, trains_sent
from snncc_ir.graph import Graph
from snncc_ir.nodes import Input, MaxPool, Population
from snncc_ir.timing import Phased, Rate

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Activity:
    """Spikes per image of every neuron, by sender; `steps` of an image; one enters every `window` steps."""

    spikes: Mapping[str, NDArray[np.float32]]
    steps: int
    window: int


def phased_activity(graph: Graph, levels: Mapping[str, Array]) -> Activity:
    """Activity of a phased graph whose inputs and populations have the levels `[N, *shape]`."""
    values, sent = spread(graph, levels), trains_sent(graph)
    spikes = {}
    for node in graph.nodes:
        if isinstance(node, Input | Population | MaxPool):
            strand = graph.strands[node.name][0]
            table = spikes_per_level(strand.code, strand.lo, strand.hi) * sent.get(node.name, 1)
            found = table[np.clip(values[node.name].astype(np.int64) - strand.lo, 0, len(table) - 1)]
            spikes[node.name] = found.mean(axis=0).astype(np.float32)
    return Activity(spikes=spikes, steps=graph.latency * graph.window, window=graph.window)


def streamed_activity(
    graph: Graph, counts: Mapping[str, Array], inputs: Mapping[str, Array], steps: int, *, payloads: bool
) -> Activity:
    """Activity of a streaming graph from the spike counts `[N, *shape]` of its populations over `steps`.

    An input sends its levels in each step, or once (`stbif`); where spikes have no payload, level n of an
    input that reaches L is n / L spikes in a step.
    """
    lasting = steps if isinstance(graph.timing, Rate) else 1
    spikes: dict[str, NDArray[np.float32]] = {}
    for node in graph.inputs:
        value = np.abs(inputs[node.name]).astype(np.float64)
        sent = value != 0 if payloads else value / graph.strand(node.name).top
        spikes[node.name] = (sent.mean(axis=0) * lasting).astype(np.float32)
    measured = {**inputs, **{node.name: np.abs(counts[node.name]) for node in graph.populations}}
    values = spread(graph, measured)
    for sender in graph.nodes:
        if isinstance(sender, Population | MaxPool):
            spikes[sender.name] = np.abs(values[sender.name]).mean(axis=0).astype(np.float32)
    depth = graph.latency if isinstance(graph.timing, Rate) else 0
    return Activity(spikes=spikes, steps=steps + depth, window=steps)


def recoded(graph: Graph, code: Code) -> Graph:
    """A phased graph with another code for all its populations; the levels stay."""
    if not isinstance(graph.timing, Phased) or not code.is_phased:
        raise ValueError(f"{graph.name} cannot be sent as {code.value}")
    return graph.with_nodes(replace(node, code=code) for node in graph.populations)
