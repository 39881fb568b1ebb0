"""A projection or a pool restricted to a box of its outputs: what it reads, and with which weights."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_ir.linear import pool_factors
from snncc_ir.neurons import Bias, Neuron, Staircase, Table
from snncc_ir.nodes import Conv, Dense, Linear, MaxPool, Scale, SumPool
from snncc_ir.plan import Box, Interval, three_axes
from snncc_ir.tensors import Tensor
from snncc_ir.types import Shape

Array = NDArray[Any]
Plain = dict[str, Any]
Padding = tuple[int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Cut:
    """The numbers of the neurons that are read, in the shape in which a map `plain` takes their spikes.

    `arrays` are what the map needs beside its attributes: weights, and the factors of a pool.
    """

    numbers: Array
    plain: Plain
    arrays: dict[str, Array] = field(default_factory=dict)


def shape_of(box: Box, rank: int) -> Shape:
    """The shape of a box of a value of so many axes; three at most."""
    channels, rows, columns = (stop - start for start, stop in box)
    return ((channels,), (channels, columns), (channels, rows, columns))[min(rank, 3) - 1]


def inside(box: Box, values: Array) -> Array:
    """The part of `values[*shape]` in a box of its three axes."""
    whole = values.reshape(three_axes(values.shape))
    return whole[tuple(slice(*interval) for interval in box)].reshape(shape_of(box, values.ndim))


@singledispatch
def cut_map(node: Linear, numbers: Array, box: Box) -> Cut:
    """A linear node restricted to a box of its drive; `numbers[*source shape]` are the neurons it reads."""
    raise TypeError(f"{type(node).__name__} is no linear node")


@cut_map.register
def _(node: Dense, numbers: Array, box: Box) -> Cut:
    weight = node.weight.data[slice(*box[0])]
    return Cut(numbers=numbers, plain={"kind": "dense"}, arrays={"weight": weight})


@cut_map.register
def _(node: Scale, numbers: Array, box: Box) -> Cut:
    weight = node.weight.data[slice(*box[0])]
    return Cut(numbers=inside(box, numbers), plain={"kind": "scale"}, arrays={"weight": weight})


@cut_map.register
def _(node: Conv, numbers: Array, box: Box) -> Cut:
    channels, weight, groups = _of_groups(node, box[0])
    kernel = (node.weight.shape[2], node.weight.shape[3])
    seen, padding = _windows(numbers, box, node, kernel, node.dilation)
    plain = {
        "kind": "conv",
        "stride": list(node.stride),
        "padding": padding,
        "dilation": list(node.dilation),
        "groups": groups,
    }
    return Cut(numbers=seen[slice(*channels)], plain=plain, arrays={"weight": weight})


@cut_map.register
def _(node: SumPool, numbers: Array, box: Box) -> Cut:
    seen, padding = _windows(numbers, box, node, node.kernel, (1, 1))
    source = (numbers.shape[0], numbers.shape[1], numbers.shape[2])
    factors = pool_factors(node, source)[slice(*box[1]), slice(*box[2])]
    plain = {"kind": "sum_pool", **_pool(node, padding)}
    weight = node.weight.data[slice(*box[0])]
    return Cut(numbers=seen[slice(*box[0])], plain=plain, arrays={"weight": weight, "factors": factors})


def cut_pool(node: MaxPool, numbers: Array, box: Box) -> Cut:
    """A max-pool restricted to a box of its windows."""
    seen, padding = _windows(numbers, box, node, node.kernel, (1, 1))
    return Cut(numbers=seen[slice(*box[0])], plain=_pool(node, padding))


def _pool(node: SumPool | MaxPool, padding: list[list[int]]) -> Plain:
    return {"kernel": list(node.kernel), "stride": list(node.stride), "padding": padding}


def _of_groups(node: Conv, channels: Interval) -> tuple[Interval, Array, int]:
    """Input channels, weights and groups of some output channels.

    Where these begin or end within a group, the groups become one, with weights 0 between them.
    """
    start, stop = channels
    weight = node.weight.data[start:stop]
    each, fan_in = node.weight.shape[0] // node.groups, node.weight.shape[1]
    first, last = start // each, (stop - 1) // each + 1
    inputs = (first * fan_in, last * fan_in)
    if start % each == 0 and stop % each == 0:
        return inputs, weight, last - first
    whole = np.zeros((stop - start, (last - first) * fan_in, *weight.shape[2:]), np.int64)
    for row, channel in enumerate(range(start, stop)):
        place = (channel // each - first) * fan_in
        whole[row, place : place + fan_in] = weight[row]
    return inputs, whole, 1


def _windows(
    numbers: Array,
    box: Box,
    node: Conv | SumPool | MaxPool,
    kernel: tuple[int, int],
    dilation: tuple[int, int],
) -> tuple[Array, list[list[int]]]:
    """The rows and columns that a box of windows sees, and what padding is left around them."""
    axes = zip(box[1:], numbers.shape[1:], node.padding, kernel, dilation, node.stride, strict=True)
    seen = [_seen(*axis) for axis in axes]
    (top, bottom), (left, right) = (kept for kept, _ in seen)
    return numbers[:, top:bottom, left:right], [list(padding) for _, padding in seen]


def _seen(
    outputs: Interval, size: int, padding: Padding, taps: int, dilation: int, stride: int
) -> tuple[Interval, Padding]:
    """The interval of an axis that some outputs see, and the padding before and behind it."""
    start = outputs[0] * stride - padding[0]
    stop = (outputs[1] - 1) * stride - padding[0] + dilation * (taps - 1) + 1
    if stop <= 0 or start >= size:  # nothing but padding
        return (0, 0), (stop - start, 0)
    first, last = max(start, 0), min(stop, size)
    return (first, last), (first - start, stop - last)


def cut_neuron(neuron: Neuron, box: Box) -> Neuron:
    """The neurons of a box."""
    match neuron:
        case Staircase(theta=theta, bias=bias):
            part = Tensor.integer(theta.data[slice(*box[0])])
            return replace(neuron, theta=part, bias=cut_bias(bias, box))
        case Table(breakpoints=breakpoints):
            part = Tensor.integer(breakpoints.data[slice(*box[0])])
            rows, columns = _classes(neuron, box)
            return replace(neuron, breakpoints=part, rows=rows, columns=columns)
        case _:
            raise TypeError("an analog unit lies on no core")


def cut_bias(bias: Bias, box: Box) -> Bias:
    """The biases of a box."""
    rows, columns = _classes(bias, box)
    return Bias(values=Tensor.integer(bias.values.data[slice(*box[0])]), rows=rows, columns=columns)


def _classes(node: Bias | Table, box: Box) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The border classes of a box's rows and columns; none where there are none."""
    return node.rows[slice(*box[1])], node.columns[slice(*box[2])]
