"""Lowering of wiring: nodes that move values and compute nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from onnx import TensorProto

from snncc.frontend.calls import Call, Result, folded, lowered
from snncc.frontend.compose import stacked
from snncc.frontend.gathering import picked
from snncc.frontend.values import Const, DriveValue, Operand, Probe, Signal, Step
from snncc.frontend.verdicts import Kind, Reject
from snncc.frontend.wiring import reshape_step, transpose_step
from snncc_ir.nodes import Pad, Slice
from snncc_ir.types import Shape, shape_text

_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)


def normal_axes(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """Axes counted from the front; raises Reject where one is outside."""
    if any(not -rank <= axis < rank for axis in axes):
        raise Reject(f"axes {list(axes)} are outside a value of {rank} axes")
    return tuple(axis % rank for axis in axes)


def identity(call: Call) -> Result:
    """Identity and the like: nothing happens."""
    return folded(call.operand(), "passes its input on")


def dropout(call: Call) -> Result:
    """Dropout does nothing outside training."""
    training = call.optional(2, "training_mode is")
    if training is not None and bool(training.any()):
        raise Reject("training_mode is on; export the network for inference")
    if len(call.node.outputs) > 1 and call.node.outputs[1] in call.read:
        raise Reject("the output mask is not supported; export the network for inference")
    return folded(call.operand(), "does nothing outside training")


def cast(call: Call) -> Result:
    """Cast to real numbers."""
    target = call.attributes.integer("to", 0)
    if target not in _FLOATS:
        raise Reject(
            f"rounds to {TensorProto.DataType.Name(target).lower()}; only real numbers are cast freely"
        )
    value = call.codes() if _holds_input(call) else call.operand()
    real = replace(value, zero=None) if isinstance(value, Signal) else value
    return folded(real, "values are real numbers already")


def _holds_input(call: Call) -> bool:
    """True for the integers of the network's input, whose real values are these numbers."""
    value = call.values[0]
    return isinstance(value, Signal) and value.grid is None and value.zero is not None


def cast_like(call: Call) -> Result:
    """CastLike to the type of a real value."""
    like = call.values[1] if call.has(1) else None
    first = call.values[0]
    if isinstance(like, Signal) and like.zero is not None:
        raise Reject("rounds to stored integers; only real numbers are cast freely")
    if isinstance(first, Const):  # like a value computed from the image, which is real
        return Result((Const(first.array.astype(np.float32)),), Kind.FOLDED, "constant")
    if isinstance(like, Const) and like.array.dtype.kind != "f":
        raise Reject(f"rounds to {like.array.dtype}; only real numbers are cast freely")
    return folded(call.operand(), "values are real numbers already")


def flatten(call: Call) -> Result:
    """Flatten."""
    full = (call.batch, *call.operand().shape)
    axis = call.attributes.integer("axis", 1)
    if not -len(full) <= axis <= len(full):
        raise Reject(f"axis {axis} is outside a value of {len(full)} axes")
    axis = axis + len(full) if axis < 0 else axis
    return _reshaped(call, (math.prod(full[:axis]), math.prod(full[axis:])))


def reshape(call: Call) -> Result:
    """Reshape to a constant shape."""
    full = (call.batch, *call.operand().shape)
    target = list(call.integers(1, "its target shape is"))
    if not call.attributes.integer("allowzero", 0):
        if any(size == 0 for size in target[len(full) :]):
            raise Reject(f"target shape {target} copies an axis that is not there")
        target = [full[axis] if size == 0 else size for axis, size in enumerate(target)]
    if target.count(-1) == 1:
        known = -math.prod(target)
        if known > 0:
            target = [math.prod(full) // known if size == -1 else size for size in target]
    if min(target, default=0) < 1 or math.prod(target) != math.prod(full):
        raise Reject(f"{shape_text(full)} cannot be reshaped to {target}")
    return _reshaped(call, tuple(target))


def squeeze(call: Call) -> Result:
    """Squeeze."""
    full = (call.batch, *call.operand().shape)
    axes = _listed_axes(call)
    if axes is None:
        dropped = tuple(axis for axis, size in enumerate(full) if size == 1 and axis > 0)
    else:
        dropped = normal_axes(axes, len(full))
    if 0 in dropped:
        raise Reject("drops the batch axis; squeeze the other axes alone")
    if any(full[axis] != 1 for axis in dropped):
        raise Reject(f"axes {list(dropped)} of {shape_text(full)} are not of size 1")
    return _reshaped(call, tuple(size for axis, size in enumerate(full) if axis not in dropped))


def unsqueeze(call: Call) -> Result:
    """Unsqueeze."""
    full = (call.batch, *call.operand().shape)
    axes = _listed_axes(call) or ()
    rank = len(full) + len(axes)
    added = set(normal_axes(axes, rank))
    if len(added) < len(axes):
        raise Reject(f"axes {list(axes)} name one twice")
    sizes = iter(full)
    return _reshaped(call, tuple(1 if axis in added else next(sizes) for axis in range(rank)))


def _listed_axes(call: Call) -> tuple[int, ...] | None:
    if call.has(1):
        return call.integers(1, "its axes are")
    return call.attributes.integers("axes", ()) if "axes" in call.attributes else None


def _reshaped(call: Call, full: Shape) -> Result:
    """The first input under another shape, batch axis included."""
    if not full or full[0] != call.batch:
        raise Reject(f"gives {shape_text(full)}, which changes the batch axis; keep it first")
    if len(full) == 1:
        raise Reject("leaves no axis but the batch; keep one")
    value = call.operand()
    return lowered(call.wired(value, reshape_step(full[1:], call.origin)))


def transpose(call: Call) -> Result:
    """Transpose that leaves the batch axis first."""
    value = call.operand()
    rank = len(value.shape) + 1
    axes = call.attributes.integers("perm", tuple(reversed(range(rank))))
    if sorted(axes) != list(range(rank)):
        raise Reject(f"perm {list(axes)} is no permutation of {rank} axes")
    if axes[0] != 0:
        raise Reject(f"perm {list(axes)} moves the batch axis; keep it first")
    return lowered(call.wired(value, transpose_step(tuple(axis - 1 for axis in axes[1:]), call.origin)))


def slice_(call: Call) -> Result:
    """Slice; steps that reverse an axis pick its positions one by one."""
    value = call.operand()
    full = (call.batch, *value.shape)
    places = [range(size) for size in full]
    for axis, (start, stop, step) in _slice_bounds(call, len(full)):
        if step == 0:
            raise Reject(f"step of axis {axis} is 0")
        places[axis] = range(*slice(start, stop, step).indices(full[axis]))
        if not places[axis]:
            raise Reject(f"takes nothing of axis {axis}, {start}..{stop} of {full[axis]} in steps of {step}")
    if places[0] != range(call.batch):
        raise Reject("takes a part of the batch; slice the other axes alone")
    if places[1:] == [range(size) for size in value.shape]:
        return folded(value, "takes everything")
    return lowered(_sliced(call, value, places[1:]))


def _sliced(call: Call, value: Operand, places: list[range]) -> Operand:
    ahead = [
        place if place.step > 0 else range(size) for place, size in zip(places, value.shape, strict=True)
    ]
    starts, stops, steps = zip(*((place.start, place.stop, place.step) for place in ahead), strict=True)
    node = Slice(name="", source="", start=starts, stop=stops, step=steps)
    if ahead != [range(size) for size in value.shape]:
        value = call.wired(value, Step(node, call.origin))
    for axis, place in enumerate(places):
        if place.step < 0:
            value = picked(call, value, axis, place)
    return value


def _slice_bounds(call: Call, rank: int) -> list[tuple[int, tuple[int, int, int]]]:
    if call.has(1):
        starts, stops = call.integers(1, "its starts are"), call.integers(2, "its ends are")
        axes = call.integers(3, "its axes are") if call.has(3) else tuple(range(len(starts)))
        steps = call.integers(4, "its steps are") if call.has(4) else (1,) * len(starts)
    else:
        starts, stops = call.attributes.integers("starts", ()), call.attributes.integers("ends", ())
        axes = call.attributes.integers("axes", tuple(range(len(starts))))
        steps = (1,) * len(starts)
    if not len(starts) == len(stops) == len(axes) == len(steps):
        raise Reject("its starts, ends, axes and steps differ in length")
    return list(zip(normal_axes(axes, rank), zip(starts, stops, steps, strict=True), strict=True))


def concat(call: Call) -> Result:
    """Concat along any axis but the batch; a constant part of zeros is padding."""
    if call.is_tail:
        return _both_classes(call)
    parts = [value for value in call.values if value is not None]
    ranks = [len(value.shape) + 1 for value in parts if isinstance(value, Signal | DriveValue)]
    axis = normal_axes((call.attributes.integer("axis", 0),), min(ranks))[0]
    if axis == 0:
        raise Reject("joins along the batch axis; join along another")
    constants = [index for index, value in enumerate(parts) if isinstance(value, Const)]
    if constants:
        return _concat_zeros(call, axis - 1, constants)
    signals = tuple(call.signal(index) for index in range(len(parts)))
    if len(signals) == 1:
        return folded(signals[0], "joins one value alone")
    return lowered(call.builder.concat(signals, axis - 1, call.origin))


def _both_classes(call: Call) -> Result:
    """Concat(1 - p, p) at the end, seen as (-d, d): the network shows d before the Sigmoid alone."""
    first, second = call.operand(0), call.operand(1)
    axis = normal_axes((call.attributes.integer("axis", 0),), len(second.shape) + 1)[0]
    if (
        axis == 1
        and second.shape == (1,)
        and isinstance(first, DriveValue)
        and isinstance(second, DriveValue)
    ):
        seen = second.probe
        gain, offset = (np.concatenate([-part, part]) for part in (seen.gain, seen.offset))
        joined = stacked(first, second, Probe(seen.tensor, seen.layout, gain, offset, copies=2), call.origin)
        if joined is not None:
            return folded(joined, "the two classes have opposite drives")
    raise Reject(
        "joins a Sigmoid with its complement; only two classes behind a matrix product are supported"
    )


def _concat_zeros(call: Call, axis: int, constants: list[int]) -> Result:
    computed = [index for index in range(len(call.values)) if index not in constants]
    if len(computed) != 1 or any(call.constant(index, "a part is").any() for index in constants):
        raise Reject("joins constants to computed values; only zeros beside one value are supported")
    value = call.operand(computed[0])
    if isinstance(value, Signal) and value.zero:
        raise Reject("joins zeros to stored integers whose zero point is another; dequantise them before")
    sizes = [call.constant(index, "a part is").shape for index in constants]
    if any(len(size) != len(value.shape) + 1 for size in sizes):
        raise Reject("its parts differ in their number of axes")
    before = sum(size[axis + 1] for size, index in zip(sizes, constants, strict=True) if index < computed[0])
    after = sum(size[axis + 1] for size in sizes) - before
    pairs = tuple((before, after) if a == axis else (0, 0) for a in range(len(value.shape)))
    step = Step(Pad(name="", source="", padding=pairs), call.origin)
    return lowered(call.wired(value, step))
