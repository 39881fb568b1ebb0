"""A graph as a program of the native library."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
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
    runs,
)
from snncc_ir.certificates import Interval
from snncc_ir.graph import Graph
from snncc_ir.linear import pool_factors
from snncc_ir.neurons import Bias, Leaky, Staircase, Table
from snncc_ir.nodes import (
    AnyNode,
    Conv,
    Dense,
    Input,
    Linear,
    MaxPool,
    Population,
    Readout,
    Reshape,
    Scale,
    SumPool,
    Wiring,
)
from snncc_ir.types import Levels

Array = NDArray[Any]

NARROW = 2**31 - 2
"""Sums of smaller magnitude, offsets included, are kept in 32 bits."""


@dataclass
class Lowering(ABC):
    """Adds a graph's nodes to a program; `stored` says where their codes are."""

    graph: Graph
    maps: int
    stored: dict[str, Stored] = field(default_factory=dict)
    inputs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    readouts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.halos = halos(self.graph)
        self.program = Program(self.maps)

    def all(self) -> None:
        """Add every node."""
        for node in self.graph.nodes:
            try:
                self.add(node)
            except NativeError as error:
                raise NativeError(error.what, where=node.name, hint=error.hint) from None

    @singledispatchmethod
    def add(self, node: AnyNode) -> None:
        """Add one node."""
        raise TypeError(f"{type(node).__name__} has no native form")

    @add.register
    def _(self, node: Input) -> None:
        self.inputs[node.name] = self.input(node, self._store(node.name))

    @add.register
    def _(self, node: Linear) -> None:
        return  # its readers add it

    @add.register
    def _(self, node: Wiring) -> None:
        if self._is_view(node):
            source = self.stored[node.sources[0]]
            self.stored[node.name] = replace(source, levels=self.range(node.name))
            return
        result = self._store(node.name)
        sources = [self.stored[name] for name in node.sources]
        for source, taken in zip(sources, runs(node, sources, result), strict=True):
            shift = source.levels.lo - result.levels.lo  # parts may begin at different levels
            self.program("copy", source.buffers, result.buffers, taken, len(taken), shift)

    @add.register
    def _(self, node: MaxPool) -> None:
        shape = windows(node.kernel, node.stride, (node.padding[0][0], node.padding[1][0]))
        self.pool(node, self.stored[node.source], self._store(node.name), shape)

    @add.register
    def _(self, node: Population) -> None:
        match node.neuron:
            case Staircase() as neuron:
                self.stairs(node, neuron, self._store(node.name))
            case Table() as neuron:
                self.table(node, neuron, self._store(node.name))
            case Leaky() as neuron:
                self.leaky(node, neuron, self._store(node.name))
            case _:
                raise TypeError("a real unit has no integer form")

    @add.register
    def _(self, node: Readout) -> None:
        self.readout(node)

    @abstractmethod
    def input(self, node: Input, value: Stored) -> tuple[int, ...]:
        """Add an input; gives the slots of its planes."""

    @abstractmethod
    def pool(self, node: MaxPool, source: Stored, result: Stored, shape: PoolShape) -> None:
        """Add a max-pool."""

    @abstractmethod
    def stairs(self, node: Population, neuron: Staircase, result: Stored) -> None:
        """Add a population of staircases."""

    @abstractmethod
    def table(self, node: Population, neuron: Table, result: Stored) -> None:
        """Add a population of breakpoint tables."""

    @abstractmethod
    def leaky(self, node: Population, neuron: Leaky, result: Stored) -> None:
        """Add a population of leaky neurons."""

    @abstractmethod
    def readout(self, node: Readout) -> None:
        """Add a readout."""

    @abstractmethod
    def range(self, name: str) -> Levels:
        """What the codes of a value stand for."""

    def gain(self, source: str) -> int:
        """What one level of a source counts as."""
        return 1

    def _is_view(self, node: Wiring) -> bool:
        """Flattened for dense layers alone, which read the image as their one window."""
        flat = isinstance(node, Reshape) and len(node.shape) == 1
        return flat and all(isinstance(reader, Dense) for reader in self.graph.readers[node.name])

    def _store(self, name: str) -> Stored:
        levels = self.range(name)
        halo = self.halos.get(name, NONE)
        planes = []
        for plane in range(1 if levels.hi - levels.lo < 256 else 2):
            zero = (-levels.lo >> (8 * plane)) & 255
            planes.append(Plane(self.program("buffer", geometry(levels, halo, zero)), 1 << (8 * plane), zero))
        self.stored[name] = Stored(levels, halo, tuple(planes), image_shape(levels.shape))
        return self.stored[name]

    def begin(self, node: Population | Readout, *, wide: bool) -> None:
        """Begin a layer and add its projections."""
        projections = self.graph.projections(node)
        shape = image_shape(self.graph.types[node.name].shape)
        self.program("begin_layer", *shape, _group(projections, shape[0]), int(wide))
        for projection in projections:
            source, gain = self.stored[projection.source], self.gain(projection.source)
            for plane in source.planes:
                own = replace(plane, multiplier=plane.multiplier * gain)
                self._project(projection, own, source)

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
        shape = ConvShape(node.weight.shape[0], *source.shape, 1, 1, 0, 0, 1, 1, 1, _span(source))
        self.program("conv", plane.buffer, shape, node.weight.data.astype(np.int8), plane.multiplier)

    @_project.register
    def _(self, node: Scale, plane: Plane, source: Stored) -> None:
        self.program("scale", plane.buffer, node.weight.data.astype(np.int32), plane.multiplier)

    @_project.register
    def _(self, node: SumPool, plane: Plane, source: Stored) -> None:
        factors = pool_factors(node, source.levels.shape)
        if int(factors.max()) > NARROW:
            raise NativeError("a pool whose windows have too many different sizes")
        shape = windows(node.kernel, node.stride, (node.padding[0][0], node.padding[1][0]))
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


def reach_of(drive: Interval, offsets: Array) -> int:
    """Greatest magnitude of U and of U + offset."""
    low, high = int(drive.low.min()), int(drive.high.max())
    return max(-low, high, -(low + int(offsets.min())), high + int(offsets.max()))


def _span(source: Stored) -> int:
    return source.span if len(source.planes) == 1 else 255


def windows(kernel: tuple[int, int], stride: tuple[int, int], pads: tuple[int, int]) -> PoolShape:
    """The windows of a pool; `pads` are those at the top and at the left."""
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
    whole = x if x.dtype.kind in "iu" else x.astype(np.int64)
    if levels.hi - levels.lo < 256:
        return (np.ascontiguousarray(whole.astype(np.uint8) - np.uint8(levels.lo & 255)),)  # modulo 256
    codes = whole.astype(np.int32) - levels.lo
    return tuple(np.ascontiguousarray((codes >> bits).astype(np.uint8)) for bits in (0, 8))


def levels_of(planes: Iterable[Array], levels: Levels) -> Array:
    """Levels from their planes, in the narrowest type that holds them."""
    if levels.lo == 0 and levels.hi < 256:
        (codes,) = planes
        return codes
    total = sum(plane.astype(np.int32) << (8 * index) for index, plane in enumerate(planes))
    narrow = np.int8 if levels.lo >= -128 and levels.hi < 128 else np.int16
    return np.asarray(total + levels.lo).astype(narrow)
