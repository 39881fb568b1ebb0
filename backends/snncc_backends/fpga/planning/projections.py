"""Projections in the one form that the core knows: rows, columns and channels of a map under a kernel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, singledispatch

import numpy as np

from snncc_backends.fpga.planning.maps import WORD
from snncc_backends.fpga.planning.views import ABSENT, Plane, Views
from snncc_ir.graph import Graph
from snncc_ir.linear import pool_divisor
from snncc_ir.nodes import Conv, Dense, Linear, Scale, SumPool
from snncc_ir.tensors import Ints, signed_bits, synapse_bits


@dataclass(frozen=True, kw_only=True)
class Projection:
    """Drive of (o, y, x) = sum over i, j, c of weight[row_kernel[y, i], column_kernel[x, j], c, o] * n.

    n is the level of `map` in row `rows[y, i]`, column `columns[x, j]` and channel `channels[c]`; rows and
    columns that are ABSENT add nothing. `shift` multiplies what was added before (a digit of a wide weight).
    """

    map: str
    rows: Ints
    row_kernel: Ints
    columns: Ints
    column_kernel: Ints
    channels: Ints
    weight: Ints
    shift: bool = False

    @cached_property
    def own_shift(self) -> int | None:
        """k where every output channel o reads the map's channel o + 8 k alone; None elsewhere."""
        channel, output = np.nonzero((self.weight != 0).any(axis=(0, 1)))
        shifts = np.unique(self.channels[channel] - output)
        return int(shifts[0]) // WORD if len(shifts) == 1 and shifts[0] % WORD == 0 else None

    @property
    def bits(self) -> int:
        """Narrowest width of a synapse that holds the weights."""
        return synapse_bits(self.weight)


def projections_of(graph: Graph, views: Views, node: Linear) -> tuple[Projection, ...]:
    """The projections that add up to a linear node's drive."""
    return tuple(_projections(node, graph, views))


@singledispatch
def _projections(node: Linear, graph: Graph, views: Views) -> Iterator[Projection]:
    raise TypeError(f"{type(node).__name__} is no linear node")


@_projections.register
def _(node: Conv, graph: Graph, views: Views) -> Iterator[Projection]:
    outputs = graph.types[node.name].shape
    dense = _ungrouped(node)
    for plane in views.planes(node.source, node.name):
        rows, columns = (
            _taps(
                line,
                outputs[axis + 1],
                node.weight.shape[axis + 2],
                node.stride[axis],
                node.padding[axis][0],
                node.dilation[axis],
            )
            for axis, line in enumerate((plane.rows, plane.columns))
        )
        weight = dense[:, plane.logical].transpose(2, 3, 1, 0)
        yield _projection(plane, rows, columns, weight)


def _ungrouped(node: Conv) -> Ints:
    """The kernel `[O, C, KH, KW]` with the zeros that a grouped one leaves out."""
    weight = node.weight.data
    if node.groups == 1:
        return weight
    outputs, fan_in, *kernel = weight.shape
    dense = np.zeros((node.groups, outputs // node.groups, node.groups, fan_in, *kernel), dtype=np.int64)
    group = np.arange(node.groups)
    dense[group, :, group] = weight.reshape(node.groups, -1, fan_in, *kernel)
    return dense.reshape(outputs, node.groups * fan_in, *kernel)


@_projections.register
def _(node: Dense, graph: Graph, views: Views) -> Iterator[Projection]:
    outputs = node.weight.shape[0]
    for source, positions, places in views.places(node.source):
        channels, height, width = views.shapes[source]
        weight = np.zeros((channels * height * width, outputs), dtype=np.int64)
        np.add.at(weight, places, node.weight.data.T[positions])
        kernel = weight.reshape(channels, height, width, outputs).transpose(1, 2, 0, 3)
        plane = Plane(
            map=source,
            rows=np.arange(height),
            columns=np.arange(width),
            logical=np.arange(channels),
            physical=np.arange(channels),
        )
        yield _projection(plane, np.arange(height)[None], np.arange(width)[None], kernel)


@_projections.register
def _(node: Scale, graph: Graph, views: Views) -> Iterator[Projection]:
    for plane in views.planes(node.source, node.name):
        weight = np.zeros((1, 1, len(plane.logical), node.weight.shape[0]), dtype=np.int64)
        weight[0, 0, np.arange(len(plane.logical)), plane.logical] = node.weight.data[plane.logical]
        yield _projection(plane, plane.rows[:, None], plane.columns[:, None], weight)


@_projections.register
def _(node: SumPool, graph: Graph, views: Views) -> Iterator[Projection]:
    source, outputs = graph.types[node.source].shape, graph.types[node.name].shape
    for plane in views.planes(node.source, node.name):
        rows, columns = (
            _taps(line, outputs[axis + 1], node.kernel[axis], node.stride[axis], node.padding[axis][0], 1)
            for axis, line in enumerate((plane.rows, plane.columns))
        )
        inside = [_inside(node, axis, source[axis + 1], outputs[axis + 1]) for axis in (0, 1)]
        sizes = [np.unique(counts) for counts in inside]
        factor = pool_divisor(node, source) // np.multiply.outer(sizes[0], sizes[1])
        weight = np.zeros((*factor.shape, len(plane.logical), outputs[0]), dtype=np.int64)
        scaled = factor[..., None] * node.weight.data[plane.logical]
        weight[:, :, np.arange(len(plane.logical)), plane.logical] = scaled
        kernels = [np.searchsorted(size, counts) for size, counts in zip(sizes, inside, strict=True)]
        shaped = _projection(plane, rows, columns, weight)
        yield replace(
            shaped,
            row_kernel=np.broadcast_to(kernels[0][:, None], rows.shape),
            column_kernel=np.broadcast_to(kernels[1][:, None], columns.shape),
        )


def _inside(node: SumPool, axis: int, size: int, outputs: int) -> Ints:
    """Taps of every output position along an axis that are counted."""
    start = np.arange(outputs) * node.stride[axis] - node.padding[axis][0]
    if node.count_padding:
        return np.full(outputs, node.kernel[axis])
    return np.minimum(start + node.kernel[axis], size) - np.maximum(start, 0)


def _taps(line: Ints, outputs: int, kernel: int, stride: int, padding: int, dilation: int) -> Ints:
    """`[outputs, kernel]`: what each tap of each output position reads of a view's axis."""
    place = np.arange(outputs)[:, None] * stride - padding + np.arange(kernel) * dilation
    inside = (place >= 0) & (place < len(line))
    return np.asarray(np.where(inside, line[np.clip(place, 0, len(line) - 1)], ABSENT))


def _projection(plane: Plane, rows: Ints, columns: Ints, weight: Ints) -> Projection:
    """One projection per plane; kernel rows and columns are numbered as in `weight`, channels rise.

    A channel that the value holds twice has the sum of both weights.
    """
    channels, where = np.unique(plane.physical, return_inverse=True)
    summed = np.zeros((*weight.shape[:2], len(channels), weight.shape[3]), dtype=np.int64)
    np.add.at(summed.transpose(2, 0, 1, 3), where, weight.transpose(2, 0, 1, 3))
    return Projection(
        map=plane.map,
        rows=rows,
        row_kernel=np.broadcast_to(np.arange(rows.shape[1]), rows.shape),
        columns=columns,
        column_kernel=np.broadcast_to(np.arange(columns.shape[1]), columns.shape),
        channels=channels,
        weight=summed,
    )


def identity(plane: Plane, channels: int) -> Projection:
    """The plane itself, as what a max-pool of its own reads."""
    weight = np.zeros((1, 1, len(plane.logical), channels), dtype=np.int64)
    weight[0, 0, np.arange(len(plane.logical)), plane.logical] = 1
    return _projection(plane, plane.rows[:, None], plane.columns[:, None], weight)


def in_digits(projections: tuple[Projection, ...], bits: int) -> tuple[Projection, ...]:
    """The same sum with weights of `bits` bits (2 or more) at most.

    w = d0 + d1 B + d2 B^2 + ... with B = 2^(bits - 1), all digits but the last in 0 .. B - 1. The
    projections of the highest digit come first; each lower digit multiplies by B what was added before.
    """
    by_digit: dict[int, list[Projection]] = {}
    for projection in projections:
        for digit, weight in enumerate(digits_of(projection, bits)):
            by_digit.setdefault(digit, []).append(replace(projection, weight=weight))
    ordered: list[Projection] = []
    for digit in sorted(by_digit, reverse=True):
        first, *others = by_digit[digit]
        ordered += [replace(first, shift=bool(ordered)), *others]
    return tuple(ordered)


def digits_of(projection: Projection, bits: int) -> Iterator[Ints]:
    """The digits d0, d1, ... of the weights in base 2^(bits - 1), the lowest first; the last are signed."""
    rest = projection.weight
    if projection.bits <= bits:
        yield rest
        return
    while True:
        if signed_bits(rest) <= bits:
            yield rest
            return
        yield rest & ((1 << (bits - 1)) - 1)
        rest = rest >> (bits - 1)
