"""What every node computes, and how a gradient passes through it in reverse.

A rule emits the node's value and returns its pullback: a function that takes the gradient of the value and
emits the gradients of the node's sources, and then of its weight (reverse-mode differentiation). Values
carry a batch axis of fixed size. Gradients that nobody asks for are not computed: `Emitter.model` leaves
them out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.sim.training.emitter import Emitter
from snncc_ir.errors import GraphError
from snncc_ir.linear import pool_factors, wire
from snncc_ir.nodes import Conv, Dense, Linear, MaxPool, Pair, Scale, SumPool, Wiring
from snncc_ir.types import Shape

Array = NDArray[Any]

Pullback = Callable[[str], tuple[str, ...]]
"""Gradient of a value in, gradients of what it was computed from out."""

Applied = tuple[str, Pullback]

LOWEST = float(np.finfo(np.float32).min)


@dataclass(frozen=True)
class Frame:
    """Where a rule emits: shapes of the sources and of the result, batch axis first."""

    emit: Emitter
    sources: tuple[Shape, ...]
    shape: Shape

    @property
    def source(self) -> Shape:
        """Shape of the first source."""
        return self.sources[0]

    def per_channel(self, vector: str) -> str:
        """`vector[C]` so that it broadcasts to the result."""
        return self.emit.reshape(vector, (-1, *(1,) * (len(self.shape) - 2)))

    def channel_sum(self, x: str) -> str:
        """Sum per channel of values of the result's shape."""
        return self.emit.total(x, [axis for axis in range(len(self.shape)) if axis != 1])


@singledispatch
def project(node: Linear, frame: Frame, x: str, weight: str) -> Applied:
    """Drive of a linear node; the pullback gives the gradients of the source and of the weight."""
    raise GraphError(f"there is no gradient for {type(node).__name__}", where=node.name)


@project.register
def _(node: Dense, frame: Frame, x: str, weight: str) -> Applied:
    emit = frame.emit

    def pullback(g: str) -> tuple[str, ...]:
        return emit("MatMul", g, weight), emit("MatMul", emit("Transpose", g, perm=[1, 0]), x)

    return emit("MatMul", x, emit("Transpose", weight, perm=[1, 0])), pullback


@project.register
def _(node: Scale, frame: Frame, x: str, weight: str) -> Applied:
    emit, factor = frame.emit, frame.per_channel(weight)

    def pullback(g: str) -> tuple[str, ...]:
        return emit("Mul", g, factor), frame.channel_sum(emit("Mul", g, x))

    return emit("Mul", x, factor), pullback


@project.register
def _(node: SumPool, frame: Frame, x: str, weight: str) -> Applied:
    emit, factor = frame.emit, frame.per_channel(weight)
    _, channels, height, width = frame.source
    ones = emit.floats(np.ones((channels, 1, *node.kernel)))
    window = _window(node.stride, node.padding, (1, 1))
    share = emit.floats(pool_factors(node, (channels, height, width)))
    sums = emit("Mul", emit("Conv", x, ones, group=channels, **window), share)

    def pullback(g: str) -> tuple[str, ...]:
        each = emit("Mul", emit("Mul", g, factor), share)
        rest = _rest(frame, node.kernel, node.stride, node.padding, (1, 1))
        spread = emit("ConvTranspose", each, ones, group=channels, output_padding=rest, **window)
        return spread, frame.channel_sum(emit("Mul", g, sums))

    return emit("Mul", sums, factor), pullback


@project.register
def _(node: Conv, frame: Frame, x: str, weight: str) -> Applied:
    emit = frame.emit
    window = _window(node.stride, node.padding, node.dilation)
    kernel = (node.weight.shape[2], node.weight.shape[3])

    def pullback(g: str) -> tuple[str, ...]:
        rest = _rest(frame, kernel, node.stride, node.padding, node.dilation)
        back = emit("ConvTranspose", g, weight, group=node.groups, output_padding=rest, **window)
        return back, _weight_gradient(node, frame, x, g)

    return emit("Conv", x, weight, group=node.groups, **window), pullback


def _window(stride: Pair, padding: tuple[Pair, Pair], dilation: Pair) -> dict[str, Any]:
    """Attributes of Conv and ConvTranspose."""
    pads = [*(pad[0] for pad in padding), *(pad[1] for pad in padding)]
    return {"strides": stride, "pads": pads, "dilations": dilation}


def _rest(frame: Frame, kernel: Pair, stride: Pair, padding: tuple[Pair, Pair], dilation: Pair) -> list[int]:
    """Rows and columns at the end of the source that no tap reaches."""
    return [
        (frame.source[axis + 2] + sum(padding[axis]) - dilation[axis] * (kernel[axis] - 1) - 1) % stride[axis]
        for axis in (0, 1)
    ]


def _weight_gradient(node: Conv, frame: Frame, x: str, g: str) -> str:
    """Per tap the product of the gradient with the positions that the tap reads, summed over the images.

    One matrix product per image and group keeps the threads busy; a convolution with the batch and channel
    axes exchanged, which gives the same, is several times as slow in ONNX Runtime.
    """
    emit, (batch, outputs, *image) = frame.emit, frame.shape
    fan_in, *kernel = node.weight.shape[1:]
    size = math.prod(image)
    grouped = emit.reshape(g, (batch, node.groups, outputs // node.groups, size))
    parts = []
    for tap in _taps(node, frame, x, (kernel[0], kernel[1]), 0.0):
        columns = emit.reshape(tap, (batch, node.groups, fan_in, size))
        if fan_in == 1:
            product = emit.total(emit("Mul", grouped, columns), [0, 3])
        else:
            product = emit.total(emit("MatMul", grouped, emit("Transpose", columns, perm=[0, 1, 3, 2])), [0])
        parts.append(emit.reshape(product, (outputs, fan_in, 1)))
    return emit.reshape(emit("Concat", *parts, axis=2), node.weight.shape)


def _taps(node: Conv | MaxPool, frame: Frame, x: str, kernel: Pair, border: float) -> list[str]:
    """For every kernel position the values `[N, C, H', W']` that it reads; padding reads as `border`."""
    emit, image = frame.emit, frame.shape[2:]
    dilation = node.dilation if isinstance(node, Conv) else (1, 1)
    if any(map(any, node.padding)):
        begin_end = [0, 0, *(pad[0] for pad in node.padding), 0, 0, *(pad[1] for pad in node.padding)]
        x = emit("Pad", x, emit.integers(begin_end), emit.floats(border))
    taps = []
    for tap in itertools.product(*map(range, kernel)):
        start = [place * step for place, step in zip(tap, dilation, strict=True)]
        stop = [
            first + stride * (size - 1) + 1
            for first, stride, size in zip(start, node.stride, image, strict=True)
        ]
        taps.append(emit("Slice", x, *map(emit.integers, (start, stop, (2, 3), node.stride))))
    return taps


@singledispatch
def arrange(node: Wiring, frame: Frame, *values: str) -> Applied:
    """Value of a wiring node: any that moves values about, repeats them or adds zeros.

    `linear.wire` itself says where each value of the result comes from.
    """
    emit, origin = frame.emit, _origin(node, frame)
    batch, size = frame.shape[0], math.prod(frame.shape[1:])
    lengths = [math.prod(shape[1:]) for shape in frame.sources]
    flat = [emit.reshape(x, (batch, length)) for x, length in zip(values, lengths, strict=True)]
    whole = emit("Concat", *flat, axis=1) if len(flat) > 1 else flat[0]

    def pullback(g: str) -> tuple[str, ...]:
        back = _gathered(emit, emit.reshape(g, (batch, size)), batch, size, _readers(origin, sum(lengths)))
        ends = np.cumsum(lengths)
        bounds = zip(ends - lengths, ends, frame.sources, strict=True)
        return tuple(
            emit.reshape(emit("Slice", back, *map(emit.integers, ([first], [last], [1]))), shape)
            for first, last, shape in bounds
        )

    return emit.reshape(_gathered(emit, whole, batch, sum(lengths), origin[None]), frame.shape), pullback


def _origin(node: Wiring, frame: Frame) -> Array:
    """For each value of the result the position of its source among all sources' values + 1; 0: a zero."""
    lengths = [math.prod(shape[1:]) for shape in frame.sources]
    numbers = np.split(np.arange(1, sum(lengths) + 1), np.cumsum(lengths)[:-1])
    parts = [part.reshape(1, *shape[1:]) for part, shape in zip(numbers, frame.sources, strict=True)]
    origin = np.asarray(wire(node, *parts)).ravel()
    probe = [-(part**2) for part in parts]  # sums do not commute with this, nor does what orders values
    if not np.array_equal(np.asarray(wire(node, *probe)).ravel(), -(origin**2)):
        raise GraphError(f"there is no gradient for {type(node).__name__}", where=node.name)
    return origin


def _readers(origin: Array, count: int) -> Array:
    """Per source position the places of the result that read it, `[most readers, count]`, + 1; 0: none."""
    places = np.flatnonzero(origin)
    order = places[np.argsort(origin[places], kind="stable")]
    sources = origin[order] - 1
    rank = np.arange(len(order)) - np.searchsorted(sources, sources)
    table = np.zeros((int(rank.max(initial=0)) + 1, count), dtype=np.int64)
    table[rank, sources] = order + 1
    return table


def _gathered(emit: Emitter, whole: str, batch: int, size: int, index: Array) -> str:
    """Sum over the rows of `index[R, M]` of the values of `whole[N, size]` it names from 1 on; 0: a zero."""
    if np.array_equal(index, np.arange(1, size + 1)[None]):
        return whole
    padded = emit("Concat", emit.floats(np.zeros((batch, 1))), whole, axis=1)
    parts = [emit("Gather", padded, emit.integers(row), axis=1) for row in index]
    return emit("Sum", *parts) if len(parts) > 1 else parts[0]


@arrange.register
def _(node: MaxPool, frame: Frame, *values: str) -> Applied:
    """Members that tie for the maximum share its gradient equally: with few levels ties are the rule."""
    emit, (x,) = frame.emit, values
    window = _window(node.stride, node.padding, (1, 1))
    attributes = {key: window[key] for key in ("strides", "pads")}
    pooled = emit("MaxPool", x, kernel_shape=node.kernel, **attributes)

    def pullback(g: str) -> tuple[str, ...]:
        batch, channels, height, width = frame.shape
        taps = _taps(node, frame, x, node.kernel, LOWEST)
        wins = [emit("Cast", emit("Equal", tap, pooled), to=1) for tap in taps]
        share = emit("Div", g, emit("Sum", *wins))
        cells = [emit.reshape(emit("Mul", win, share), (batch, channels, 1, height, width)) for win in wins]
        stacked = emit.reshape(emit("Concat", *cells, axis=2), (batch, -1, height, width))
        places = np.eye(len(taps)).reshape(len(taps), 1, *node.kernel)
        rest = _rest(frame, node.kernel, node.stride, node.padding, (1, 1))
        kernel = emit.floats(np.tile(places, (channels, 1, 1, 1)))
        return (emit("ConvTranspose", stacked, kernel, group=channels, output_padding=rest, **window),)

    return pooled, pullback
