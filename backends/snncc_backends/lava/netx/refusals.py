"""What a netx file cannot express, each reason as one sentence.

Source: lava-dl 0.6.0, lava/lib/dl/netx/hdf5.py (Network) and utils.py (optimize_weight_bits); lava-nc 0.10.0,
lava/proc/conv/models.py (AbstractPyConvModel).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch

import numpy as np

from snncc_backends.chips import load_machine
from snncc_backends.lava.stock.refusals import find_refusals as find_stock_refusals
from snncc_ir.certificates import bias_interval, certify_widths
from snncc_ir.graph import Graph
from snncc_ir.lif import GREATEST_MANTISSA, GREATEST_SUM, LEAST_MANTISSA, is_mantissa
from snncc_ir.neurons import Bias, Leaky, Staircase
from snncc_ir.nodes import (
    AnyNode,
    Conv,
    Dense,
    Input,
    Population,
    Readout,
    Reshape,
    Scale,
    SumPool,
    Wiring,
)
from snncc_ir.pixels import is_pixels

CHIP = "loihi1"
"""Its neurons and synapses are those of the file."""

GREATEST_SIZE = 127
"""Lava's convolutions hold strides, paddings, dilations, kernels and groups in 8 bits with sign."""

AXES = (1, 3)
"""Of the value of a layer."""


def find_refusals(graph: Graph) -> tuple[str, ...]:
    """Every reason why the graph has no netx form."""
    stock = find_stock_refusals(graph, load_machine(CHIP))
    if stock:
        return stock
    return (*_row(graph), *(reason for node in graph.nodes for reason in _reasons(node, graph)))


def _row(graph: Graph) -> Iterator[str]:
    """Whatever makes the network more than one row of layers."""
    if len(graph.inputs) != 1:
        yield f"{graph.name}: has {len(graph.inputs)} inputs; a netx file begins with one"
    if graph.outputs != (graph.nodes[-1].name,):
        outputs = ", ".join(graph.outputs)
        yield f"{graph.name}: its outputs are {outputs}; that of a netx file is its last layer alone"
    for name, readers in graph.readers.items():
        if len(readers) > 1:
            several = ", ".join(reader.name for reader in readers)
            yield (
                f"{name}: is read by {several}; the layers of a netx file stand in one row, "
                "so train without branches"
            )
    for node in graph.nodes:
        if isinstance(node, Population | Readout) and len(node.drives) > 1:
            sums = ", ".join(node.drives)
            yield f"{node.name}: adds up {sums}; a netx layer has one projection, so train without skips"


@singledispatch
def _reasons(node: AnyNode, graph: Graph) -> Iterator[str]:
    """Why a node has no netx form."""
    yield from ()


@_reasons.register
def _(node: Wiring, graph: Graph) -> Iterator[str]:
    kind = type(node).__name__.lower()
    yield f"{node.name}: netx has no {kind}; its only wiring is flattening"


@_reasons.register
def _(node: Reshape, graph: Graph) -> Iterator[str]:
    source = graph.types[node.source].shape
    if len(node.shape) > 1 and node.shape != source:
        yield f"{node.name}: reshapes to {len(node.shape)} axes; netx only flattens to one"


@_reasons.register
def _(node: SumPool, graph: Graph) -> Iterator[str]:
    yield (
        f"{node.name}: pools by the average, which the reader of lava-dl 0.6.0 does not implement; "
        "train with strided convolutions in its place"
    )


@_reasons.register
def _(node: Scale, graph: Graph) -> Iterator[str]:
    low, high = node.weight.range
    if not is_pixels(graph, node):
        yield (
            f"{node.name}: multiplies channel by channel; the synapses of netx are conv and dense, "
            "so put a convolution in its place"
        )
    elif low != high:
        yield f"{node.name}: multiplies pixels by {low}..{high}, netx all pixels by one number"


@_reasons.register
def _(node: Conv, graph: Graph) -> Iterator[str]:
    if any(before != after for before, after in node.padding):
        yield (
            f"{node.name}: pads {node.padding}; netx pads both sides of an axis alike, "
            "so train with symmetric padding"
        )
    sizes = (*node.weight.shape[2:], *node.stride, *(side[0] for side in node.padding), *node.dilation)
    if max(*sizes, node.groups) > GREATEST_SIZE:
        yield (
            f"{node.name}: a kernel, stride, padding, dilation or number of groups is "
            f"{max(*sizes, node.groups)}; Lava's convolution takes {GREATEST_SIZE} at most"
        )


@_reasons.register
def _(node: Dense, graph: Graph) -> Iterator[str]:
    weights = node.weight.data
    low, high = int(weights.min()), int(weights.max())
    if low == high == 0:
        yield f"{node.name}: all its weights are 0, for which the reader of lava-dl 0.6.0 finds no exponent"
    elif high <= 0 and (-low).bit_count() == 1:
        yield (
            f"{node.name}: none of its weights is above 0 and the least is {low}, which the reader of "
            "lava-dl 0.6.0 shifts out of the synapse's range; use another --weight-bits"
        )


@_reasons.register
def _(node: Population, graph: Graph) -> Iterator[str]:
    axes = len(graph.types[node.name].shape)
    if axes not in AXES:
        yield f"{node.name}: its values have {axes} axes; those of a netx layer have 1 or 3"
    if isinstance(node.neuron, Staircase | Leaky):
        yield from _biases(graph, node, node.neuron.bias)


@_reasons.register
def _(node: Readout, graph: Graph) -> Iterator[str]:
    yield from _biases(graph, node, node.bias)
    bounds = certify_widths(graph)[node.name].drive + bias_interval(node.bias)
    low, high = int(bounds.low.min()), int(bounds.high.max())
    if max(-low, high) > GREATEST_SUM:
        yield (
            f"{node.name}: its drive reaches {low}..{high} in a step, a LIF neuron's potential "
            f"+-{GREATEST_SUM}; use fewer weight bits"
        )


def _biases(graph: Graph, node: Population | Readout, bias: Bias) -> Iterator[str]:
    """Biases that are no mantissa of exponent 6, pixels included, or that an input layer does not have."""
    values = bias.values.data
    for projection in graph.projections(node):
        source = graph.by_name[projection.source]
        if isinstance(source, Input):
            if values.min() != values.max():
                yield f"{node.name}: the neurons of pixels have biases of their own, netx has one for all"
            levels = graph.levels(source.name)
            steps = np.array([levels.lo, levels.hi])
            values = values.reshape(-1, 1) + np.outer(projection.weight.data, steps).reshape(1, -1)
    wrong = values[~is_mantissa(values)]
    if wrong.size:
        yield (
            f"{node.name}: bias {int(wrong.flat[0])}; netx gives a bias the exponent 6, so it is "
            f"{LEAST_MANTISSA}..{GREATEST_MANTISSA}; use fewer weight bits"
        )
