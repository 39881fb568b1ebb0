"""How far an integer graph may be from the real one that it was quantised from, derived layer by layer.

With s the real value of a source's level n, u that of a unit of drive and E the error of a source:
a weight is off by u/2 at most, so a drive is off by |W| E + u/2 * (sum of |n| over the taps) + u/2 for the
bias; a population adds half a level, one u for floor(theta/2), and what lies beyond either greatest value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_ir.encoding import InputFormat
from snncc_ir.graph import Graph
from snncc_ir.linear import drive, wire
from snncc_ir.neurons import Analog, Quantiser, Staircase, per_channel
from snncc_ir.nodes import Input, Linear, Population, Readout, Wiring
from snncc_ir.semantics import evaluate, fire
from snncc_ir.tensors import Tensor

Array = NDArray[Any]


@dataclass
class Difference:
    """Values of one node in both graphs, in real units, and how far apart they may be."""

    real: Array
    integer: Array
    bound: Array

    @property
    def excess(self) -> float:
        """By how much the bound is broken; float64 may round."""
        slack = 1e-9 * (1 + np.abs(self.real).max(initial=0))
        return float((np.abs(self.real - self.integer) - self.bound - slack).max(initial=-np.inf))


@dataclass
class _Source:
    """A value as levels counted from the real zero, the real value of one, and the error."""

    levels: Array
    scale: Array
    error: Array


def differences(real: Graph, integer: Graph, form: InputFormat, images: Array) -> dict[str, Difference]:
    """Every population, output and readout for images `[N, *shape]`, on both graphs."""
    levels = form.to_levels(images)
    (name,) = (node.name for node in real.inputs)
    exact, counted = evaluate(real, {name: images}), evaluate(integer, {name: levels})
    sources: dict[str, _Source] = {}
    found: dict[str, Difference] = {}
    for node in real.nodes:
        match node:
            case Input():
                away = np.abs(images - form.scale * (levels - form.zero))
                scale = np.broadcast_to(form.scale, levels.shape)
                sources[name] = _Source(levels - form.zero, scale, away)
            case Population():
                quantised = integer.by_name[node.name]
                assert isinstance(quantised, Population)
                found[node.name] = _population(real, node, quantised, sources, exact, counted)
            case Readout():
                quantised = integer.by_name[node.name]
                assert isinstance(quantised, Readout)
                unit = np.full(len(exact[node.name][0]), quantised.scale)
                bound = _drive_error(real, node, sources, unit)
                found[node.name] = Difference(exact[node.name], counted[node.name] * quantised.scale, bound)
            case Wiring():
                parts = [sources[part] for part in node.sources]
                sources[node.name] = _Source(
                    *(wire(node, *(getattr(part, field) for part in parts)) for field in _FIELDS)
                )
                known = sources[node.name]
                found[node.name] = Difference(exact[node.name], known.levels * known.scale, known.error)
    return found


_FIELDS = ("levels", "scale", "error")


def _population(
    real: Graph,
    node: Population,
    quantised: Population,
    sources: dict[str, _Source],
    exact: dict[str, Array],
    counted: dict[str, Array],
) -> Difference:
    assert quantised.scale is not None
    if isinstance(node.neuron, Quantiser):
        return _quantiser(real, node, quantised, sources, exact, counted)
    assert isinstance(node.neuron, Analog)
    value, levels = exact[node.name], counted[node.name]
    rank = value.ndim - 1
    unit = _unit(quantised)
    steep = 1.0 if node.neuron.slope is None else per_channel(np.maximum(node.neuron.slope.data, 1), rank)
    scale = per_channel(quantised.scale.data, rank)
    top = scale * max(quantised.neuron.hi, -quantised.neuron.lo)  # type: ignore[union-attr]
    # A threshold is rounded, so that the greatest level may lie beside the greatest value.
    ends = np.abs([node.neuron.low, node.neuron.high]).max()
    beside = np.maximum(np.abs(value) - top, 0) + np.maximum(top - ends, 0)
    error = _drive_error(real, node, sources, unit) * steep
    error = error + scale / 2 + per_channel(unit, rank) * steep + beside
    sources[node.name] = _Source(levels, np.broadcast_to(scale, levels.shape), error)
    return Difference(value, levels * scale, error)


def _quantiser(
    real: Graph,
    node: Population,
    quantised: Population,
    sources: dict[str, _Source],
    exact: dict[str, Array],
    counted: dict[str, Array],
) -> Difference:
    """A unit that came quantised: its weights stay as they are, so only the error of its sources counts."""
    assert isinstance(node.neuron, Quantiser)
    assert quantised.scale is not None
    value = exact[node.name]
    drive_of = np.asarray(sum(exact[name] for name in node.drives))
    away = _drive_error(real, node, sources, np.zeros(len(value[0]))) + 1e-6 * (1 + np.abs(drive_of))
    low, high = (fire(node.neuron, drive_of + sign * away) for sign in (-1, 1))
    error = np.maximum(high - value, value - low)
    scale = per_channel(quantised.scale.data, value.ndim - 1)
    zero = 0.5 if (node.neuron.lo, quantised.neuron.lo) == (-1, 0) else 0.0  # type: ignore[union-attr]
    levels = counted[node.name] - zero
    sources[node.name] = _Source(levels, np.broadcast_to(scale, levels.shape), error)
    return Difference(value, levels * scale, error)


def _unit(node: Population) -> Array:
    if node.unit is not None:
        return np.asarray(node.unit.data)
    assert isinstance(node.neuron, Staircase)
    assert node.scale is not None
    return np.asarray(node.scale.data / node.neuron.theta.data)


def _drive_error(real: Graph, node: Population | Readout, sources: dict[str, _Source], unit: Array) -> Array:
    total: Array = np.zeros(1)
    for name in node.drives:
        projection = real.by_name[name]
        assert isinstance(projection, Linear)
        source = sources[projection.source]
        size = replace(projection, weight=Tensor.real(np.abs(projection.weight.values)))
        ones = replace(projection, weight=Tensor.real(np.ones(projection.weight.shape)))
        taps = drive(ones, np.abs(source.levels).astype(np.float64))
        total = total + drive(size, source.error) + taps * per_channel(unit / 2, taps.ndim - 1)
    return np.asarray(total + per_channel(unit / 2, total.ndim - 1))
