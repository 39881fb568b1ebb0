"""The reference semantics on values: what every level is, without any spike (ir/SPEC.md, section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_ir.errors import DataError, GraphError
from snncc_ir.graph import Graph
from snncc_ir.linear import drive, wire
from snncc_ir.neurons import Analog, Leaky, Neuron, Quantiser, Staircase, Table, per_channel
from snncc_ir.nodes import AnyNode, Input, Linear, Population, Readout
from snncc_ir.types import Levels, shape_text

Array = NDArray[Any]


def evaluate(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Value of every node for `inputs[name][N, *shape]`: levels and drives as int64, reals as float64.

    A readout's value is sum of drives + b, not yet times its scale.
    """
    values: dict[str, Array] = {}
    for node in graph.nodes:
        values[node.name] = _value(node, values, inputs)
    return values


def _value(node: AnyNode, values: Mapping[str, Array], inputs: Mapping[str, Array]) -> Array:
    match node:
        case Input():
            return check_input(node, inputs[node.name])
        case Linear():
            return drive(node, values[node.source])
        case Population():
            return fire(node.neuron, _sum(node.drives, values))
        case Readout():
            total = _sum(node.drives, values)
            return total + node.bias.spread(total.shape[1:])
        case _:
            return wire(node, *(values[source] for source in node.sources))


def _sum(names: tuple[str, ...], values: Mapping[str, Array]) -> Array:
    return np.asarray(sum(values[name] for name in names))


def check_input(node: Input, x: Array) -> Array:
    """`x[N, *shape]` as int64 or float64; raises DataError where shape or range are wrong."""
    check_values(node, x)
    return x.astype(np.int64 if isinstance(node.type, Levels) else np.float64)


def check_values(node: Input, x: Array) -> None:
    """Raise DataError where `x[N, *shape]` has another shape than the input, or what are no levels of it."""
    if x.shape[1:] != node.type.shape:
        raise DataError(
            f"images of shape {shape_text(x.shape[1:])} do not fit {shape_text(node.type.shape)}",
            where=node.name,
        )
    if not isinstance(node.type, Levels):
        return
    if x.size and not (node.type.lo <= x.min() and x.max() <= node.type.hi):
        raise DataError(f"levels outside {node.type.lo}..{node.type.hi}", where=node.name)
    if x.dtype.kind == "f" and (x.astype(np.int64) != x).any():
        raise DataError("levels must be integers", where=node.name)


def potential(neuron: Staircase, drive: Array) -> Array:
    """v = U + b + floor(theta / 2) for `drive[N, C, ...]`."""
    shape = drive.shape[1:]
    offset = per_channel(neuron.theta.data // 2, len(shape))
    return np.asarray(drive + neuron.bias.spread(shape) + offset)


def fire(neuron: Neuron, drive: Array) -> Array:
    """Levels (reals for a real unit) of a population for `drive[N, C, ...]`."""
    rank = drive.ndim - 1
    match neuron:
        case Analog(bias=bias, low=low, high=high, slope=slope):
            unit = drive + bias.spread(drive.shape[1:])
            if slope is not None:
                unit = np.where(unit < 0, unit * per_channel(slope.data, rank), unit)
            return np.clip(unit, low, high)
        case Quantiser():
            return _quantised(neuron, drive)
        case Staircase(theta=theta, lo=lo, hi=hi):
            return np.clip(potential(neuron, drive) // per_channel(theta.data, rank), lo, hi)
        case Table(lo=lo, hi=hi):
            steps = np.moveaxis(neuron.spread(drive.shape[1:]), -1, 0)
            return np.asarray(lo + sum((drive >= steps[j]).astype(np.int64) for j in range(hi - lo)))
        case Leaky():
            raise GraphError("a leaky neuron has spikes in time, and no level")


def _quantised(neuron: Quantiser, drive: Array) -> Array:
    """step * n in floating point."""
    step = per_channel(neuron.step.data, drive.ndim - 1)
    x = np.clip(drive + neuron.bias.spread(drive.shape[1:]), neuron.low, neuron.high)
    return np.asarray(step * np.clip(neuron.rounding.apply(x / step), neuron.lo, neuron.hi))
