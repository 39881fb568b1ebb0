"""Operators on sequences (one axis behind the channels) as the same operators on images of height 1."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace

from onnx import helper

from snncc.frontend.calls import Call, Result
from snncc.frontend.onnx_nodes import Attributes
from snncc.frontend.values import Array, Const, DriveValue, Operand, Probe, Signal, Value
from snncc.frontend.verdicts import Reject
from snncc.frontend.wiring import is_layout, push, reshape_step

Lowering = Callable[[Call], Result]
Integers = tuple[int, ...]

SEQUENCE = 2
IMAGE = 3
"""Axes of a sequence and of an image, channels included."""

_WIDER: Mapping[str, Callable[[Integers], Integers]] = {
    "dilations": lambda sizes: (1, *sizes),
    "kernel_shape": lambda sizes: (1, *sizes),
    "output_padding": lambda sizes: (0, *sizes),
    "output_shape": lambda sizes: (1, *sizes),
    "pads": lambda pads: tuple(size for pad in pads for size in (0, pad)),
    "strides": lambda sizes: (1, *sizes),
}
"""What an attribute of a sequence becomes on an image of height 1."""


def on_images(what: str, lowering: Lowering) -> Lowering:
    """The lowering for images and sequences; raises Reject for values of other ranks. `what` is its name."""

    @functools.wraps(lowering)
    def lower(call: Call) -> Result:
        value = call.operand()
        axes = len(value.shape)
        if axes == IMAGE:
            return lowering(call)
        if axes != SEQUENCE:
            raise Reject(
                f"{what} over {axes - 1} axes is not supported; use images (two axes) or sequences (one axis)"
            )
        result = lowering(_lifted(call, value))
        return replace(result, values=tuple(_flat(call, value) for value in result.values))

    return lower


def _lifted(call: Call, value: Operand) -> Call:
    """The call on an image of height 1."""
    channels, width = value.shape
    image = call.wired(value, reshape_step((channels, 1, width), call.origin))
    weights = tuple(_lifted_weight(value) for value in call.values[1:])
    protos = {
        **call.attributes.protos,
        **{
            name: helper.make_attribute(name, wider(call.attributes.integers(name, ())))
            for name, wider in _WIDER.items()
            if name in call.attributes
        },
    }
    return replace(call, node=replace(call.node, attributes=Attributes(protos)), values=(image, *weights))


def _lifted_weight(value: Value | None) -> Value | None:
    """Weights [O, I, K] of a sequence as [O, I, 1, K]; biases stay."""
    if isinstance(value, Const) and value.array.ndim == SEQUENCE + 1:
        stored = value.stored
        return Const(_taller(value.array), stored.mapped(_taller) if stored is not None else None)
    return value


def _taller(weights: Array) -> Array:
    return weights[:, :, None, :]


def _flat(call: Call, value: Value) -> Value:
    """An image of height 1 as a sequence."""
    if not isinstance(value, Signal | DriveValue):
        return value
    step = reshape_step((value.shape[0], value.shape[2]), call.origin)
    if isinstance(value, Signal):
        return call.builder.wire(value, step)
    flat = push(value, step)
    if value.probe.tensor != call.tensor or not is_layout(flat.steps):
        return flat
    return replace(flat, probe=Probe.plain(call.tensor, flat.base[0], flat.steps))
