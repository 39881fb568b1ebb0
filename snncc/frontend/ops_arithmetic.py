"""Lowering of sums, of products with constants, and of BatchNormalization."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from snncc.frontend.calls import Call, Result, as_drive, folded, is_scaling, lowered, signed
from snncc.frontend.compose import scaled, settled, spread, summed
from snncc.frontend.values import Const, DriveValue, Operand, Probe, Signal, Step
from snncc.frontend.verdicts import Reject
from snncc.frontend.wiring import channel_values, inverse, is_layout, narrowed, push, trace, transpose_step
from snncc_ir.nodes import MaxPool, Repeat
from snncc_ir.tensors import Reals
from snncc_ir.types import Shape, shape_text


def add(call: Call) -> Result:
    """Add and Sum: terms side by side, a constant into the bias."""
    total: Operand | None = None
    for index, value in enumerate(call.values):
        if not isinstance(value, Const):
            total = call.operand(index) if total is None else added(call, total, call.operand(index), 1.0)
    if total is None:
        raise Reject("adds constants alone")
    constants = [i for i, value in enumerate(call.values) if isinstance(value, Const)]
    if not constants:
        return lowered(total)
    one = np.ones((1,) * len(total.shape))
    for index in constants:
        total = affine(call, total, one, call.fitted(index, total.shape))
    return folded(total, "becomes the bias")


def mean(call: Call) -> Result:
    """Mean: the sum over the number of values."""
    total = add(call).values[0]
    if not isinstance(total, Signal | DriveValue):
        raise TypeError("a sum of computed values is computed")
    rank = len(total.shape)
    return lowered(affine(call, total, np.full((1,) * rank, 1 / len(call.values)), np.zeros((1,) * rank)))


def sub(call: Call) -> Result:
    """Sub: Add with the second value negated; 1 - p of a Sigmoid p at the end is the negated drive."""
    if call.is_tail:
        return _complement(call)
    if isinstance(call.values[1], Const):
        value = call.operand(0)
        one = np.ones((1,) * len(value.shape))
        return folded(affine(call, value, one, -call.fitted(1, value.shape)), "becomes the bias")
    second = call.operand(1)
    if isinstance(call.values[0], Const):
        minus = -np.ones((1,) * len(second.shape))
        return folded(affine(call, second, minus, call.fitted(0, second.shape)), "becomes the bias")
    return lowered(added(call, call.operand(0), second, -1.0))


def _complement(call: Call) -> Result:
    """1 - sigmoid(d) = sigmoid(-d)."""
    if not isinstance(call.values[0], Const) or not (call.constant(0, "the minuend is") == 1).all():
        raise Reject("computes with a Sigmoid; only 1 - p at the end is supported")
    value = call.operand(1)
    one = np.ones((1,) * len(value.shape))
    return folded(affine(call, value, -one, 0.0 * one), "1 - p has the order of the negated drive")


def mul(call: Call) -> Result:
    """Mul by a constant."""
    index = _constant_factor(call, "a product of two computed values (a gate)")
    value = call.operand(1 - index)
    factor = call.fitted(index, value.shape)
    return by_channel(call, value, factor, np.zeros((1,) * len(value.shape)))


def div(call: Call) -> Result:
    """Div by a constant."""
    if _constant_factor(call, "a quotient of two computed values") == 0:
        raise Reject("divides a constant by a computed value, which is no weighted sum")
    value = call.operand()
    divisor = call.fitted(1, value.shape)
    if not divisor.all():
        raise Reject("divides by zero")
    return by_channel(call, value, 1.0 / divisor, np.zeros((1,) * len(value.shape)))


def _constant_factor(call: Call, what: str) -> int:
    for index in (0, 1):
        if isinstance(call.values[index], Const):
            return index
    raise Reject(f"{what} is no weighted sum; use Add, Relu or Clip and fine-tune")


def negate(call: Call) -> Result:
    """Neg: times -1."""
    value = call.operand()
    one = np.ones((1,) * len(value.shape))
    return by_channel(call, value, -one, 0.0 * one)


def batch_normalization(call: Call) -> Result:
    """BatchNormalization with its stored statistics: a scale and a shift per channel."""
    if call.attributes.integer("training_mode", 0) or any(
        name in call.read for name in call.node.outputs[1:]
    ):
        raise Reject("computes its statistics while it runs; export the network for inference")
    value = call.operand()
    gamma, beta, mean, variance = (_statistics(call, index, value.shape) for index in range(1, 5))
    spread_of = variance + call.attributes.real("epsilon", 1e-5)
    if (spread_of <= 0).any():
        raise Reject("a variance is not positive")
    factor = gamma / np.sqrt(spread_of)
    per_axis = (-1, *(1,) * (len(value.shape) - 1))
    return by_channel(call, value, factor.reshape(per_axis), (beta - mean * factor).reshape(per_axis))


def _statistics(call: Call, index: int, shape: Shape) -> Reals:
    values = np.asarray(call.constant(index, "its statistics are"), dtype=np.float64)
    if values.shape != shape[:1]:
        raise Reject(f"statistics {shape_text(values.shape)} do not fit {shape_text(shape)} per image")
    if not np.isfinite(values).all():
        raise Reject("its statistics hold NaN or infinity")
    return values


def by_channel(call: Call, value: Operand, factor: Reals, shift: Reals) -> Result:
    """factor * value + shift with constants that broadcast to the value's shape."""
    result = affine(call, value, factor, shift)
    if result.origin != call.origin:
        return folded(result, "becomes part of the weights before it")
    return lowered(result)


def affine(call: Call, value: Operand, factor: Reals, shift: Reals) -> DriveValue:
    """factor * value + shift, for constants fitted to the value's shape."""
    if isinstance(value, Signal):
        return _affine_signal(call, value, factor, shift)
    drive = value
    gain = channel_values(drive, factor, None)
    offset = channel_values(drive, shift, 0.0)
    pools = any(isinstance(step.wiring, MaxPool) for step in drive.steps)
    if gain is None or (pools and bool((gain < 0).any())):
        return _affine_anew(call, drive, factor, shift)
    if offset is not None:
        return _changed(call, drive, gain, offset)
    if drive.steps or len(drive.base) != 3:
        return _affine_anew(call, drive, factor, shift)
    return _changed(call, drive, gain, np.broadcast_to(shift, drive.base))


def _affine_anew(call: Call, drive: DriveValue, factor: Reals, shift: Reals) -> DriveValue:
    """factor * drive + shift along other axes than the drive's own.

    A signal with one factor (pixels / 255) takes any axis; another drive becomes a population first.
    """
    gains = drive.terms[0].linear.weight.values
    if is_scaling(drive) and is_layout(drive.steps) and np.ptp(gains) == 0:
        bias = trace(np.broadcast_to(spread(drive.bias, drive.base), drive.base), drive.steps)
        total = narrowed(factor * bias + shift)
        if len(varying_axes((factor, total))) <= 1:
            return _rescaled(call, drive, factor * gains[0], total)
    return _affine_signal(call, signed(call.builder, drive), factor, shift)


def _rescaled(call: Call, drive: DriveValue, factor: Reals, shift: Reals) -> DriveValue:
    """factor and shift of the one signal that a drive scales, in the place of its own."""
    signal, origin = drive.terms[0].source, drive.origin.also(call.node)
    for step in drive.steps:
        signal = call.builder.wire(signal, step)
    anew = _affine_signal(call, signal, factor, shift)
    terms = tuple(replace(term, origin=origin) for term in anew.terms)
    return replace(anew, terms=terms, origin=origin)


def _changed(call: Call, drive: DriveValue, gain: Reals, offset: Reals) -> DriveValue:
    """gain[c] * drive + offset in the drive's own layout."""
    bias = settled(
        np.array(np.broadcast_to(spread(drive.bias, drive.base), drive.base) * spread(gain, drive.base))
    )
    probe = drive.probe
    if is_layout(drive.steps):
        probe = Probe.plain(call.tensor, drive.base[0], drive.steps)
    else:
        probe = Probe(probe.tensor, probe.layout, probe.gain * gain, probe.offset * gain + offset)
    terms = tuple(scaled(term, gain) for term in drive.terms)
    return replace(
        drive,
        terms=tuple(replace(term, origin=term.origin.also(call.node)) for term in terms),
        bias=summed(bias, offset, drive.base),
        probe=probe,
        origin=drive.origin.also(call.node),
    )


def _affine_signal(call: Call, signal: Signal, factor: Reals, shift: Reals) -> DriveValue:
    """A scale projection along the one axis on which the factor varies, with the shift as its bias."""
    drive = along_axis(call, signal, varying_axis((factor, shift)), call.tensor)
    channels = drive.base[0]
    gain = np.array(np.broadcast_to(factor.reshape(-1), channels))
    return replace(
        drive,
        terms=tuple(scaled(term, gain) for term in drive.terms),
        bias=np.array(np.broadcast_to(shift.reshape(-1), channels)),
    )


def along_axis(call: Call, signal: Signal, axis: int, tensor: str) -> DriveValue:
    """The signal, which the network shows as `tensor`, as a drive whose channels lie along one axis."""
    signal = call.builder.solid(signal)
    order = (axis, *(other for other in range(len(signal.shape)) if other != axis))
    step = transpose_step(order, call.origin)
    drive = as_drive(call.builder, call.builder.wire(signal, step), tensor, call.origin)
    for undo in inverse(signal.shape, (step,)):
        drive = push(drive, undo)
    return replace(drive, probe=Probe.plain(tensor, drive.base[0], drive.steps))


def varying_axes(constants: Sequence[Reals]) -> set[int]:
    """The axes along which the constants vary."""
    return {axis for array in constants for axis, size in enumerate(array.shape) if size > 1}


def varying_axis(constants: Sequence[Reals]) -> int:
    """The one axis along which the constants vary, 0 where they do not."""
    axes = varying_axes(constants)
    if len(axes) > 1:
        raise Reject(
            "a constant varies along several axes; only one factor and shift per channel is supported"
        )
    return axes.pop() if axes else 0


def added(call: Call, first: Operand, second: Operand, sign: float) -> DriveValue:
    """first + sign * second; both computed."""
    first, second = _alike(call, first, second)
    if first.shape != second.shape:
        raise Reject(
            f"adds {shape_text(first.shape)} and {shape_text(second.shape)} per image; "
            "computed values must have the same shape"
        )
    left, right = _movable(call, first), _movable(call, second)
    if isinstance(left, DriveValue) and isinstance(right, DriveValue) and left.steps != right.steps:
        if right.steps:
            right = signed(call.builder, right)
        else:
            left = signed(call.builder, left)
    like = next((value for value in (left, right) if isinstance(value, DriveValue)), None)
    one, two = (_laid_out(call, value, like) for value in (left, right))
    terms = tuple(scaled(term, np.full(two.base[0], sign)) for term in two.terms)
    return replace(
        one,
        terms=(*one.terms, *terms),
        bias=summed(one.bias, sign * two.bias, one.base),
        probe=Probe.plain(call.tensor, one.base[0], one.steps),
        origin=call.origin,
    )


def _alike(call: Call, first: Operand, second: Operand) -> tuple[Operand, Operand]:
    """Both values with axes of one position repeated to the other's size; as they are where none fits."""
    if len(first.shape) != len(second.shape):
        return first, second
    pairs = list(zip(first.shape, second.shape, strict=True))
    if any(a != b and 1 not in (a, b) for a, b in pairs):
        return first, second
    return _repeated(call, first, [b for _, b in pairs]), _repeated(call, second, [a for a, _ in pairs])


def _repeated(call: Call, value: Operand, sizes: Sequence[int]) -> Operand:
    """The value with axes of one position repeated to `sizes`."""
    factors = tuple(size if own == 1 else 1 for own, size in zip(value.shape, sizes, strict=True))
    return call.wired(value, Step(Repeat(name="", source="", factors=factors), call.origin))


def _movable(call: Call, value: Operand) -> Operand:
    """The value as a signal, or as a drive whose steps can be undone."""
    if isinstance(value, DriveValue) and not is_layout(value.steps):
        return signed(call.builder, value)
    return value


def _laid_out(call: Call, value: Operand, like: DriveValue | None) -> DriveValue:
    """The value as a drive with the base and the steps of another."""
    if isinstance(value, DriveValue):
        return value
    if like is None:
        return as_drive(call.builder, value, call.tensor, call.origin)
    for step in inverse(like.base, like.steps):
        value = call.builder.wire(value, step)
    drive = as_drive(call.builder, value, call.tensor, call.origin)
    return replace(drive, shape=like.shape, steps=like.steps)
