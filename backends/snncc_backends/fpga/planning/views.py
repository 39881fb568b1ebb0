"""Views: which level of which map every position of a wired value is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from snncc_backends.fpga.planning.maps import image_shape
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.linear import wire
from snncc_ir.nodes import Input, Linear, MaxPool, Population, Transpose, Wiring
from snncc_ir.tensors import Ints
from snncc_ir.types import Levels

ABSENT = -1
"""A row or column that lies in padding."""


@dataclass(frozen=True, kw_only=True)
class Plane:
    """Channels of a value that lie in one map and share their rows and columns.

    Row y of the value is row `rows[y]` of the map, column x is column `columns[x]`, or ABSENT where it is
    padding; channel `logical[i]` of the value is channel `physical[i]` of the map.
    """

    map: str
    rows: Ints
    columns: Ints
    logical: Ints
    physical: Ints


@dataclass(frozen=True)
class Views:
    """Element numbers of every value that holds levels: 0 is padding, the others count through all maps.

    `axes[name]`: the order in which a map stores the axes of its value, where it is not the value's own.
    """

    elements: Mapping[str, Ints]
    shapes: Mapping[str, tuple[int, int, int]]
    starts: Mapping[str, int]
    axes: Mapping[str, tuple[int, ...]]

    def places(self, name: str) -> Iterator[tuple[str, Ints, Ints]]:
        """Per map that a value takes levels from: its name, flat positions of the value and in the map."""
        elements = self.elements[name].reshape(-1)
        for source, start in self.starts.items():
            own = np.flatnonzero((elements >= start) & (elements < start + int(np.prod(self.shapes[source]))))
            if own.size:
                yield source, own, elements[own] - start

    def planes(self, name: str, reader: str) -> tuple[Plane, ...]:
        """The planes that make up an image, padding left out; raises TargetError where there are none."""
        found: dict[tuple[str, bytes, bytes], Plane] = {}
        elements = self.elements[name].reshape(image_shape(self.elements[name].shape))
        for channel, image in enumerate(elements):
            for source in self._maps_in(image):
                plane = self._plane(image, source, channel, reader)
                key = (plane.map, plane.rows.tobytes(), plane.columns.tobytes())
                found[key] = _joined(found[key], plane) if key in found else plane
        return tuple(found.values())

    def _maps_in(self, image: Ints) -> tuple[str, ...]:
        starts = np.array(list(self.starts.values()))
        numbers = np.unique(np.searchsorted(starts, image[image > 0], side="right") - 1)
        names = tuple(self.starts)
        return tuple(names[number] for number in numbers.tolist())

    def _plane(self, image: Ints, source: str, channel: int, reader: str) -> Plane:
        """What one channel takes from one map: rows must depend on y alone, columns on x alone."""
        start, shape = self.starts[source], self.shapes[source]
        present = (image >= start) & (image < start + int(np.prod(shape)))
        c, y, x = np.unravel_index(np.where(present, image - start, 0), shape)
        rows = np.where(present, y, ABSENT).max(axis=1)
        columns = np.where(present, x, ABSENT).max(axis=0)
        first = int(c[present][0])
        right = (y == rows[:, None]) & (x == columns) & (c == first)
        if not (right | ~present).all() or not (present == np.outer(rows >= 0, columns >= 0)).all():
            raise TargetError(
                "reads levels in an order that is neither by rows and columns nor a vector's",
                where=reader,
                hint="remove the reshape or transpose before it, or make it a dense layer",
            )
        return Plane(
            map=source, rows=rows, columns=columns, logical=np.array([channel]), physical=np.array([first])
        )


def _joined(first: Plane, second: Plane) -> Plane:
    return Plane(
        map=first.map,
        rows=first.rows,
        columns=first.columns,
        logical=np.concatenate([first.logical, second.logical]),
        physical=np.concatenate([first.physical, second.physical]),
    )


@dataclass(frozen=True, kw_only=True)
class Storage:
    """How inputs are stored: with their axes in the order `axes[name]`, if any, and several pixels in a word.

    Only `packed` ones share words.
    """

    axes: Mapping[str, tuple[int, ...]]
    packed: frozenset[str]


def storage_of(graph: Graph) -> Storage:
    """How the core stores the inputs of a graph: packed, and transposed where all reads them transposed."""
    orders = {node.name: _stored_order(graph, node) for node in graph.inputs}
    axes = {name: order for name, order in orders.items() if order != tuple(range(len(order)))}
    return Storage(axes=axes, packed=frozenset(orders))


def find_views(
    graph: Graph, fused: Mapping[str, str], axes: Mapping[str, tuple[int, ...]] | None = None
) -> Views:
    """The views of every value of a graph; `fused` names the pool that takes a population's place.

    Inputs are stored in the order `axes` of their axes, or in their own.
    """
    elements: dict[str, Ints] = {}
    shapes: dict[str, tuple[int, int, int]] = {}
    starts: dict[str, int] = {}
    axes = axes or {}
    total = 1
    for node in graph.nodes:
        if isinstance(node, Input | Population | MaxPool) and node.name not in fused:
            shape = levels_of(graph, node.name).shape
            order = axes.get(node.name, tuple(range(len(shape))))
            kept = tuple(shape[axis] for axis in order)
            shapes[node.name] = image_shape(kept)
            starts[node.name] = total
            size = int(np.prod(shape))
            numbers = np.arange(total, total + size).reshape(kept)
            elements[node.name] = numbers.transpose(np.argsort(order))
            total += size
        elif isinstance(node, Wiring):
            elements[node.name] = wire(node, *(elements[source][None] for source in node.sources))[0]
    return Views(elements, shapes, starts, axes)


def _stored_order(graph: Graph, node: Input) -> tuple[int, ...]:
    """An input that is transposed before anything reads it is stored transposed: its channels come last."""
    readers = graph.readers[node.name]
    orders = {reader.axes for reader in readers if isinstance(reader, Transpose)}
    if len(orders) == 1 and all(isinstance(r, Transpose) for r in readers):
        return orders.pop()
    return tuple(range(len(levels_of(graph, node.name).shape)))


def levels_of(graph: Graph, name: str) -> Levels:
    """The levels of a node; linear nodes and readouts have none."""
    return graph.levels(name)


def readers_through_wiring(graph: Graph, name: str) -> Iterator[Linear | MaxPool]:
    """The linear nodes and pools that read a value, directly or through wiring."""
    for reader in graph.readers[name]:
        if isinstance(reader, Linear | MaxPool):
            yield reader
        elif isinstance(reader, Wiring):
            yield from readers_through_wiring(graph, reader.name)
