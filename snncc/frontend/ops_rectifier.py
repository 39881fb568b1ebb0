"""Lowering of rectifiers whose negative side has a slope."""

from __future__ import annotations

import math

import numpy as np

from snncc.frontend.calls import Call, Result, folded, lowered
from snncc.frontend.ops_arithmetic import along_axis, varying_axis
from snncc.frontend.values import DriveValue, Signal
from snncc.frontend.verdicts import Reject
from snncc.frontend.wiring import channel_values
from snncc_ir.tensors import Reals


def leaky_relu(call: Call) -> Result:
    """LeakyRelu: one slope for all channels."""
    rank = len(call.operand().shape)
    return _rectified(call, np.full((1,) * rank, call.attributes.real("alpha", 0.01)))


def prelu(call: Call) -> Result:
    """PRelu: a constant slope per channel."""
    return _rectified(call, call.fitted(1, call.operand().shape))


def _rectified(call: Call, slope: Reals) -> Result:
    value = call.operand()
    if not (slope >= 0).all():
        raise Reject(
            f"slope {float(slope.min()):g} falls where its input rises, which no staircase does; "
            "use slopes of at least 0"
        )
    if bool((slope == 1).all()) or (isinstance(value, Signal) and value.low >= 0):
        return folded(value, "changes nothing: its input has no negative values, or the slope is 1")
    drive, slopes = _drive_and_slopes(call, slope)
    if not slopes.any():
        return lowered(call.builder.fire(drive, 0.0, math.inf, call.origin))
    return lowered(call.builder.fire(drive, -math.inf, math.inf, call.origin, slopes))


def _drive_and_slopes(call: Call, slope: Reals) -> tuple[DriveValue, Reals]:
    """The input as a drive whose channels have one slope each."""
    value = call.operand()
    if isinstance(value, DriveValue):
        slopes = channel_values(value, slope, None)
        if slopes is not None:
            return value, slopes
    axis = varying_axis((slope,))
    drive = along_axis(call, call.signal(), axis, call.node.inputs[0])
    return drive, np.array(np.broadcast_to(slope.reshape(-1), drive.base[:1]))
