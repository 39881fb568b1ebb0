"""Lowering of comparisons, and of choices between two constants by them: populations of two levels."""

from __future__ import annotations

import numpy as np

from snncc.frontend.calls import Call, Result, folded
from snncc.frontend.ops_arithmetic import added, affine
from snncc.frontend.ops_quantised import quantised
from snncc.frontend.quantised import Quantised
from snncc.frontend.values import Const, Operand
from snncc.frontend.verdicts import Reject
from snncc_ir.rounding import Rounding


def greater(call: Call) -> Result:
    """Greater: 1 where the first value is above the second."""
    return _step(call, 0, 1, Rounding.ABOVE)


def greater_or_equal(call: Call) -> Result:
    """GreaterOrEqual: 1 where the first value is at least the second."""
    return _step(call, 0, 1, Rounding.AT_LEAST)


def less(call: Call) -> Result:
    """Less: Greater the other way round."""
    return _step(call, 1, 0, Rounding.ABOVE)


def less_or_equal(call: Call) -> Result:
    """LessOrEqual: GreaterOrEqual the other way round."""
    return _step(call, 1, 0, Rounding.AT_LEAST)


def negate(call: Call) -> Result:
    """Not: 1 - x."""
    value = call.operand()
    one = np.ones((1,) * len(value.shape))
    return folded(affine(call, value, -one, one), "becomes part of the weights after it")


def where(call: Call) -> Result:
    """Where between two constants by a comparison: a scale and a shift of its 0 and 1."""
    if not isinstance(call.values[0], Const) and all(isinstance(v, Const) for v in call.values[1:]):
        value = call.operand()
        yes, no = (call.fitted(index, value.shape) for index in (1, 2))
        return folded(affine(call, value, yes - no, no), "becomes part of the weights after it")
    raise Reject("a choice between computed values is no weighted sum; choose between constants, or use Relu")


def _step(call: Call, high: int, low: int, rounding: Rounding) -> Result:
    """[high > low] or [high >= low] of two inputs, one of which may be constant."""
    difference = _difference(call, high, low)
    form = Quantised(step=np.ones(1), lo=0, hi=1, rounding=rounding)
    return quantised(call, difference, form)


def _difference(call: Call, high: int, low: int) -> Operand:
    if isinstance(call.values[low], Const):
        value = call.operand(high)
        one = np.ones((1,) * len(value.shape))
        threshold = call.fitted(low, value.shape)
        return affine(call, value, one, -threshold) if threshold.any() else value
    if isinstance(call.values[high], Const):
        value = call.operand(low)
        return affine(call, value, -np.ones((1,) * len(value.shape)), call.fitted(high, value.shape))
    return added(call, call.operand(high), call.operand(low), -1.0)
