"""Lowering of sums, of products with constants, and of BatchNormalization."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from snncc.frontend.builder import identity_term
from snncc.frontend.calls import Call, Result, as_drive, folded, lowered, signed
from snncc.frontend.compose import scaled, settled, spread, summed
from snncc.frontend.values import Const, DriveValue, Operand, Probe, Signal
from snncc.frontend.verdicts import Reject
from snncc.frontend.wiring import channel_values, inverse, is_layout, push, transpose_step
from snncc_ir.nodes import MaxPool
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


def sub(call: Call) -> Result:
    """Sub: Add with the second value negated."""
    if isinstance(call.values[1], Const):
        value = call.operand(0)
        one = np.ones((1,) * len(value.shape))
        return folded(affine(call, value, one, -call.fitted(1, value.shape)), "becomes the bias")
    second = call.operand(1)
    if isinstance(call.values[0], Const):
        minus = -np.ones((1,) * len(second.shape))
        return folded(affine(call, second, minus, call.fitted(0, second.shape)), "becomes the bias")
    return lowered(added(call, call.operand(0), second, -1.0))


def mul(call: Call) -> Result:
    """Mul by a constant."""
    index = _constant_factor(call, "a product of two computed values (a gate)")
    value = call.operand(1 - index)
    factor = call.fitted(index, value.shape)
    return _scaled(call, value, factor, np.zeros((1,) * len(value.shape)))


def div(call: Call) -> Result:
    """Div by a constant."""
    if _constant_factor(call, "a quotient of two computed values") == 0:
        raise Reject("divides a constant by a computed value, which is no weighted sum")
    value = call.operand()
    divisor = call.fitted(1, value.shape)
    if not divisor.all():
        raise Reject("divides by zero")
    return _scaled(call, value, 1.0 / divisor, np.zeros((1,) * len(value.shape)))


def _constant_factor(call: Call, what: str) -> int:
    for index in (0, 1):
        if isinstance(call.values[index], Const):
            return index
    raise Reject(f"{what} is no weighted sum; use Add, Relu or Clip and fine-tune")


def negate(call: Call) -> Result:
    """Neg: times -1."""
    value = call.operand()
    one = np.ones((1,) * len(value.shape))
    return _scaled(call, value, -one, 0.0 * one)


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
    return _scaled(call, value, factor.reshape(per_axis), (beta - mean * factor).reshape(per_axis))


def _statistics(call: Call, index: int, shape: Shape) -> Reals:
    values = np.asarray(call.constant(index, "its statistics are"), dtype=np.float64)
    if values.shape != shape[:1]:
        raise Reject(f"statistics {shape_text(values.shape)} do not fit {shape_text(shape)} per image")
    if not np.isfinite(values).all():
        raise Reject("its statistics hold NaN or infinity")
    return values


def _scaled(call: Call, value: Operand, factor: Reals, shift: Reals) -> Result:
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
        return _affine_signal(call, signed(call.builder, drive), factor, shift)
    if offset is not None:
        return _changed(call, drive, gain, offset)
    if drive.steps or len(drive.base) != 3:
        return _affine_signal(call, signed(call.builder, drive), factor, shift)
    return _changed(call, drive, gain, np.broadcast_to(shift, drive.base))


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
    signal = call.builder.solid(signal)
    axis = _varying_axis((factor, shift))
    rank = len(signal.shape)
    order = (axis, *(other for other in range(rank) if other != axis))
    step = transpose_step(order, call.origin)
    turned = call.builder.wire(signal, step)
    channels = turned.shape[0]
    drive = DriveValue(
        terms=(identity_term(turned, np.array(np.broadcast_to(factor.reshape(-1), channels)), call.origin),),
        bias=np.array(np.broadcast_to(shift.reshape(-1), channels)),
        base=turned.shape,
        shape=turned.shape,
        probe=Probe.plain(call.tensor, channels),
        origin=call.origin,
    )
    for undo in inverse(signal.shape, (step,)):
        drive = push(drive, undo)
    return replace(drive, probe=Probe.plain(call.tensor, channels, drive.steps))


def _varying_axis(constants: Sequence[Reals]) -> int:
    axes = {axis for array in constants for axis, size in enumerate(array.shape) if size > 1}
    if len(axes) > 1:
        raise Reject(
            "a constant varies along several axes; only one factor and shift per channel is supported"
        )
    return axes.pop() if axes else 0


def added(call: Call, first: Operand, second: Operand, sign: float) -> DriveValue:
    """first + sign * second; both computed."""
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
