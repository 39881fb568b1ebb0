"""Lowering of poolings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from snncc.frontend.builder import real
from snncc.frontend.calls import Call, Result, as_drive, is_scaling, lowered, signed
from snncc.frontend.compose import MAX_WINDOW, averaging, pooled, settled, spread
from snncc.frontend.geometry import ceiled, pads_of, pair_of, window_of
from snncc.frontend.values import DriveValue, Operand, Probe, Step
from snncc.frontend.verdicts import Reject
from snncc.frontend.wiring import result_shape
from snncc_ir.linear import drive as apply_linear
from snncc_ir.nodes import MaxPool, Pair, SumPool
from snncc_ir.types import Shape, shape_text


def max_pool(call: Call) -> Result:
    """MaxPool: wiring, before or after the neurons alike."""
    value = call.operand()
    if len(call.node.outputs) > 1 and call.node.outputs[1] in call.read:
        raise Reject("the output Indices is not supported")
    kernel, stride, padding = _window(call, value.shape)
    node = MaxPool(name="", source="", kernel=kernel, stride=stride, padding=padding)
    result_shape(node, value.shape)
    step = Step(node, call.origin)
    return lowered(_before_scaling(call, value, step) or call.wired(value, step))


def _before_scaling(call: Call, value: Operand, step: Step) -> DriveValue | None:
    """A growing scale of a signal as the scale of the pooled signal; None where the value is none."""
    if not isinstance(value, DriveValue) or not is_scaling(value) or value.steps or value.bias.ndim > 1:
        return None
    (term,) = value.terms
    if term.linear.weight.data.min() <= 0:
        return None
    pooled_signal = call.builder.wire(term.source, step)
    shape = pooled_signal.shape
    probe = Probe.plain(call.tensor, shape[0])
    return replace(value, terms=(replace(term, source=pooled_signal),), base=shape, shape=shape, probe=probe)


def global_max_pool(call: Call) -> Result:
    """GlobalMaxPool: one window over the whole image."""
    value = call.operand()
    kernel = _whole(value.shape)
    node = MaxPool(name="", source="", kernel=kernel, stride=kernel)
    return lowered(call.wired(value, Step(node, call.origin)))


def average_pool(call: Call) -> Result:
    """AveragePool: a sum whose weight holds 1/divisor, folded into what is beside it where that works."""
    value = call.operand()
    kernel, stride, padding = _window(call, value.shape)
    counts_padding = bool(call.attributes.integer("count_include_pad", 0)) and any(map(any, padding))
    if counts_padding and _is_partial(call, value.shape, kernel, stride, padding):
        raise Reject("ceil_mode with count_include_pad is not supported; use count_include_pad=0")
    pool = window_pool(value.shape, kernel, stride, padding, counts_padding)
    return lowered(averaged(call, value, pool))


def global_average_pool(call: Call) -> Result:
    """GlobalAveragePool: one window over the whole image."""
    value = call.operand()
    kernel = _whole(value.shape)
    return lowered(averaged(call, value, window_pool(value.shape, kernel, kernel)))


def _whole(shape: Shape) -> Pair:
    """A window over the whole image."""
    if shape[1] * shape[2] > MAX_WINDOW:
        raise Reject(f"a window of {shape_text(shape[1:])} is too large")
    return shape[1], shape[2]


def _window(call: Call, shape: Shape) -> tuple[Pair, Pair, tuple[Pair, Pair]]:
    kernel, stride = window_of(call), pair_of(call, "strides")
    if pair_of(call, "dilations") != (1, 1):
        raise Reject("dilated pooling is not supported; use dilations=[1, 1]")
    padding = pads_of(call, shape, kernel, stride, (1, 1))
    if call.attributes.integer("ceil_mode", 0) and call.attributes.text("auto_pad", "NOTSET") == "NOTSET":
        padding = ceiled(padding, shape, kernel, stride)
    return kernel, stride, padding


def _is_partial(call: Call, shape: Shape, kernel: Pair, stride: Pair, padding: tuple[Pair, Pair]) -> bool:
    return padding != pads_of(call, shape, kernel, stride, (1, 1))


def window_pool(
    shape: Shape,
    kernel: Pair,
    stride: Pair,
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0)),
    counts: bool = False,
) -> SumPool:
    """Average pooling of an image of `shape`, whose drive is the average."""
    pool = SumPool(
        name="",
        source="",
        weight=real(np.ones(shape[0])),
        kernel=kernel,
        stride=stride,
        padding=padding,
        count_padding=counts,
    )
    result_shape(pool, shape)
    if kernel[0] > shape[1] + sum(padding[0]) or kernel[1] > shape[2] + sum(padding[1]):
        raise Reject(f"a window of {shape_text(kernel)} is larger than the image")
    return averaging(pool, shape)


def averaged(call: Call, value: Operand, pool: SumPool) -> DriveValue:
    """Average pooling of a value; folded into the drive where that works."""
    shape = result_shape(pool, value.shape)
    drive = value if isinstance(value, DriveValue) else as_drive(call.builder, value, "", call.origin)
    if not drive.steps and drive.bias.ndim in (1, 3):
        terms = tuple(pooled(term, drive.base, pool) for term in drive.terms)
        kept = tuple(term for term in terms if term is not None)
        if len(kept) == len(terms):
            full = np.broadcast_to(spread(drive.bias, drive.base), drive.base)
            bias = settled(apply_linear(pool, full[None])[0])
            return DriveValue(
                terms=kept,
                bias=bias,
                base=shape,
                shape=shape,
                probe=Probe.plain(call.tensor, shape[0]),
                origin=drive.origin.also(call.node),
            )
    return averaged(call, signed(call.builder, drive), pool)
