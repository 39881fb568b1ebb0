"""The type of a node's value, from the types of its sources: the typing rules of the IR."""

from __future__ import annotations

import math
from functools import singledispatch

from snncc_ir.errors import GraphError
from snncc_ir.linear import pool_divisor
from snncc_ir.neurons import Analog, Leaky, Neuron, Quantiser, Staircase, Table
from snncc_ir.nodes import (
    AnyNode,
    Concat,
    Conv,
    Dense,
    Input,
    MaxPool,
    Pad,
    Pair,
    Population,
    Readout,
    Repeat,
    Reshape,
    Scale,
    Slice,
    SumPool,
    Transpose,
)
from snncc_ir.tensors import MULTIPLIER_BITS, NEURON_BITS, WEIGHT_BITS, Tensor
from snncc_ir.types import Drive, Levels, Real, Shape, ValueType, shape_text

Sources = tuple[ValueType, ...]


def result_type(node: AnyNode, sources: Sources) -> ValueType:
    """Type of the node's value; raises GraphError where a rule is broken."""
    return _result(node, sources)


@singledispatch
def _result(node: AnyNode, sources: Sources) -> ValueType:
    raise TypeError(f"no typing rule for {type(node).__name__}")


@_result.register
def _(node: Input, sources: Sources) -> ValueType:
    for tensor in (node.scale, node.zero):
        if tensor is not None:
            _check_broadcast(tensor.shape, node.type.shape)
    return node.type


@_result.register
def _(node: Conv, sources: Sources) -> ValueType:
    source = _signal(sources[0])
    channels, height, width = _image(source.shape)
    if len(node.weight.shape) != 4:
        raise GraphError(f"convolution weights must have 4 axes, not {len(node.weight.shape)}")
    outputs, fan_in, *kernel = node.weight.shape
    if (
        node.groups < 1
        or channels % node.groups
        or outputs % node.groups
        or fan_in != channels // node.groups
    ):
        raise GraphError(
            f"weights {shape_text(node.weight.shape)} in {node.groups} groups do not fit {channels} channels"
        )
    _check_weight(node.weight, source, WEIGHT_BITS)
    size = [
        _out_size(*axis)
        for axis in zip((height, width), kernel, node.stride, node.padding, node.dilation, strict=True)
    ]
    return Drive((outputs, *size))


@_result.register
def _(node: Dense, sources: Sources) -> ValueType:
    source = _signal(sources[0])
    if len(source.shape) != 1 or len(node.weight.shape) != 2 or node.weight.shape[1] != source.shape[0]:
        raise GraphError(
            f"weights {shape_text(node.weight.shape)} do not fit a source of {shape_text(source.shape)}"
        )
    _check_weight(node.weight, source, WEIGHT_BITS)
    return Drive((node.weight.shape[0],))


@_result.register
def _(node: Scale, sources: Sources) -> ValueType:
    source = _signal(sources[0])
    _check_multiplier(node.weight, source)
    return Drive(source.shape)


@_result.register
def _(node: SumPool, sources: Sources) -> ValueType:
    source = _signal(sources[0])
    _check_multiplier(node.weight, source)
    shape = _pooled(source.shape, node.kernel, node.stride, node.padding)
    if isinstance(source, Levels):
        _check_divisor(node, source)
    return Drive(shape)


@_result.register
def _(node: MaxPool, sources: Sources) -> ValueType:
    source = _signal(sources[0])
    return _reshaped(source, _pooled(source.shape, node.kernel, node.stride, node.padding))


@_result.register
def _(node: Concat, sources: Sources) -> ValueType:
    if not sources:
        raise GraphError("joins no parts")
    signals = [_signal(source) for source in sources]
    first = signals[0].shape
    if not 0 <= node.axis < len(first):
        raise GraphError(f"axis {node.axis} is outside a value of {len(first)} axes")
    rests = {signal.shape[: node.axis] + signal.shape[node.axis + 1 :] for signal in signals}
    if len(rests) > 1 or len({len(signal.shape) for signal in signals}) > 1:
        raise GraphError("parts differ beside the axis along which they are joined")
    shape = (*first[: node.axis], sum(s.shape[node.axis] for s in signals), *first[node.axis + 1 :])
    if all(isinstance(signal, Real) for signal in signals):
        return Real(shape)
    levels = [signal for signal in signals if isinstance(signal, Levels)]
    if len(levels) < len(signals):
        raise GraphError("parts mix real values and levels")
    return Levels(shape, min(s.lo for s in levels), max(s.hi for s in levels))


@_result.register
def _(node: Reshape, sources: Sources) -> ValueType:
    source = _signal(sources[0])
    if math.prod(node.shape) != math.prod(source.shape):
        raise GraphError(f"{shape_text(source.shape)} cannot be reshaped to {shape_text(node.shape)}")
    return _reshaped(source, node.shape)


@_result.register
def _(node: Transpose, sources: Sources) -> ValueType:
    source = _signal(sources[0])
    if sorted(node.axes) != list(range(len(source.shape))):
        raise GraphError(f"axes {node.axes} are no permutation of {len(source.shape)} axes")
    return _reshaped(source, tuple(source.shape[axis] for axis in node.axes))


@_result.register
def _(node: Slice, sources: Sources) -> ValueType:
    source = _signal(sources[0])
    if not len(node.start) == len(node.stop) == len(node.step) == len(source.shape):
        raise GraphError(f"a slice of {len(source.shape)} axes needs as many starts, stops and steps")
    bounds = zip(source.shape, node.start, node.stop, node.step, strict=True)
    if any(not 0 <= start < stop <= size or step < 1 for size, start, stop, step in bounds):
        raise GraphError(f"slice {node.start}..{node.stop} is outside {shape_text(source.shape)}")
    steps = zip(node.start, node.stop, node.step, strict=True)
    return _reshaped(source, tuple(len(range(*axis)) for axis in steps))


@_result.register
def _(node: Pad, sources: Sources) -> ValueType:
    source = _signal(sources[0])
    if len(node.padding) != len(source.shape) or min(map(min, node.padding)) < 0:
        raise GraphError(f"padding {node.padding} does not fit {shape_text(source.shape)}")
    interior = node.interior or (0,) * len(source.shape)
    if len(interior) != len(source.shape) or min(interior) < 0:
        raise GraphError(f"interior padding {node.interior} does not fit {shape_text(source.shape)}")
    padded = zip(source.shape, node.padding, interior, strict=True)
    sizes = (before + size + (size - 1) * between + after for size, (before, after), between in padded)
    return _reshaped(source, tuple(sizes))


@_result.register
def _(node: Repeat, sources: Sources) -> ValueType:
    source = _signal(sources[0])
    if len(node.factors) != len(source.shape) or min(node.factors) < 1:
        raise GraphError(f"factors {node.factors} do not fit {shape_text(source.shape)}")
    return _reshaped(source, tuple(map(math.prod, zip(source.shape, node.factors, strict=True))))


@_result.register
def _(node: Population, sources: Sources) -> ValueType:
    shape = _summed(sources)
    _check_neuron(node.neuron, shape)
    for what, tensor in (("scale", node.scale), ("unit", node.unit)):
        if tensor is not None and tensor.shape != shape[:1]:
            raise GraphError(f"{what} of shape {shape_text(tensor.shape)} does not fit {shape[0]} channels")
    if node.part is not None and len(node.part.channels) != shape[0]:
        raise GraphError(f"a part of {len(node.part.channels)} channels does not fit {shape[0]} channels")
    if isinstance(node.neuron, Analog | Quantiser):
        return Real(shape)
    return Levels(shape, node.neuron.lo, node.neuron.hi)


@_result.register
def _(node: Readout, sources: Sources) -> ValueType:
    shape = _summed(sources)
    node.bias.check(shape)
    if not 0 < node.scale < math.inf:
        raise GraphError(f"scale {node.scale} of a readout must be positive and finite")
    return Drive(shape)


def _check_divisor(node: SumPool, source: Levels) -> None:
    """Refuse a pool whose windows have so many different sizes that its sums leave 64 bits."""
    divisor = pool_divisor(node, source.shape)
    reach = divisor * max(map(abs, node.weight.range)) * max(source.hi, -source.lo)
    if reach >= 1 << (NEURON_BITS - 1):
        raise GraphError(f"windows of {divisor} as common divisor give drives beyond {NEURON_BITS} bits")


def _check_neuron(neuron: Neuron, shape: Shape) -> None:
    match neuron:
        case Analog(bias=bias, grid=grid, slope=slope):
            bias.check(shape)
            if grid is not None:
                _check_channels(grid.top, shape, "grid")
            if slope is not None:
                _check_channels(slope, shape, "slope")
        case Quantiser(step=step, bias=bias):
            _check_channels(step, shape, "step")
            bias.check(shape)
        case Staircase(theta=theta, bias=bias):
            _check_channels(theta, shape, "threshold")
            bias.check(shape)
        case Leaky(bias=bias):
            bias.check(shape)
        case Table():
            neuron.check(shape)


def _check_channels(tensor: Tensor, shape: Shape, what: str) -> None:
    if tensor.shape[0] != shape[0]:
        raise GraphError(f"{what} of {tensor.shape[0]} channels does not fit {shape[0]} channels")


def _check_broadcast(shape: Shape, target: Shape) -> None:
    if len(shape) != len(target) or any(a not in (1, b) for a, b in zip(shape, target, strict=True)):
        raise GraphError(f"scale of shape {shape_text(shape)} does not broadcast to {shape_text(target)}")


def _signal(value: ValueType) -> Real | Levels:
    if isinstance(value, Drive):
        raise GraphError(f"reads {value}, but drives go only into a population or a readout")
    return value


def _summed(sources: Sources) -> Shape:
    drives = [source for source in sources if isinstance(source, Drive)]
    if not drives or len(drives) < len(sources):
        raise GraphError("needs one drive or more, and nothing but drives")
    if len({drive.shape for drive in drives}) > 1:
        raise GraphError("drives of different shapes: " + ", ".join(map(str, drives)))
    return drives[0].shape


def _reshaped(source: Real | Levels, shape: Shape) -> Real | Levels:
    return Real(shape) if isinstance(source, Real) else Levels(shape, source.lo, source.hi)


def _image(shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise GraphError(f"needs channels, height and width, not {shape_text(shape)}")
    return shape[0], shape[1], shape[2]


def _pooled(shape: Shape, kernel: Pair, stride: Pair, padding: tuple[Pair, Pair]) -> Shape:
    channels, *image = _image(shape)
    axes = zip(image, kernel, stride, padding, (1, 1), strict=True)
    if any(max(pair) >= size for pair, size in zip(padding, kernel, strict=True)):
        raise GraphError(f"pooling windows of {shape_text(kernel)} may lie wholly in padding {padding}")
    return (channels, *(_out_size(*axis) for axis in axes))


def _out_size(size: int, kernel: int, stride: int, padding: Pair, dilation: int) -> int:
    if min(kernel, stride, dilation) < 1 or min(padding) < 0:
        raise GraphError("kernel, stride and dilation must be at least 1, padding at least 0")
    span = dilation * (kernel - 1) + 1
    room = size + sum(padding) - span
    if room < 0:
        raise GraphError(f"kernel span {span} is larger than the padded size {size + sum(padding)}")
    return room // stride + 1


def _check_weight(weight: Tensor, source: Real | Levels, widths: tuple[int, ...]) -> None:
    if isinstance(source, Levels) and weight.bits not in widths:
        raise GraphError(f"weights on levels must have {', '.join(map(str, widths))} bits, not {weight.bits}")
    if isinstance(source, Levels) and weight.scale is not None:
        raise GraphError("scaled weights on levels")
    if isinstance(source, Real) and weight.is_integer and weight.scale is None:
        raise GraphError("integer weights on real values")


def _check_multiplier(weight: Tensor, source: Real | Levels) -> None:
    if weight.shape != source.shape[:1]:
        raise GraphError(f"multipliers {shape_text(weight.shape)} do not fit {source.shape[0]} channels")
    _check_weight(weight, source, tuple(range(2, MULTIPLIER_BITS + 1)))
