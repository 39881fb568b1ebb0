"""What stock LIF neurons cannot express, each reason as one sentence."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from snncc_backends.lava.refusals import unreported_outputs, weight_refusals
from snncc_backends.lava.stock.describe import depth_of
from snncc_ir.certificates import Width, certify_widths
from snncc_ir.codes import Reset
from snncc_ir.graph import Graph
from snncc_ir.lif import GREATEST_SUM, GREATEST_VTH, SHIFT, is_bias
from snncc_ir.machine import Machine
from snncc_ir.neurons import Leaky, Staircase
from snncc_ir.nodes import AnyNode, Conv, Dense, Input, Linear, MaxPool, Population, Readout, SumPool
from snncc_ir.pixels import is_pixels
from snncc_ir.timing import Rate

MOST_SYNAPSES = 2**27
"""Lava holds every synapse by itself, in 8 bytes and more."""

LONGEST_DELAY = 62


def find_refusals(graph: Graph, machine: Machine) -> tuple[str, ...]:
    """Every reason why the graph is no network of stock LIF neurons."""
    if not graph.is_integer:
        return (f"{graph.name}: the graph holds real values; quantize it first",)
    if not isinstance(graph.timing, Rate):
        timing = type(graph.timing).__name__.lower()
        return (f"{graph.name}: {timing} timing; {machine.name} has rate neurons alone, choose --code rate",)
    if graph.timing.reset is not Reset.ZERO:
        return (
            f"{graph.name}: neurons that subtract; the stock LIF neuron resets to zero, choose --reset zero "
            "(two compartments that subtract are no Lava process)",
        )
    nodes = tuple(reason for node in graph.nodes for reason in _node(graph, node))
    if nodes:
        return (*unreported_outputs(graph), *nodes)
    return (
        *unreported_outputs(graph),
        *weight_refusals(graph, machine.weight_bits.value, machine),
        *_ranges(graph),
        *_biases(graph),
        *_size(graph),
    )


def _node(graph: Graph, node: AnyNode) -> Iterator[str]:
    """Kinds of nodes and neurons that there are no processes for."""
    match node:
        case MaxPool():
            yield f"{node.name}: pools by the maximum, which no LIF neuron does; use strided convolutions"
        case Input():
            for reader in graph.readers[node.name]:
                if not is_pixels(graph, reader):
                    yield (
                        f"{node.name}: is read by {reader.name}; a pixel is the bias of a neuron of its own, "
                        "add the pass spike_input"
                    )
        case Population(neuron=Staircase() as neuron):
            if (neuron.lo, neuron.hi) != (0, 1):
                yield f"{node.name}: levels {neuron.lo}..{neuron.hi}; use level_bits=1"
            low, high = neuron.theta.range
            if low != high:
                yield f"{node.name}: thresholds {low}..{high}, a LIF population has one; use quantize_lif"
            elif high > GREATEST_VTH + 1:
                yield f"{node.name}: threshold {high}, the most is {GREATEST_VTH + 1}; use fewer weight bits"
            yield from _delays(graph, node)
        case Population(neuron=Leaky(vth=vth)):
            if vth > GREATEST_VTH:
                yield f"{node.name}: vth {vth}, the most is {GREATEST_VTH}; use fewer weight bits"
            yield from _delays(graph, node)
        case Readout():
            yield from _delays(graph, node)
        case _:
            return


def _delays(graph: Graph, node: Population | Readout) -> Iterator[str]:
    depth = depth_of(graph, node)
    least = min(strand.slot for name in node.drives for strand in graph.strands[name])
    if depth - least > LONGEST_DELAY:
        yield (
            f"{node.name}: a spike would wait {depth - least} steps for others, {LONGEST_DELAY} at most; "
            "use a phased code"
        )


def _ranges(graph: Graph) -> Iterator[str]:
    """Sums that would wrap, and potentials that would be clipped."""
    for name, width in certify_widths(graph).items():
        low, high = _reach(graph.by_name[name], width)
        if max(-low, high) > GREATEST_SUM:
            yield (
                f"{name}: its potential reaches {low}..{high}, a LIF neuron's +-{GREATEST_SUM}; "
                "use fewer steps or weight bits"
            )


def _reach(node: AnyNode, width: Width) -> tuple[int, int]:
    """The extremes of a population's registers, or of a readout's drive, in units of a synaptic sum."""
    bounds = width.membrane.hull(width.drive) if isinstance(node, Population) else width.drive
    low, high = int(bounds.low.min()), int(bounds.high.max())
    if isinstance(node, Population) and isinstance(node.neuron, Leaky):
        return -(-low >> SHIFT), high >> SHIFT
    return low, high


def _biases(graph: Graph) -> Iterator[str]:
    """Biases, pixels included, without mantissa and exponent."""
    for node in graph.populations:
        if not isinstance(node.neuron, Staircase | Leaky):
            continue
        values = node.neuron.bias.values.data
        for projection in graph.projections(node):
            if isinstance(graph.by_name[projection.source], Input):
                levels = graph.levels(projection.source)
                steps = np.arange(levels.lo, levels.hi + 1)
                values = values.reshape(-1, 1) + np.outer(projection.weight.data, steps).reshape(1, -1)
        wrong = values[~is_bias(values)]
        if wrong.size:
            yield (
                f"{node.name}: bias {int(wrong.flat[0])}, no mantissa of 13 bits with an exponent up to 7; "
                "use quantize_lif"
            )


def _size(graph: Graph) -> Iterator[str]:
    total = sum(synapses_of(graph, node) for node in graph.linears)
    if total > MOST_SYNAPSES:
        yield f"{graph.name}: {total} synapses, {MOST_SYNAPSES} at most; use a smaller network"


def synapses_of(graph: Graph, node: Linear) -> int:
    """Synapses of a projection, those on padding included."""
    drives = math.prod(graph.types[node.name].shape)
    match node:
        case Conv() | Dense():
            return drives * math.prod(node.weight.shape[1:])
        case SumPool():
            return drives * math.prod(node.kernel)
        case _:
            return drives
