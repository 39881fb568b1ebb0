"""The passes of a graph: what each reads, computes and writes, before anything has an address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from snncc_backends.fpga.planning.maps import image_shape
from snncc_backends.fpga.planning.neurons import Neurons, bias_classes, tabled_neurons
from snncc_backends.fpga.planning.projections import Projection, identity, in_digits, projections_of
from snncc_backends.fpga.planning.views import Storage, Views, find_views, storage_of
from snncc_ir.certificates import Interval, certify_widths
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Staircase, Table
from snncc_ir.nodes import MaxPool, Population, Readout
from snncc_ir.tensors import WEIGHT_BITS, Ints

IDENTITY_BITS = 2
"""Width of the weights 0 and 1 of a pool of its own."""


@dataclass(frozen=True, kw_only=True)
class Pass:
    """A population, with the pool that takes its place if one does, a pool, or a readout.

    Row r of the result is the greatest level over the computed rows `window_rows[r]`, and so for columns.
    """

    name: str
    computes: str
    is_readout: bool
    shape: tuple[int, int, int]
    lo: int
    hi: int
    projections: tuple[Projection, ...]
    neurons: Neurons
    window_rows: Ints
    window_columns: Ints

    @property
    def pairs(self) -> bool:
        """Whether rows of a window can be computed in pairs: their number is even, and all rows differ."""
        return (
            self.window_rows.shape[1] % 2 == 0 and len(np.unique(self.window_rows)) == self.window_rows.size
        )

    def tile_rows(self, slots: int, merge: int) -> tuple[tuple[Ints, ...], ...]:
        """Per tile of rows and window row of a tile the computed row of every slot that has one.

        `merge` neighbouring slots compute rows of one window.
        """
        per_tile = slots // merge
        blocks = [
            self.window_rows[first : first + per_tile] for first in range(0, len(self.window_rows), per_tile)
        ]
        return tuple(
            tuple(block[:, window : window + merge].reshape(-1) for window in range(0, block.shape[1], merge))
            for block in blocks
        )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All passes in order; `weight_bits` is the widest slot that a weight needs."""

    views: Views
    storage: Storage
    passes: tuple[Pass, ...]
    weight_bits: int
    fused: dict[str, str]


def make_plan(graph: Graph, least_bits: int = 1, storage: Storage | None = None) -> Plan:
    """The passes of a phased integer graph, with weights in slots of `least_bits` bits or more.

    Inputs are stored as `storage` says, by default as `storage_of`.
    """
    fused = fused_pools(graph)
    storage = storage or storage_of(graph)
    views = find_views(graph, fused, storage.axes)
    whole = {
        node.name: tuple(
            part for linear in graph.projections(node) for part in projections_of(graph, views, linear)
        )
        for node in graph.nodes
        if isinstance(node, Population | Readout)
    }
    pools = any(isinstance(node, MaxPool) and node.name not in fused.values() for node in graph.nodes)
    bits = max(_slot_bits(whole), least_bits, IDENTITY_BITS if pools else 1)
    drives = {name: width.drive for name, width in certify_widths(graph).items()}
    passes = tuple(_passes(graph, views, fused, whole, bits, drives))
    return Plan(views=views, storage=storage, passes=passes, weight_bits=bits, fused=fused)


def fused_pools(graph: Graph) -> dict[str, str]:
    """Populations that are read by one max-pool alone, whose windows neither overlap nor meet padding."""
    found = {}
    for node in graph.populations:
        readers = graph.readers[node.name]
        if node.name in graph.outputs or len(readers) != 1:
            continue
        (pool,) = readers
        if isinstance(pool, MaxPool) and _is_plain(pool):
            found[node.name] = pool.name
    return found


def _is_plain(pool: MaxPool) -> bool:
    """True where no two windows share a position and none meets padding."""
    apart = all(size <= step for size, step in zip(pool.kernel, pool.stride, strict=True))
    return apart and not any(map(any, pool.padding))


def _slot_bits(whole: dict[str, tuple[Projection, ...]]) -> int:
    """The narrowest width that holds every weight, or 8 where wider ones are cut into digits."""
    needed = max((projection.bits for parts in whole.values() for projection in parts), default=1)
    return min(next((bits for bits in WEIGHT_BITS if bits >= needed), 8), 8)


def _passes(
    graph: Graph,
    views: Views,
    fused: dict[str, str],
    whole: dict[str, tuple[Projection, ...]],
    bits: int,
    drives: dict[str, Interval],
) -> Iterator[Pass]:
    pools = set(fused.values())
    for node in graph.nodes:
        if isinstance(node, Population | Readout):
            parts = in_digits(whole[node.name], max(bits, 2))
            if not parts:
                raise TargetError(
                    "reads nothing but padding", where=node.name, hint="remove it from the model"
                )
            yield _neural_pass(graph, node, parts, fused.get(node.name), drives[node.name])
        elif isinstance(node, MaxPool) and node.name not in pools:
            yield _pool_pass(graph, views, node)


def _neural_pass(
    graph: Graph,
    node: Population | Readout,
    parts: tuple[Projection, ...],
    pool: str | None,
    drive: Interval,
) -> Pass:
    computed = image_shape(graph.types[node.name].shape)
    written = image_shape(graph.types[pool].shape) if pool else computed
    kernel, stride = _window(graph, pool)
    neurons = _neurons(node, computed, drive)
    return Pass(
        name=pool or node.name,
        computes=node.name,
        is_readout=isinstance(node, Readout),
        shape=written,
        lo=neurons.lo,
        hi=neurons.lo + neurons.top,
        projections=parts,
        neurons=neurons,
        window_rows=np.arange(written[1])[:, None] * stride[0] + np.arange(kernel[0]),
        window_columns=np.arange(written[2])[:, None] * stride[1] + np.arange(kernel[1]),
    )


def _window(graph: Graph, pool: str | None) -> tuple[tuple[int, int], tuple[int, int]]:
    node = graph.by_name[pool] if pool else None
    return (node.kernel, node.stride) if isinstance(node, MaxPool) else ((1, 1), (1, 1))


def _neurons(node: Population | Readout, shape: tuple[int, int, int], drive: Interval) -> Neurons:
    if isinstance(node, Population) and isinstance(node.neuron, Table):
        return tabled_neurons(node.neuron, shape, drive)
    channels, height, width = shape
    offset = np.zeros(channels, dtype=np.int64)
    if isinstance(node, Readout):
        theta, lo, top, bias = np.ones(channels, dtype=np.int64), 0, 0, node.bias
    elif isinstance(node.neuron, Staircase):
        theta, bias, lo = node.neuron.theta.data, node.neuron.bias, node.neuron.lo
        offset, top = theta // 2 - lo * theta, node.neuron.hi - lo
    else:
        raise TargetError("has a neuron of no kind that the core runs", where=node.name)
    values, rows, columns = bias_classes(bias, (height, width))
    shifted = values + offset[:, None, None]
    return Neurons(theta=theta, bias=shifted, rows=rows, columns=columns, lo=lo, top=top)


def _pool_pass(graph: Graph, views: Views, node: MaxPool) -> Pass:
    """A pool of its own: identity neurons, visited window by window."""
    source, levels = graph.types[node.source].shape, graph.levels(node.name)
    channels, height, width = image_shape(source)
    planes = views.planes(node.source, node.name)
    ones = np.ones(channels, dtype=np.int64)
    neurons = Neurons(
        theta=ones,
        bias=np.full((channels, 1, 1), -levels.lo),
        rows=np.zeros(height, dtype=np.int64),
        columns=np.zeros(width, dtype=np.int64),
        lo=levels.lo,
        top=levels.hi - levels.lo,
    )
    shape = image_shape(levels.shape)
    return Pass(
        name=node.name,
        computes=node.name,
        is_readout=False,
        shape=shape,
        lo=levels.lo,
        hi=levels.hi,
        projections=tuple(identity(plane, channels) for plane in planes),
        neurons=neurons,
        window_rows=pool_places(node, 0, shape[1], height),
        window_columns=pool_places(node, 1, shape[2], width),
    )


def pool_places(node: MaxPool, axis: int, outputs: int, size: int) -> Ints:
    """`[outputs, kernel]`: the positions of each window; the nearest inside stands for one in padding."""
    start = np.arange(outputs)[:, None] * node.stride[axis] - node.padding[axis][0]
    return np.asarray(np.clip(start + np.arange(node.kernel[axis]), 0, size - 1))
