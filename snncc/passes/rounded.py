"""The real network that computes what the integer network of `quantize` would."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from snncc.passes.base import Array, Context
from snncc.passes.folding import channel_scale
from snncc.passes.quantize import Quantize
from snncc_ir.errors import GraphError
from snncc_ir.graph import Graph
from snncc_ir.linear import drive, wire
from snncc_ir.neurons import Analog, Grid, Staircase
from snncc_ir.nodes import Conv, Dense, Input, Linear, Population, Readout, Wiring
from snncc_ir.tensors import Reals
from snncc_ir.training import Parameters
from snncc_ir.types import Shape


def rounded(graph: Graph, context: Context, weight_bits: int) -> Parameters:
    """Quantise a real graph with grids and give its parameters back in real units, all roundings made."""
    straight = graph.with_nodes([_straight(node) for node in graph.populations])
    return real_parameters(Quantize(weight_bits=weight_bits, level_bits=0).apply(straight, context))


def _straight(node: Population) -> Population:
    """The population without slope and bounds of its own, which change no parameter, as a staircase."""
    match node.neuron:
        case Analog(grid=Grid() as grid) as unit:
            low = 0.0 if grid.lo == 0 else -np.inf
            return replace(node, neuron=replace(unit, slope=None, low=low, high=np.inf))
        case _:
            return node


def real_parameters(integer: Graph) -> Parameters:
    """The parameters of an integer graph in real units.

    With s_w the real value of one unit of drive and s_in that of a source's level, the weights are
    W_int * s_w / s_in, the steps theta * s_w, the biases s_w * (b + sum over the valid taps of W_int * zero).
    Raises GraphError where a population is no staircase.
    """
    scales, zeros = _scales(integer)
    weights, biases, steps = {}, {}, {}
    for node in integer.nodes:
        if not isinstance(node, Population | Readout):
            continue
        shape = integer.types[node.name].shape
        unit, bias = unit_and_bias(node, shape)
        for projection in integer.projections(node):
            source = scales[projection.source]
            weights[projection.name] = _real_weight(projection, unit, source)
            if zeros[projection.source].any():
                bias = bias + drive(projection, zeros[projection.source][None])[0]
        biases[node.name] = np.broadcast_to(bias * unit.reshape(-1, *(1,) * (len(shape) - 1)), shape)
        if isinstance(node, Population) and node.scale is not None:
            steps[node.name] = node.scale.data
    return Parameters(weights=weights, biases=biases, steps=steps)


def _scales(graph: Graph) -> tuple[dict[str, Reals], dict[str, Reals]]:
    """For every value the real value of one level and the level of the real value 0, by position."""
    scales: dict[str, Reals] = {}
    zeros: dict[str, Reals] = {}
    for node in graph.nodes:
        shape = graph.types[node.name].shape
        match node:
            case Input(scale=scale, zero=zero) if scale is not None and zero is not None:
                scales[node.name] = np.broadcast_to(scale.data, shape)
                zeros[node.name] = np.broadcast_to(zero.data, shape)
            case Population(scale=scale) if scale is not None:
                scales[node.name] = np.broadcast_to(scale.data.reshape(-1, *(1,) * (len(shape) - 1)), shape)
                zeros[node.name] = np.zeros(shape)
            case Wiring():
                for table in (scales, zeros):
                    table[node.name] = wire(node, *(table[source][None] for source in node.sources))[0]
    return scales, zeros


def unit_and_bias(node: Population | Readout, shape: Shape) -> tuple[Reals, Array]:
    """s_w per channel and the integer bias."""
    if isinstance(node, Readout):
        return np.full(shape[0], node.scale), node.bias.spread(shape)
    if not isinstance(node.neuron, Staircase) or node.scale is None:
        raise GraphError(
            f"there is no gradient for {type(node.neuron).__name__}",
            where=node.name,
            hint="leave out tune_thresholds",
        )
    return node.scale.data / node.neuron.theta.data, node.neuron.bias.spread(shape)


def _real_weight(node: Linear, unit: Reals, source: Reals) -> Reals:
    """W_int * s_w / s_in; 0 where the source is always 0 because padding made it."""
    weight = node.weight.data * unit.reshape(-1, *(1,) * (node.weight.data.ndim - 1))
    scale = source if isinstance(node, Dense) else channel_scale(source, node.name)
    if isinstance(node, Conv):
        fan_in, rows = node.weight.shape[1], node.weight.shape[0] // node.groups
        scale = np.repeat(scale.reshape(node.groups, fan_in), rows, axis=0)[:, :, None, None]
    return np.divide(
        weight, scale, out=np.zeros(weight.shape), where=np.broadcast_to(scale > 0, weight.shape)
    )
