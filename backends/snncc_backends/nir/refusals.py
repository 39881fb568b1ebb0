"""What NIR cannot express, each reason as one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch

import numpy as np

from snncc_backends.nir.kernels import square_kernel
from snncc_backends.nir.leaks import is_relay, leak_refusals, leaky_neurons, step_refusals
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Leaky, Staircase
from snncc_ir.nodes import AnyNode, Conv, MaxPool, Population, Readout, Reshape, SumPool, Wiring
from snncc_ir.timing import Rate
from snncc_ir.types import MAX_ELEMENTS


def find_refusals(graph: Graph) -> tuple[str, ...]:
    """Every reason why the graph has no NIR form."""
    if not graph.is_integer:
        return (f"{graph.name}: the graph holds real values; quantize it first",)
    if not isinstance(graph.timing, Rate):
        timing = type(graph.timing).__name__.lower()
        return (
            f"{graph.name}: {timing} timing, and a neuron of NIR only integrates and fires in every step; "
            "compile with --code rate",
        )
    return (*step_refusals(graph), *(reason for node in graph.nodes for reason in _reasons(node, graph)))


@singledispatch
def _reasons(node: AnyNode, graph: Graph) -> Iterator[str]:
    """Why a node has no NIR form."""
    yield from ()


@_reasons.register
def _(node: Wiring, graph: Graph) -> Iterator[str]:
    kind = type(node).__name__.lower()
    yield f"{node.name}: NIR has no {kind}; its only wiring is flattening"


@_reasons.register
def _(node: MaxPool, graph: Graph) -> Iterator[str]:
    yield (f"{node.name}: NIR has no max-pool; train with average pools or strided convolutions in its place")


@_reasons.register
def _(node: Reshape, graph: Graph) -> Iterator[str]:
    source = graph.types[node.source].shape
    if len(node.shape) > 1 and node.shape != source:
        yield f"{node.name}: reshapes to {len(node.shape)} axes; NIR only flattens to one"


@_reasons.register
def _(node: Conv, graph: Graph) -> Iterator[str]:
    source = graph.types[node.source].shape
    kernel = square_kernel(node, source)
    if kernel is None:
        yield (
            f"{node.name}: its kernel and padding have no square, symmetric form; NIR pads both sides alike"
        )
    elif kernel.weight.size > MAX_ELEMENTS:
        yield f"{node.name}: has more than {MAX_ELEMENTS} weights once its groups are written as one"


@_reasons.register
def _(node: SumPool, graph: Graph) -> Iterator[str]:
    if any(before != after for before, after in node.padding):
        yield f"{node.name}: pads {node.padding}; NIR pads both sides alike"


@_reasons.register
def _(node: Readout, graph: Graph) -> Iterator[str]:
    yield from _border(node.name, node.bias)


@_reasons.register
def _(node: Population, graph: Graph) -> Iterator[str]:
    if isinstance(node.neuron, Leaky):
        yield from _border(node.name, node.neuron.bias)
        yield from leak_refusals(node, node.neuron)
        return
    if not isinstance(node.neuron, Staircase):
        yield f"{node.name}: a table of breakpoints is no integrate-and-fire neuron"
        return
    if leaky_neurons(graph) and not is_relay(graph, node):
        yield f"{node.name}: does not leak, and others do; a NIR file for compile has one kind of neuron"
    yield from _border(node.name, node.neuron.bias)
    if node.neuron.lo < 0:
        yield (
            f"{node.name}: its levels {node.neuron.lo}..{node.neuron.hi} need spikes of -1, which an IF "
            "neuron does not send; put a Relu behind that layer"
        )


def _border(name: str, bias: Bias) -> Iterator[str]:
    if not is_uniform(bias):
        yield (
            f"{name}: its bias differs at the border, and NIR has one per channel; "
            "a mean of the input other than 0 does that"
        )


def is_uniform(bias: Bias) -> bool:
    """True where every position of a channel has the same bias."""
    values = bias.values.data.reshape(len(bias.values.data), -1)
    return bool((values == values[:, :1]).all()) and bool(np.isfinite(values).all())
