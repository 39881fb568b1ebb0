"""Lowering of activations, and of what may follow the class scores at the end."""

from __future__ import annotations

import math

import numpy as np

from snncc.frontend.calls import Call, Result, as_drive, folded, lowered
from snncc.frontend.ops_shape import normal_axes
from snncc.frontend.quantised import Quantised
from snncc.frontend.refusals import refusal_of
from snncc.frontend.values import Array, Const, DriveValue, Lattice, Signal
from snncc.frontend.verdicts import Reject
from snncc_ir.rounding import Rounding

_UNBOUNDED = 3.4e38
"""Clip's defaults are the extremes of float32."""


def relu(call: Call) -> Result:
    """Relu: a population of unsigned units."""
    return _clamped(call, 0, 0.0, math.inf)


def clip(call: Call) -> Result:
    """Clip to bounds around 0."""
    if len(call.values) > 1 or call.opset >= 11:
        low = _bound(call.optional(1, "its lower bound is"), -math.inf)
        high = _bound(call.optional(2, "its upper bound is"), math.inf)
    else:
        low = call.attributes.real("min", -math.inf)
        high = call.attributes.real("max", math.inf)
    return _clamped(call, 0, low, high)


def maximum(call: Call) -> Result:
    """Max with a constant number: a lower bound."""
    index = _number_index(call)
    return _clamped(call, 1 - index, _bound(call.constant(index, "a bound is"), 0.0), math.inf)


def minimum(call: Call) -> Result:
    """Min with a constant number: an upper bound."""
    index = _number_index(call)
    return _clamped(call, 1 - index, -math.inf, _bound(call.constant(index, "a bound is"), 0.0))


def _number_index(call: Call) -> int:
    constants = [index for index, value in enumerate(call.values) if isinstance(value, Const)]
    if len(call.values) != 2 or len(constants) != 1:
        raise Reject(
            "only the bound of one computed value by one constant is supported; "
            "write Max(a, b) as a + Relu(b - a), Min(a, b) as a - Relu(a - b)"
        )
    return constants[0]


def _bound(array: Array | None, default: float) -> float:
    if array is None:
        return default
    if array.size != 1:
        raise Reject("bounds that differ by position are not supported; use one number")
    return float(np.asarray(array, dtype=np.float64).reshape(-1)[0])


def _clamped(call: Call, index: int, low: float, high: float) -> Result:
    """An input kept in [low, high]."""
    value = call.operand(index)
    low = -math.inf if low <= -_UNBOUNDED else low
    high = math.inf if high >= _UNBOUNDED else high
    if not low <= 0 <= high or low == high:
        raise Reject(f"bounds {low:g}..{high:g} must hold 0 and more; use bounds around 0")
    if isinstance(value, DriveValue):
        if (low, high) == (-math.inf, math.inf):
            return folded(value, "bounds nothing")
        return lowered(call.builder.fire(value, low, high, call.origin))
    if low <= value.low and value.high <= high:
        return folded(value, "its input keeps these bounds already")
    if max(low, value.low) == min(high, value.high):
        raise Reject("nothing but 0 is left between its bounds and those of its input")
    if value.grid is not None:
        low, high = max(low, value.low), min(high, value.high)
        return _clamped_grid(call, value, value.grid, (low, high), call.node.inputs[index])
    merged = call.builder.narrow(value, low, high)
    if merged is not None:
        return folded(merged, "becomes bounds of the population before it")
    drive = as_drive(call.builder, call.builder.solid(value), call.node.inputs[index], call.origin)
    return lowered(call.builder.fire(drive, max(low, value.low), min(high, value.high), call.origin))


def _clamped_grid(
    call: Call, value: Signal, grid: Lattice, bounds: tuple[float, float], tensor: str
) -> Result:
    """A quantised value, which the network shows as `tensor`, kept within levels of its own grid."""
    low, high = bounds
    lo, hi = int(np.ceil(low / grid.step)), int(np.floor(high / grid.step))
    if grid.step * lo != low or grid.step * hi != high:
        raise Reject(f"bounds {low:g}..{high:g} are no levels of the quantised value; clip before quantising")
    narrowed = call.builder.narrow_grid(value, lo, hi)
    if narrowed is not None:
        return folded(narrowed, "becomes bounds of the population before it")
    drive = as_drive(call.builder, value, tensor, call.origin)
    form = Quantised(step=np.array([grid.step]), lo=lo, hi=hi, rounding=Rounding.HALF_EVEN)
    return lowered(call.builder.quantise(drive, form, call.origin))


def softmax(call: Call) -> Result:
    """Softmax and LogSoftmax over the classes at the end."""
    _check_tail(
        call,
        "only supported at the end; in between (attention) it is no staircase of a sum, use convolutions",
    )
    value = call.operand()
    old = call.opset < 13
    axis = normal_axes((call.attributes.integer("axis", 1 if old else -1),), len(value.shape) + 1)[0]
    alone = sum(size > 1 for size in value.shape) <= 1
    if not (alone or axis == 1):
        raise Reject("normalises along another axis than the classes; put it on axis 1")
    return folded(value, "the class order is that of the drives")


def hardmax(call: Call) -> Result:
    """Hardmax over the classes at the end: like Softmax it keeps the greatest score greatest."""
    return softmax(call)


def sigmoid(call: Call) -> Result:
    """Sigmoid at the end."""
    _check_tail(call, refusal_of("Sigmoid"))
    return folded(call.operand(), "the order is that of the drives; 0.5 becomes a drive of 0")


def arg_max(call: Call) -> Result:
    """ArgMax over the classes at the end."""
    _check_tail(call, "chooses before the end of the network; only the last choice is supported")
    value = call.operand()
    axis = normal_axes((call.attributes.integer("axis", 0),), len(value.shape) + 1)[0]
    if axis == 0 or (value.shape[axis - 1] == 1 and math.prod(value.shape) > 1):
        raise Reject("chooses along another axis than the classes; choose along axis 1")
    if call.attributes.integer("select_last_index", 0):
        raise Reject("select_last_index breaks ties the other way; leave it 0")
    return folded(value, "the class order is that of the drives")


def _check_tail(call: Call, reason: str) -> None:
    if not call.is_tail:
        raise Reject(reason)
