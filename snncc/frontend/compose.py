"""Linear maps of linear maps: scales, poolings and constants folded into the weights beside them."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import singledispatch

import numpy as np

from snncc.frontend.builder import Builder, real, unpadded
from snncc.frontend.values import DriveValue, Origin, Probe, Signal, Term
from snncc.frontend.verdicts import Reject
from snncc.frontend.wiring import MAX_TRACED, is_layout, reshape_step, result_shape, trace
from snncc_ir.linear import drive as apply_linear
from snncc_ir.linear import pool_divisor, pool_factors
from snncc_ir.neurons import per_channel
from snncc_ir.nodes import Conv, Dense, Linear, MaxPool, Pair, Scale, SumPool
from snncc_ir.tensors import WEIGHT_BITS, Reals, Tensor, synapse_bits
from snncc_ir.types import Shape

MAX_COMPOSED = 2**22
"""Most weights that a composed map may have."""

MAX_GROWTH = 2
"""How many times the work of the maps apart a composed convolution may take."""

MAX_WINDOW = 2**16
"""Largest pooling window; more is no image network."""


def scaled(term: Term, factor: Reals) -> Term:
    """The term with output channel c times factor[c]."""
    return replace(term, linear=replace(term.linear, weight=times(term.linear.weight, factor)))


def times(weight: Tensor, factor: Reals) -> Tensor:
    """Output channel c times factor[c]; integers keep, where stored, their values up to the sign."""
    axes = (-1, *(1,) * (len(weight.shape) - 1))
    if weight.scale is None:
        return real(weight.data * factor.reshape(axes))
    step = weight.scale.data * np.abs(factor)
    if not np.isfinite(step).all():
        raise Reject("its weights become NaN or infinite when constants are folded")
    signs = (np.sign(factor) * (step > 0)).astype(np.int64)
    return Tensor.scaled(weight.data * signs.reshape(axes), np.where(step > 0, step, 1.0))


def _times_inputs(weight: Tensor, gain: Reals, spread_gain: Reals) -> Tensor:
    """Weights times their inputs' `gain`, which `spread_gain` holds in the weights' own axes."""
    if weight.scale is not None and bool((gain == gain[0]).all()):
        return times(weight, np.full(weight.shape[0], gain[0]))
    return real(weight.values * spread_gain)


def reals(linear: Linear) -> Reals:
    """The weights of a linear map as real numbers."""
    return np.asarray(linear.weight.values, dtype=np.float64)


def spread(bias: Reals, base: Shape) -> Reals:
    """A bias per channel or position as one that broadcasts to `base`."""
    return bias if bias.ndim == len(base) else np.asarray(per_channel(bias, len(base)))


def summed(first: Reals, second: Reals, base: Shape) -> Reals:
    """The sum of two biases, per channel where both are."""
    if first.ndim == 1 and second.ndim == 1:
        return first + second
    return settled(np.broadcast_to(spread(first, base) + spread(second, base), base))


def settled(full: Reals) -> Reals:
    """A bias of the whole shape as one per channel, where it is one."""
    flat = full.reshape(len(full), -1)
    return flat[:, 0].copy() if bool((flat == flat[:, :1]).all()) else np.array(full)


# Convolution of a scaled signal.


def conv_of_scaled(
    builder: Builder, drive: DriveValue, conv: Conv, origin: Origin
) -> tuple[tuple[Term, ...], Reals] | None:
    """Terms and bias of a convolution of a sum of scaled signals; None where they do not combine."""
    if not all(isinstance(term.linear, Scale) for term in drive.terms) or math.prod(drive.base) > MAX_TRACED:
        return None
    if any(isinstance(step.wiring, MaxPool) for step in drive.steps):
        return None
    terms = []
    for term in drive.terms:
        gain = _channel_gain(drive, term)
        if gain is None:
            return None
        signal = term.source
        for step in drive.steps:
            signal = builder.wire(signal, step)
        weight = _times_inputs(conv.weight, gain, _by_input(gain, conv))
        terms.append(conv_term(replace(conv, weight=weight), signal, origin))
    bias = trace(np.broadcast_to(spread(drive.bias, drive.base), drive.base), drive.steps)
    return tuple(terms), settled(apply_linear(conv, bias[None])[0])


def conv_term(conv: Conv, signal: Signal, origin: Origin) -> Term:
    """The convolution of a signal, whose pending padding it takes over."""
    if signal.pad and not any(signal.pad[0]):
        rows, columns = zip(conv.padding, signal.pad[1:], strict=True)
        padding = (_added(*rows), _added(*columns))
        return Term(replace(conv, padding=padding), unpadded(signal), origin)
    return Term(conv, signal, origin)


def _added(first: Pair, second: Pair) -> Pair:
    return (first[0] + second[0], first[1] + second[1])


def _channel_gain(drive: DriveValue, term: Term) -> Reals | None:
    """Factor per channel of the visible shape."""
    weight = term.linear.weight.values
    if not drive.steps:
        return np.asarray(weight)
    full = trace(np.broadcast_to(per_channel(weight, len(drive.base)), drive.base), drive.steps)
    inside = trace(np.ones(drive.base), drive.steps) > 0
    low = np.where(inside, full, np.inf).reshape(len(full), -1).min(axis=1)
    high = np.where(inside, full, -np.inf).reshape(len(full), -1).max(axis=1)
    padding = low > high  # a channel of nothing but padding: any factor will do
    return np.where(padding, 1.0, low) if bool(((low == high) | padding).all()) else None


def _by_input(gain: Reals, conv: Conv) -> Reals:
    """Factors of the input channels, for weights [O, I/groups, KH, KW]."""
    groups = gain.reshape(conv.groups, -1)
    outputs = conv.weight.shape[0] // conv.groups
    return np.repeat(groups, outputs, axis=0)[:, :, None, None]


# Pooling of a drive, and convolution of a pooling.


def pooled(term: Term, base: Shape, pool: SumPool) -> Term | None:
    """Average pooling (`averaging`) of a term's drive as one term; None where it stays apart."""
    linear = _pooled(term.linear, pool, term.source.shape, base)
    return None if linear is None else replace(term, linear=linear)


@singledispatch
def _pooled(linear: Linear, pool: SumPool, source: Shape, base: Shape) -> Linear | None:
    return None


@_pooled.register
def _(linear: Scale, pool: SumPool, source: Shape, base: Shape) -> Linear | None:
    return replace(pool, weight=real(reals(pool) * reals(linear)))


@_pooled.register
def _(linear: Conv, pool: SumPool, source: Shape, base: Shape) -> Linear | None:
    if any(map(any, pool.padding)):
        return None
    spans = [_span(size, gap) for size, gap in zip(linear.weight.shape[2:], linear.dilation, strict=True)]
    size = [(k - 1) * s + span for k, s, span in zip(pool.kernel, linear.stride, spans, strict=True)]
    stride = (linear.stride[0] * pool.stride[0], linear.stride[1] * pool.stride[1])
    shape = (*linear.weight.shape[:2], *size)
    before = math.prod(base[1:]) * math.prod(linear.weight.shape[2:])
    after = math.prod(result_shape(pool, base)[1:]) * math.prod(size)
    if math.prod(shape) > MAX_COMPOSED or after > MAX_GROWTH * before:
        return None
    weight = _of_stored(_composed(linear, pool.kernel, linear.stride, size), linear.weight)
    return replace(linear, weight=times(weight, _tap(pool)), stride=stride, dilation=(1, 1))


def _of_stored(total: Reals, weight: Tensor) -> Tensor:
    """Sums of the numbers that `weight` holds, on its scale; real where they are wider than synapses are."""
    if weight.scale is None:
        return real(total)
    sums = total.astype(np.int64)
    if synapse_bits(sums) in WEIGHT_BITS:
        return Tensor.scaled(sums, weight.scale.data)
    return real(sums * per_channel(weight.scale.data, sums.ndim))


def _span(kernel: int, dilation: int) -> int:
    return (kernel - 1) * dilation + 1


def _tap(pool: SumPool) -> Reals:
    """Weight of each tap of a pooling without padding, per channel."""
    return np.asarray(pool.weight.values)


def _composed(conv: Conv, window: Pair, stride: Pair, size: list[int]) -> Reals:
    """Sum over the window of the (dilated) kernel, moved by `stride` for each position."""
    kernel = conv.weight.data
    total = np.zeros((*kernel.shape[:2], *size), dtype=kernel.dtype)
    rows, columns = (_span(k, gap) for k, gap in zip(kernel.shape[2:], conv.dilation, strict=True))
    for row in range(window[0]):
        for column in range(window[1]):
            top, left = row * stride[0], column * stride[1]
            view = total[:, :, top : top + rows, left : left + columns]
            view[:, :, :: conv.dilation[0], :: conv.dilation[1]] += kernel
    return total


def conv_of_pool(drive: DriveValue, conv: Conv, origin: Origin) -> tuple[tuple[Term, ...], Reals] | None:
    """Terms and bias of a convolution of average poolings; None where the pooling stays apart."""
    if drive.steps or drive.bias.ndim > 1 or any(map(any, conv.padding)):
        return None
    terms = [_conv_of_pool(term, conv, drive.base, origin) for term in drive.terms]
    kept = tuple(term for term in terms if term is not None)
    if len(kept) < len(terms):
        return None
    full = np.broadcast_to(per_channel(drive.bias, 3), drive.base)
    return kept, settled(apply_linear(conv, full[None])[0])


def _conv_of_pool(term: Term, conv: Conv, base: Shape, origin: Origin) -> Term | None:
    pool = term.linear
    if not isinstance(pool, SumPool) or any(map(any, pool.padding)) or term.source.pad:
        return None
    kernel = conv.weight.shape[2:]
    spans = [_span(k, gap) for k, gap in zip(kernel, conv.dilation, strict=True)]
    size = [(span - 1) * s + k for span, s, k in zip(spans, pool.stride, pool.kernel, strict=True)]
    positions = math.prod(result_shape(conv, base)[1:])
    grows = math.prod(size) > MAX_GROWTH * math.prod(kernel) and positions > 1
    if grows or math.prod((*conv.weight.shape[:2], *size)) > MAX_COMPOSED:
        return None
    spread_taps = _of_stored(_pool_taps(conv, pool, size), conv.weight)
    weight = _times_inputs(spread_taps, _tap(pool), _by_input(_tap(pool), conv))
    stride = (conv.stride[0] * pool.stride[0], conv.stride[1] * pool.stride[1])
    linear = replace(conv, weight=weight, stride=stride, dilation=(1, 1))
    return Term(linear, term.source, Origin(origin.hint, (*term.origin.nodes, *origin.nodes)))


def _pool_taps(conv: Conv, pool: SumPool, size: list[int]) -> Reals:
    """Each tap of the convolution spread over the window that it reads."""
    kernel = conv.weight.data
    total = np.zeros((*kernel.shape[:2], *size))
    for row in range(kernel.shape[2]):
        for column in range(kernel.shape[3]):
            top = row * conv.dilation[0] * pool.stride[0]
            left = column * conv.dilation[1] * pool.stride[1]
            total[:, :, top : top + pool.kernel[0], left : left + pool.kernel[1]] += kernel[
                :, :, row, column, None, None
            ]
    return total


# Matrix product of a scaled or pooled signal.


def dense_of(
    builder: Builder, drive: DriveValue, weight: Tensor, origin: Origin
) -> tuple[tuple[Term, ...], Reals] | None:
    """Terms and bias of a matrix product of scaled and pooled signals; None where they do not combine."""
    if not is_layout(drive.steps) or not all(isinstance(t.linear, Scale | SumPool) for t in drive.terms):
        return None
    outputs = weight.shape[0]
    if not all(_fits(term, outputs) for term in drive.terms) or math.prod(drive.base) > MAX_TRACED:
        return None
    order = trace(np.arange(math.prod(drive.base)).reshape(drive.base), drive.steps).reshape(-1)
    data = np.empty_like(weight.data)
    data[:, order] = weight.data
    by_base = replace(weight, data=data.reshape(outputs, *drive.base))
    terms = tuple(_dense_term(builder, term, by_base, origin) for term in drive.terms)
    full = np.broadcast_to(spread(drive.bias, drive.base), drive.base)
    return terms, by_base.values.reshape(outputs, -1) @ full.reshape(-1)


def _fits(term: Term, outputs: int) -> bool:
    return isinstance(term.linear, Scale) or outputs * math.prod(term.source.shape) <= MAX_COMPOSED


def _dense_term(builder: Builder, term: Term, weight: Tensor, origin: Origin) -> Term:
    """The product with `weight[O, *base]` of one term's drive."""
    linear, shape = term.linear, term.source.shape
    gain = reals(linear)
    by_channel = _times_inputs(weight, gain, per_channel(gain, len(weight.shape) - 1))
    if isinstance(linear, SumPool):
        by_channel = real(_scattered(linear, by_channel.values, shape))
    flat = builder.wire(
        term.source, reshape_step((math.prod(shape),), Origin(f"{term.source.name}_flat", ()))
    )
    flattened = by_channel.data.reshape(by_channel.shape[0], -1)
    dense = Dense(name="", source="", weight=replace(by_channel, data=flattened))
    return Term(dense, flat, Origin(origin.hint, (*term.origin.nodes, *origin.nodes)))


def _scattered(pool: SumPool, weight: Reals, shape: Shape) -> Reals:
    """Weights of the pooled positions handed to the positions that each window covers."""
    weight = weight * pool_factors(pool, shape)
    (top, bottom), (left, right) = pool.padding
    channels, height, width = shape
    total = np.zeros((len(weight), channels, top + height + bottom, left + width + right))
    rows, columns = weight.shape[2:]
    for row in range(pool.kernel[0]):
        for column in range(pool.kernel[1]):
            below, right_of = row + pool.stride[0] * rows, column + pool.stride[1] * columns
            total[:, :, row : below : pool.stride[0], column : right_of : pool.stride[1]] += weight
    return total[:, :, top : top + height, left : left + width]


def averaging(pool: SumPool, shape: Shape) -> SumPool:
    """The pooling with 1/divisor as its weights, so that its drive is the average."""
    divisor = pool_divisor(pool, shape)
    return replace(pool, weight=real(np.full(shape[0], 1.0 / divisor)))


# Two drives of the same signals, one above the other.


def stacked(first: DriveValue, second: DriveValue, probe: Probe, origin: Origin) -> DriveValue | None:
    """The channels of both drives as one; None where they are no products of the same vectors."""
    pairs = list(zip(first.terms, second.terms, strict=False))
    alike = len(first.terms) == len(second.terms) and all(_alike(*pair) for pair in pairs)
    if not alike or first.steps or second.steps or len(first.base) != 1:
        return None
    terms = tuple(replace(one, linear=_joined(one.linear, two.linear)) for one, two in pairs)
    base = (first.base[0] + second.base[0],)
    bias = np.concatenate([first.bias, second.bias])
    return replace(first, terms=terms, bias=bias, base=base, shape=base, probe=probe, origin=origin)


def _joined(first: Linear, second: Linear) -> Linear:
    return replace(first, weight=_concatenated(first.weight, second.weight))


def _concatenated(first: Tensor, second: Tensor) -> Tensor:
    """The rows of both; integers keep, where both are stored so."""
    if first.scale is None or second.scale is None:
        return real(np.concatenate([first.values, second.values]))
    scale = np.concatenate([first.scale.data, second.scale.data])
    return Tensor.scaled(np.concatenate([first.data, second.data]), scale)


def part_of(weight: Tensor, start: int, stop: int) -> Tensor:
    """Rows start..stop; integers keep, where stored."""
    if weight.scale is None:
        return real(weight.data[start:stop])
    return Tensor.scaled(weight.data[start:stop], weight.scale.data[start:stop])


def _alike(first: Term, second: Term) -> bool:
    dense = isinstance(first.linear, Dense) and isinstance(second.linear, Dense)
    return dense and first.source == second.source
