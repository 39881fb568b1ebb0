"""A graph as a program of the native library."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import singledispatchmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.sim.native.library import ConvShape, NativeError, PoolShape, Program
from snncc.sim.native.storage import (
    NONE,
    Plane,
    Stored,
    geometry,
    halos,
    image_shape,
    map_bytes,
    runs,
)
from snncc.sim.tables import find_line
from snncc_ir.certificates import Interval, drive_interval
from snncc_ir.graph import Graph
from snncc_ir.linear import pool_factors
from snncc_ir.neurons import Bias, Staircase, Table
from snncc_ir.nodes import (
    AnyNode,
    Conv,
    Dense,
    Input,
    Linear,
    MaxPool,
    Population,
    Readout,
    Scale,
    SumPool,
    Wiring,
)
from snncc_ir.types import Levels

Array = NDArray[Any]

NARROW = 2**31 - 2
"""Sums of smaller magnitude, offsets included, are kept in 32 bits."""

CACHE = 1 << 20
"""Bytes of all values of the maps that go through the network together, about."""


@dataclass
class Lowering:
    """Adds a graph's nodes to a program; `stored` says where their levels are."""

    graph: Graph
    maps: int = 0
    stored: dict[str, Stored] = field(default_factory=dict)
    inputs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    readouts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.halos = halos(self.graph)
        self.maps = self.maps or max(4, min(32, CACHE // map_bytes(self.graph)))
        self.program = Program(self.maps)

    def all(self) -> Lowering:
        """Add every node."""
        for node in self.graph.nodes:
            try:
                self.add(node)
            except NativeError as error:
                raise NativeError(error.what, where=node.name, hint=error.hint) from None
        return self

    def export(self, name: str) -> tuple[int, ...]:
        """Slots to which the planes of a value are written."""
        return tuple(self.program("export", plane.buffer) for plane in self.stored[name].planes)

    @singledispatchmethod
    def add(self, node: AnyNode) -> None:
        """Add one node."""
        raise TypeError(f"{type(node).__name__} has no native form")

    @add.register
    def _(self, node: Input) -> None:
        value = self._store(node.name)
        self.inputs[node.name] = tuple(self.program("input", plane.buffer) for plane in value.planes)

    @add.register
    def _(self, node: Linear) -> None:
        pass  # its readers add it

    @add.register
    def _(self, node: Wiring) -> None:
        result = self._store(node.name)
        sources = [self.stored[name] for name in node.sources]
        for source, taken in zip(sources, runs(node, sources, result), strict=True):
            shift = source.levels.lo - result.levels.lo  # parts may begin at different levels
            self.program("copy", source.buffers, result.buffers, taken, len(taken), shift)

    @add.register
    def _(self, node: MaxPool) -> None:
        result = self._store(node.name)
        source = self.stored[node.source]
        shape = _windows(node.kernel, node.stride, (node.padding[0][0], node.padding[1][0]))
        self.program("max_pool", source.buffers, result.buffers, shape)

    @add.register
    def _(self, node: Population) -> None:
        match node.neuron:
            case Staircase() as neuron:
                self._stairs(node, neuron)
            case Table() as neuron:
                self._table(node, neuron)
            case _:
                raise TypeError("a real unit has no integer form")

    @add.register
    def _(self, node: Readout) -> None:
        offsets, classes = spread(node.bias)
        reach = _reach(drive_interval(self.graph, node), np.zeros_like(offsets))
        self._begin(node, wide=reach > NARROW)
        self.readouts[node.name] = self.program("end_readout", offsets, len(offsets), classes)

    def _stairs(self, node: Population, neuron: Staircase) -> None:
        theta = np.ascontiguousarray(neuron.theta.data)
        offsets, classes = spread(neuron.bias)
        offsets = offsets + (theta // 2 - neuron.lo * theta)
        result = self._store(node.name)
        self._begin(node, wide=_reach(drive_interval(self.graph, node), offsets) > NARROW)
        self.program("end_stairs", result.buffers, theta, offsets, len(offsets), classes, result.span)

    def _table(self, node: Population, neuron: Table) -> None:
        drive = drive_interval(self.graph, node)
        values, classes = spread_classes(neuron.breakpoints.data, neuron.rows, neuron.columns)
        inside = np.clip(values, drive.low[:, None], drive.high[:, None] + 1)  # no other drive occurs
        result = self._store(node.name)
        line = find_line(neuron, drive)
        slope, start = (None, None) if line is None else (line.slope, line.start)
        self._begin(node, wide=_reach(drive, np.zeros(1, np.int64)) > NARROW)
        self.program(
            "end_table", result.buffers, np.ascontiguousarray(inside), len(inside), classes, result.span,
            slope, start,
        )  # fmt: skip

    def _store(self, name: str) -> Stored:
        levels = self.graph.levels(name)
        halo = self.halos.get(name, NONE)
        planes = []
        for plane in range(1 if levels.hi - levels.lo < 256 else 2):
            zero = (-levels.lo >> (8 * plane)) & 255
            planes.append(Plane(self.program("buffer", geometry(levels, halo, zero)), 1 << (8 * plane), zero))
        self.stored[name] = Stored(levels, halo, tuple(planes))
        return self.stored[name]

    def _begin(self, node: Population | Readout, *, wide: bool) -> None:
        """Begin a layer and add its projections."""
        projections = self.graph.projections(node)
        shape = image_shape(self.graph.types[node.name].shape)
        self.program("begin_layer", *shape, _group(projections, shape[0]), int(wide))
        for projection in projections:
            for plane in self.stored[projection.source].planes:
                self._project(projection, plane, self.stored[projection.source])

    @singledispatchmethod
    def _project(self, node: Linear, plane: Plane, source: Stored) -> None:
        raise TypeError(f"{type(node).__name__} is no linear node")

    @_project.register
    def _(self, node: Conv, plane: Plane, source: Stored) -> None:
        outputs, fan_in, height, width = node.weight.shape
        pads = (node.padding[0][0], node.padding[1][0])
        shape = ConvShape(
            outputs, fan_in, height, width, *node.stride, *pads, *node.dilation, node.groups, _span(source)
        )
        self.program("conv", plane.buffer, shape, node.weight.data.astype(np.int8), plane.multiplier)

    @_project.register
    def _(self, node: Dense, plane: Plane, source: Stored) -> None:
        shape = ConvShape(*node.weight.shape, 1, 1, 1, 1, 0, 0, 1, 1, 1, _span(source))
        self.program("conv", plane.buffer, shape, node.weight.data.astype(np.int8), plane.multiplier)

    @_project.register
    def _(self, node: Scale, plane: Plane, source: Stored) -> None:
        self.program("scale", plane.buffer, node.weight.data.astype(np.int32), plane.multiplier)

    @_project.register
    def _(self, node: SumPool, plane: Plane, source: Stored) -> None:
        factors = pool_factors(node, source.levels.shape)
        if int(factors.max()) > NARROW:
            raise NativeError("a pool whose windows have too many different sizes")
        shape = _windows(node.kernel, node.stride, (node.padding[0][0], node.padding[1][0]))
        weights = node.weight.data.astype(np.int32)
        self.program("sum_pool", plane.buffer, shape, weights, factors.astype(np.int32), plane.multiplier)


def spread(bias: Bias) -> tuple[Array, Array | None]:
    """Biases `[classes, C]`, and the class of every position where there are several."""
    values, classes = spread_classes(bias.values.data[..., None], bias.rows, bias.columns)
    return np.ascontiguousarray(values[..., 0]), classes


def spread_classes(
    values: Array, rows: tuple[int, ...], columns: tuple[int, ...]
) -> tuple[Array, Array | None]:
    """`values[C, n]` or `values[C, R, S, n]` as `[classes, C, n]`, and the class of every position."""
    if not rows:
        return values[None], None
    _, _, across, _ = values.shape
    classes = np.array(rows)[:, None] * across + np.array(columns)
    by_class = np.moveaxis(values, 0, 2).reshape(-1, values.shape[0], values.shape[3])
    return np.ascontiguousarray(by_class), np.ascontiguousarray(classes, dtype=np.int32)


def _reach(drive: Interval, offsets: Array) -> int:
    """Greatest magnitude of U and of U + offset."""
    low, high = int(drive.low.min()), int(drive.high.max())
    return max(-low, high, -(low + int(offsets.min())), high + int(offsets.max()))


def _span(source: Stored) -> int:
    return source.span if len(source.planes) == 1 else 255


def _windows(kernel: tuple[int, int], stride: tuple[int, int], pads: tuple[int, int]) -> PoolShape:
    return PoolShape(*kernel, *stride, *pads)


def _group(projections: Iterable[Linear], channels: int) -> int:
    """Channels within which no projection changes its group; depthwise ones have a kernel of their own."""
    size = channels
    for node in projections:
        if isinstance(node, Conv) and node.groups > 1:
            outputs, fan_in = node.weight.shape[:2]
            if fan_in > 1 or outputs > node.groups:
                size = math.gcd(size, outputs // node.groups)
    return size


def codes_of(x: Array, levels: Levels) -> tuple[Array, ...]:
    """The planes of checked levels `x[N, ...]`."""
    if x.dtype == np.uint8 and levels.lo == 0:
        return (np.ascontiguousarray(x),)
    codes = x.astype(np.int64) - levels.lo
    shifts_of = (0,) if levels.hi - levels.lo < 256 else (0, 8)
    return tuple(np.ascontiguousarray((codes >> bits).astype(np.uint8)) for bits in shifts_of)


def levels_of(planes: Iterable[Array], levels: Levels) -> Array:
    """Levels from their planes, in the narrowest type that holds them."""
    if levels.lo == 0 and levels.hi < 256:
        (codes,) = planes
        return codes
    total = sum(plane.astype(np.int32) << (8 * index) for index, plane in enumerate(planes))
    narrow = np.int8 if levels.lo >= -128 and levels.hi < 128 else np.int16
    return np.asarray(total + levels.lo).astype(narrow)
