"""Random linear nodes and wiring for `support.graphs`."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from snncc_ir.nodes import Conv, Dense, Pad, Pair, Repeat, Reshape, Scale, Slice, SumPool, Transpose
from snncc_ir.tensors import WEIGHT_BITS, Tensor
from snncc_ir.types import Shape

if TYPE_CHECKING:
    from support.graphs import Builder

Padding = tuple[Pair, Pair]

LONG = 8
"""Axes of this size are not made longer: a case stays small."""


def shown(value: Any) -> Any:
    """The tensors of a node as nested lists, for failure messages."""
    if isinstance(value, Tensor):
        return value.data.tolist()
    if hasattr(value, "__dataclass_fields__"):
        found = {field.name: shown(getattr(value, field.name)) for field in fields(value)}
        return {name: part for name, part in found.items() if part}
    return None


def draw_pool(b: Builder, shape: Shape) -> tuple[Pair, Pair, Padding]:
    """Kernel, stride and padding of a pool that fits `shape`: overlapping or not, padded or not."""
    padding, kernel = [], []
    for size in shape[1:]:
        k = b.number(1, 3)
        pads = (b.number(0, k - 1), b.number(0, k - 1)) if b.number(0, 1) else (0, 0)
        k = k if k <= size + sum(pads) else 1
        kernel.append(k)
        padding.append(pads if max(pads) < k else (0, 0))
    stride = (b.number(1, 3), b.number(1, 3))
    return (kernel[0], kernel[1]), stride, (padding[0], padding[1])


def draw_rewiring(b: Builder, source: str) -> Any:
    """A reshape, transposition, slice, padding or repetition of any signal."""
    shape = b.shape(source)
    rank = len(shape)
    match b.number(0, 4):
        case 0:
            flat = (math.prod(shape),) if b.number(0, 1) else (*shape[1:], shape[0])
            return Reshape(name=b.name("r"), source=source, shape=flat)
        case 1:
            axes = tuple(int(i) for i in b.rng.permutation(rank))
            return Transpose(name=b.name("t"), source=source, axes=axes)
        case 2:
            start = tuple(b.number(0, size - 1) for size in shape)
            stop = tuple(b.number(first + 1, size) for first, size in zip(start, shape, strict=True))
            step = tuple(b.number(1, 2) for _ in shape)
            return Slice(name=b.name("s"), source=source, start=start, stop=stop, step=step)
        case 3:
            factors = tuple(b.number(1, 2) if size < LONG else 1 for size in shape)
            return Repeat(name=b.name("n"), source=source, factors=factors)
        case _:
            padding = tuple((b.number(0, 1), b.number(0, 1)) for _ in shape)
            interior = tuple(b.number(0, 2) if size < LONG else 0 for size in shape)
            interior = interior if b.number(0, 1) else ()
            return Pad(name=b.name("z"), source=source, padding=padding, interior=interior)


def draw_linear(b: Builder, source: str) -> str:
    """Any linear node behind a signal."""
    shape = b.shape(source)
    if len(shape) == 1:
        return _dense(b, source, b.number(1, 5)) if b.number(0, 3) else _scale(b, source)
    match b.number(0, 7):
        case 0:
            return _scale(b, source)
        case 1 | 2:
            kernel, stride, padding = draw_pool(b, shape)
            count = bool(b.number(0, 1))
            weight = b.weights(shape[:1], b.number(2, 5))
            node = SumPool(name=b.name("a"), source=source, weight=weight, kernel=kernel, stride=stride,
                           padding=padding, count_padding=count)  # fmt: skip
            return b.project(node)
        case _:
            return _conv(b, source)


def draw_linear_to(b: Builder, source: str, target: Shape) -> str:
    """A linear node behind `source` whose drive has the shape `target` (of the same rank)."""
    shape = b.shape(source)
    if shape == target and b.number(0, 1):
        return _scale(b, source)
    if len(target) == 1:
        return _dense(b, source, target[0])
    kernel = tuple(max(1, size - wanted + 1) for size, wanted in zip(shape[1:], target[1:], strict=True))
    missing = [max(0, wanted - size) for size, wanted in zip(shape[1:], target[1:], strict=True)]
    before = [b.number(0, size) for size in missing]
    padding = tuple((first, size - first) for first, size in zip(before, missing, strict=True))
    weight = b.weights((target[0], shape[0], *kernel), b.pick(WEIGHT_BITS))
    return b.project(Conv(name=b.name("k"), source=source, weight=weight, padding=padding))  # type: ignore[arg-type]


def _scale(b: Builder, source: str) -> str:
    bits = b.pick((2, 3, 8, 12))
    return b.project(Scale(name=b.name("i"), source=source, weight=b.weights(b.shape(source)[:1], bits)))


def _dense(b: Builder, source: str, outputs: int) -> str:
    weight = b.weights((outputs, b.shape(source)[0]), b.pick(WEIGHT_BITS))
    return b.project(Dense(name=b.name("d"), source=source, weight=weight))


def _conv(b: Builder, source: str) -> str:
    """A convolution with stride, dilation, groups and asymmetric padding."""
    channels, *image = b.shape(source)
    groups = b.pick([g for g in range(1, channels + 1) if channels % g == 0])
    outputs = groups * b.number(1, 2)
    kernel, padding, dilation = zip(*(_axis(b, size) for size in image), strict=True)
    weight = b.weights((outputs, channels // groups, *kernel), b.pick(WEIGHT_BITS))
    stride = (b.number(1, 3), b.number(1, 3))
    node = Conv(name=b.name("k"), source=source, weight=weight, stride=stride, padding=padding,
                dilation=dilation, groups=groups)  # fmt: skip
    return b.project(node)


def _axis(b: Builder, size: int) -> tuple[int, Pair, int]:
    """Kernel size, padding and dilation along one axis."""
    kernel, dilation = b.number(1, 3), b.pick((1, 1, 1, 2))
    padding = (b.number(0, 2), b.number(0, 2)) if b.number(0, 1) else (0, 0)
    span = dilation * (kernel - 1) + 1
    return (kernel, padding, dilation) if span <= size + sum(padding) else (1, padding, 1)
