"""Populations and losses of a training graph: values, and gradients through rounding and clipping."""

from __future__ import annotations

import math

from onnx import TensorProto

from snncc.sim.training.emitter import Emitter
from snncc.sim.training.rules import Applied, Frame
from snncc_ir.aims import Surrogate
from snncc_ir.neurons import Analog, Grid

ALPHA, BETA = 4.0, 1.0
"""Of the surrogate of single-step networks: its slope below the threshold, and its height above."""

SMALLEST_SPREAD = 1e-12
"""Takes the place of the spread of a target that is constant."""


def real_unit(neuron: Analog, frame: Frame, drive: str) -> Applied:
    """The unit before quantisation: min(max(f(u), low), high); the pullback gives the gradient of u."""
    emit = frame.emit
    slope = None if neuron.slope is None else frame.per_channel(emit.floats(neuron.slope.data))
    bent = drive if slope is None else emit("PRelu", drive, slope)
    value = emit("Max", bent, emit.floats(neuron.low)) if neuron.low > -math.inf else bent
    value = emit("Min", value, emit.floats(neuron.high)) if neuron.high < math.inf else value

    def pullback(g: str) -> tuple[str, ...]:
        inside = emit("Mul", g, emit("Cast", emit("Equal", bent, value), to=TensorProto.FLOAT))
        if slope is None:
            return (inside,)
        negative = emit("Less", drive, emit.floats(0.0))
        return (emit("Where", negative, emit("Mul", inside, slope), inside),)

    return value, pullback


def staircase(grid: Grid, frame: Frame, drive: str, step: str, surrogate: Surrogate) -> Applied:
    """y = s * clip(floor(u/s + 1/2), lo, hi), with s = `step[C]` the real value of one level.

    The pullback gives the gradients of u and s. With q the level and r the slope that the surrogate gives the
    staircase of u/s, dy/du = r and dy/ds = q - r * u/s. Straight through, r is 1 with u/s inside the range
    lo..hi and 0 outside (Esser et al. 2020, equations 1 to 3); else see `single_step`.
    """
    emit, size = frame.emit, frame.per_channel(step)
    bounds = (emit.floats(grid.lo), emit.floats(grid.hi))
    scaled = emit("Div", drive, size)
    level = emit("Clip", emit("Floor", emit("Add", scaled, emit.floats(0.5))), *bounds)

    def pullback(g: str) -> tuple[str, ...]:
        if surrogate is Surrogate.SINGLE_STEP and (grid.lo, grid.hi) == (0, 1):
            slope = single_step(emit, scaled, level)
        else:
            slope = emit("Cast", emit("Equal", emit("Clip", scaled, *bounds), scaled), to=TensorProto.FLOAT)
        through = emit("Mul", g, slope)
        by_step = emit("Sub", emit("Mul", g, level), emit("Mul", through, scaled))
        return through, frame.channel_sum(by_step)

    return emit("Mul", level, size), pullback


def single_step(emit: Emitter, scaled: str, level: str) -> str:
    """Slope of the staircase of the levels 0 and 1 at u/s, for single-step networks (Suetake et al. 2022).

    The threshold is s/2, so the potential less the threshold, in units of the threshold, is x = 2u/s - 1,
    and the slope is 2 g'(x) with g'(x) = alpha sig(alpha x) (1 - sig(alpha x)) where x < 0, beta / (x + 1)
    where x >= 0, and sig the logistic function. There the level is 1.
    """
    double = emit("Mul", scaled, emit.floats(2.0))
    chance = emit("Sigmoid", emit("Mul", emit("Sub", double, emit.floats(1.0)), emit.floats(ALPHA)))
    spread = emit("Mul", chance, emit("Sub", emit.floats(1.0), chance))
    below = emit("Mul", spread, emit.floats(2.0 * ALPHA))
    above = emit("Div", emit.floats(2.0 * BETA), emit("Max", double, emit.floats(1.0)))
    return emit("Where", emit("Cast", level, to=TensorProto.BOOL), above, below)


def divergence(frame: Frame, output: str, target: str, temperature: float) -> Applied:
    """T^2 times the mean over images of KL(softmax(target / T), softmax(output / T)) (Hinton et al. 2015)."""
    emit, (batch, *rest) = frame.emit, frame.shape
    inverse = emit.floats(1.0 / temperature)
    log_ours, log_theirs = (
        emit("LogSoftmax", emit("Mul", emit.reshape(x, (batch, math.prod(rest))), inverse), axis=1)
        for x in (output, target)
    )
    theirs = emit("Exp", log_theirs)
    terms = emit("Mul", theirs, emit("Sub", log_theirs, log_ours))
    loss = emit("Mul", emit.total(terms, [0, 1]), emit.floats(temperature**2 / batch))

    def pullback(g: str) -> tuple[str, ...]:
        slope = emit("Mul", emit("Sub", emit("Exp", log_ours), theirs), emit.floats(temperature / batch))
        return (emit.reshape(emit("Mul", slope, g), frame.shape),)

    return loss, pullback


def cross_entropy(frame: Frame, output: str, classes: str) -> Applied:
    """Mean over images of -log softmax(output) at their class, where `classes[batch, C]` are 1, else 0."""
    emit, (batch, *rest) = frame.emit, frame.shape
    scores = emit("LogSoftmax", emit.reshape(output, (batch, math.prod(rest))), axis=1)
    loss = emit("Mul", emit.total(emit("Mul", classes, scores), [0, 1]), emit.floats(-1.0 / batch))

    def pullback(g: str) -> tuple[str, ...]:
        slope = emit("Mul", emit("Sub", emit("Exp", scores), classes), emit.floats(1.0 / batch))
        return (emit.reshape(emit("Mul", slope, g), frame.shape),)

    return loss, pullback


def squared_error(frame: Frame, output: str, target: str) -> Applied:
    """Mean squared difference, relative to the target's variance over the batch."""
    emit, axes = frame.emit, range(len(frame.shape))
    mean = emit("ReduceMean", target, axes=list(axes), keepdims=1)
    deviation, difference = emit("Sub", target, mean), emit("Sub", output, target)
    spread = emit.total(emit("Mul", deviation, deviation), axes)
    share = emit("Reciprocal", emit("Max", spread, emit.floats(SMALLEST_SPREAD)))
    loss = emit("Mul", emit.total(emit("Mul", difference, difference), axes), share)

    def pullback(g: str) -> tuple[str, ...]:
        factor = emit("Mul", emit("Mul", share, g), emit.floats(2.0))
        return (emit("Mul", difference, factor),)

    return loss, pullback
