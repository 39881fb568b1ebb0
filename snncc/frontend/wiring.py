"""Pending wiring: its shapes, its inverse, and how constants map through it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.frontend.values import Array, DriveValue, Origin, Step
from snncc.frontend.verdicts import Reject
from snncc_ir.errors import GraphError
from snncc_ir.inference import result_type
from snncc_ir.linear import wire
from snncc_ir.neurons import per_channel
from snncc_ir.nodes import AnyNode, MaxPool, Pad, Repeat, Reshape, Transpose
from snncc_ir.tensors import Reals
from snncc_ir.types import Real, Shape, shape_text

Ints = NDArray[np.int64]

MAX_TRACED = 2**24
"""Largest value whose elements are followed one by one through wiring."""


def result_shape(node: AnyNode, *sources: Shape) -> Shape:
    """Shape of a node's value for real sources; raises Reject where the IR's typing rules refuse it."""
    try:
        return result_type(node, tuple(Real(shape) for shape in sources)).shape
    except GraphError as error:
        raise Reject(error.what) from None


def simplified(step: Step, shape: Shape) -> Step | None:
    """The step as the plainest wiring that does the same to `shape`; None where it does nothing."""
    wiring = step.wiring
    if isinstance(wiring, Transpose):
        kept = [axis for axis in wiring.axes if shape[axis] > 1]
        if kept == sorted(kept):
            wiring = Reshape(name="", source="", shape=tuple(shape[axis] for axis in wiring.axes))
    if isinstance(wiring, Reshape) and wiring.shape == shape:
        return None
    if isinstance(wiring, Pad | Repeat) and result_shape(wiring, shape) == shape:
        return None
    return Step(wiring, step.origin)


def merged(first: Step, second: Step) -> Step | None:
    """One step for two in a row, where there is one."""
    match first.wiring, second.wiring:
        case Reshape(), Reshape():
            return Step(second.wiring, second.origin)
        case Transpose(axes=inner), Transpose(axes=outer):
            axes = tuple(inner[axis] for axis in outer)
            return Step(Transpose(name="", source="", axes=axes), second.origin)
        case _:
            return None


def push(drive: DriveValue, step: Step) -> DriveValue:
    """The drive with one more step of wiring pending."""
    shape = result_shape(step.wiring, drive.shape)
    return replace(drive, steps=_appended(drive.base, drive.steps, step), shape=shape)


def _appended(base: Shape, steps: tuple[Step, ...], step: Step) -> tuple[Step, ...]:
    joined = merged(steps[-1], step) if steps else None
    if joined is not None:
        return _appended(base, steps[:-1], joined)
    plain = simplified(step, shapes(base, steps)[-1])
    if plain is None:
        return steps
    if steps and plain.wiring is not step.wiring:
        return _appended(base, steps, plain)
    return (*steps, plain)


def shapes(base: Shape, steps: Iterable[Step]) -> list[Shape]:
    """Shape before the first step and after each."""
    found = [base]
    for step in steps:
        found.append(result_shape(step.wiring, found[-1]))
    return found


def is_layout(steps: Iterable[Step]) -> bool:
    """True where the steps only rearrange: nothing is dropped, added or compared."""
    return all(isinstance(step.wiring, Reshape | Transpose) for step in steps)


def inverse(base: Shape, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps that undo a layout, from its last shape back to `base`."""
    origins = reversed([step.origin for step in steps])
    return tuple(map(Step, undone(base, steps), origins))


def undone(base: Shape, steps: tuple[Step, ...]) -> tuple[Reshape | Transpose, ...]:
    """The wiring that undoes a layout."""
    before = shapes(base, steps)[:-1]
    return tuple(_inverse(step, shape) for step, shape in reversed(list(zip(steps, before, strict=True))))


def _inverse(step: Step, shape: Shape) -> Reshape | Transpose:
    if isinstance(step.wiring, Transpose):
        axes = tuple(int(axis) for axis in np.argsort(step.wiring.axes))
        return Transpose(name="", source="", axes=axes)
    return Reshape(name="", source="", shape=shape)


def trace(values: NDArray[Any], steps: Iterable[Step]) -> NDArray[Any]:
    """`values` (without a batch axis) sent through the steps."""
    _check_traced(values.shape)
    for step in steps:
        _check_traced(result_shape(step.wiring, values.shape))
        values = wire(step.wiring, values[None])[0]
    return values


def _check_traced(shape: Shape) -> None:
    if math.prod(shape) > MAX_TRACED:
        raise Reject(f"a value of {shape_text(shape)} is too large")


def fitted(array: Array, shape: Shape, batch: int) -> Reals:
    """A constant as one that broadcasts to `shape`, of as many axes; the batch axis is left out."""
    full = (batch, *shape)
    try:
        fits = np.broadcast_shapes(full, array.shape) == full
    except ValueError:
        fits = False
    if not fits:
        raise Reject(
            f"a constant of {shape_text(array.shape)} does not broadcast to {shape_text(shape)} per image"
        )
    if array.ndim == len(full):
        if array.shape[0] > 1:
            raise Reject("a constant differs from image to image of a batch")
        array = array[0]
    padded = np.asarray(array, dtype=np.float64).reshape((1,) * (len(shape) - array.ndim) + array.shape)
    if not np.isfinite(padded).all():
        raise Reject("a constant holds NaN or infinity")
    return narrowed(padded)


def narrowed(array: Reals) -> Reals:
    """The array with axes along which it does not vary cut to one position."""
    for axis in range(array.ndim):
        first = array.take([0], axis)
        if array.shape[axis] > 1 and bool((array == first).all()):
            array = first
    return array


def channel_values(drive: DriveValue, constant: Reals, outside: float | None) -> Reals | None:
    """The value per channel of the drive that `constant`, fitted to its visible shape, amounts to.

    None where it is none: it differs within a channel. `outside` is what positions made by zero
    padding must hold (None: anything).
    """
    channels = drive.base[0]
    pads = any(isinstance(step.wiring, Pad) for step in drive.steps)
    if constant.size == 1 and (outside is None or not pads):
        return np.full(channels, constant.reshape(-1)[0])
    if not drive.steps:
        along = all(size == 1 for size in constant.shape[1:])
        return np.broadcast_to(constant.reshape(-1), (channels,)).copy() if along else None
    labels = _channel_labels(drive)
    if labels is None:
        return None
    values = np.broadcast_to(constant, drive.shape)
    inside = labels > 0
    if outside is not None and bool((values[~inside] != outside).any()):
        return None
    found = np.ones(channels + 1)
    found[labels[inside]] = values[inside]
    return found[1:] if bool((found[labels[inside]] == values[inside]).all()) else None


def _channel_labels(drive: DriveValue) -> Ints | None:
    """1 + channel of every visible position, 0 in padding; None where pooling mixes channels."""
    if math.prod(drive.base) > MAX_TRACED:
        return None
    channel = np.arange(1, drive.base[0] + 1)
    labels = np.broadcast_to(per_channel(channel, len(drive.base)), drive.base)
    highest = trace(labels, drive.steps)
    if any(isinstance(step.wiring, MaxPool) for step in drive.steps):
        lowest = -trace(-labels, drive.steps)
        if bool((lowest != highest).any()):
            return None
    return np.asarray(highest, dtype=np.int64)


def reshape_step(shape: Shape, origin: Origin) -> Step:
    """A step that gives `shape`."""
    return Step(Reshape(name="", source="", shape=shape), origin)


def transpose_step(axes: tuple[int, ...], origin: Origin) -> Step:
    """A step that permutes axes."""
    return Step(Transpose(name="", source="", axes=axes), origin)
