"""Lowering of convolutions and matrix products."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from snncc.frontend.builder import real
from snncc.frontend.calls import Call, Result, lowered
from snncc.frontend.compose import conv_of_pool, conv_of_scaled, conv_term, dense_of, times
from snncc.frontend.geometry import pads_of, pair_of
from snncc.frontend.quantised import weight_tensor
from snncc.frontend.values import DriveValue, Origin, Probe, Signal, Step, Term
from snncc.frontend.verdicts import Reject
from snncc.frontend.wiring import inverse, push, reshape_step, result_shape, transpose_step
from snncc_ir.nodes import Conv, Dense
from snncc_ir.tensors import Reals, Tensor
from snncc_ir.types import Shape, shape_text


def conv(call: Call) -> Result:
    """Conv: 2-D, any stride, dilation, groups and padding."""
    value = call.operand()
    weight = _weights(call)
    if len(value.shape) != 3 or len(weight.shape) != 4:
        raise Reject(
            f"convolution over {len(value.shape) - 1} axes is not supported yet; only images (two axes) are"
        )
    node = _conv_node(call, weight, value.shape)
    base = result_shape(node, value.shape)
    terms, bias = _conv_terms(call, node)
    if call.has(2):
        bias = _plus(bias, _numbers(call, 2))
    return lowered(_drive(call, terms, bias, base))


def _conv_node(call: Call, weight: Tensor, shape: Shape) -> Conv:
    attributes = call.attributes
    kernel = (weight.shape[2], weight.shape[3])
    if attributes.integers("kernel_shape", kernel) != kernel:
        raise Reject(f"kernel_shape is not that of its weights, {shape_text(weight.shape)}")
    stride, dilation = pair_of(call, "strides"), pair_of(call, "dilations")
    return Conv(
        name="",
        source="",
        weight=weight,
        stride=stride,
        padding=pads_of(call, shape, kernel, stride, dilation),
        dilation=dilation,
        groups=attributes.integer("group", 1),
    )


def _conv_terms(call: Call, node: Conv) -> tuple[tuple[Term, ...], Reals]:
    value = call.operand()
    if isinstance(value, DriveValue):
        composed = conv_of_scaled(call.builder, value, node, call.origin)
        composed = composed or conv_of_pool(value, node, call.origin)
        if composed is not None:
            return composed
    term = conv_term(node, call.padded_signal(), call.origin)
    return (term,), np.zeros(node.weight.shape[0])


def gemm(call: Call) -> Result:
    """Gemm: alpha * A * B + beta * C with constant B and C."""
    value = call.operand()
    attributes = call.attributes
    if attributes.integer("transA", 0):
        raise Reject("transA mixes the images of a batch; export with transA=0")
    transposed = not attributes.integer("transB", 0)
    weight = _weights(call, transposed=transposed)
    if len(value.shape) != 1 or len(weight.shape) != 2:
        raise Reject(f"needs a vector per image, not {shape_text(value.shape)}; flatten it before")
    outputs = weight.shape[0]
    weight = times(weight, np.full(outputs, attributes.real("alpha", 1.0)))
    terms, bias = _dense_terms(call, weight, value.shape)
    if call.has(2):
        constant = call.fitted(2, (outputs,)) * attributes.real("beta", 1.0)
        bias = bias + constant
    return lowered(_drive(call, terms, bias, (outputs,)))


def matmul(call: Call) -> Result:
    """MatMul with a constant matrix on the right, of vectors or along the last axis of more."""
    if call.has(0) and call.has(1) and not _is_constant(call, 0) and not _is_constant(call, 1):
        raise Reject("a product of two computed values (attention) is no weighted sum; use constant weights")
    if _is_constant(call, 0):
        raise Reject("a constant matrix on the left is not supported yet; put it on the right, transposed")
    shape = call.operand().shape
    given = _numbers(call, 1)
    if given.ndim != 2 or given.shape[0] != shape[-1]:
        raise Reject(f"matrix {shape_text(given.shape)} does not fit {shape_text(shape)} per image")
    weight = _weights(call, transposed=True)
    if math.prod(shape) == shape[-1]:
        return lowered(_vector_product(call, weight, shape))
    return lowered(_along_last_axis(call, weight, shape))


def _vector_product(call: Call, weight: Tensor, shape: Shape) -> DriveValue:
    visible = (*shape[:-1], weight.shape[0])
    terms, bias = _dense_terms(call, weight, shape)
    drive = _drive(call, terms, bias, (weight.shape[0],))
    step = reshape_step(visible, call.origin)
    return _seen_through(drive, (step,)) if visible != drive.base else drive


def _along_last_axis(call: Call, weight: Tensor, shape: Shape) -> DriveValue:
    """A 1x1 convolution between the layouts with the channels last and first."""
    signal = call.signal()
    for step in _to_image(shape, call.origin):
        signal = call.builder.wire(signal, step)
    outputs = weight.shape[0]
    node = Conv(name="", source="", weight=replace(weight, data=weight.data[:, :, None, None].copy()))
    base = result_shape(node, signal.shape)
    drive = _drive(call, (Term(node, signal, call.origin),), np.zeros(outputs), base)
    visible = (*shape[:-1], outputs)
    return _seen_through(drive, inverse(visible, _to_image(visible, call.origin)))


def _to_image(shape: Shape, origin: Origin) -> tuple[Step, ...]:
    """Steps from channels last to an image of one column with the channels first."""
    last = len(shape) - 1
    return (
        transpose_step((last, *range(last)), origin),
        reshape_step((shape[-1], math.prod(shape[:-1]), 1), origin),
    )


def _seen_through(drive: DriveValue, steps: tuple[Step, ...]) -> DriveValue:
    """The drive behind steps that the probed tensor has behind it as well."""
    for step in steps:
        drive = push(drive, step)
    return replace(drive, probe=Probe.plain(drive.probe.tensor, drive.base[0], drive.steps))


def _dense_terms(call: Call, weight: Tensor, shape: Shape) -> tuple[tuple[Term, ...], Reals]:
    """Terms and bias of the product with `weight[O, I]` of the flattened first input."""
    if weight.shape[1] != math.prod(shape):
        raise Reject(f"weights {shape_text(weight.shape)} do not fit {shape_text(shape)} per image")
    value = call.operand()
    if isinstance(value, DriveValue):
        composed = dense_of(call.builder, value, weight, call.origin)
        if composed is not None:
            return composed
    flat = call.builder.wire(call.signal(), reshape_step((math.prod(shape),), call.origin))
    dense = Dense(name="", source="", weight=weight)
    return (Term(dense, flat, call.origin),), np.zeros(weight.shape[0])


def _drive(call: Call, terms: tuple[Term, ...], bias: Reals, base: Shape) -> DriveValue:
    probe = Probe.plain(call.tensor, base[0])
    return DriveValue(terms=terms, bias=bias, base=base, shape=base, probe=probe, origin=call.origin)


def _weights(call: Call, *, transposed: bool = False) -> Tensor:
    """The second input as weights, with the integers and scales that it was stored as."""
    values, stored = _numbers(call, 1), call.stored(1, "its weights are").stored
    if transposed and values.ndim == 2:
        values = np.ascontiguousarray(values.T)
        stored = stored.mapped(np.transpose) if stored is not None else None
    if values.size == 0:
        raise Reject("its weights are empty")
    return weight_tensor(values, stored) if values.ndim > 1 else real(values)


def _numbers(call: Call, index: int) -> Reals:
    weights = call.constant(index, "its weights are")
    if weights.dtype.kind not in "fiu":
        raise Reject("its weights are no numbers")
    return np.asarray(weights, dtype=np.float64)


def _plus(bias: Reals, constant: Reals) -> Reals:
    if constant.shape != bias.shape[:1]:
        raise Reject(f"bias {shape_text(constant.shape)} does not fit {bias.shape[0]} channels")
    return bias + constant.reshape(-1, *(1,) * (bias.ndim - 1))


def _is_constant(call: Call, index: int) -> bool:
    return not isinstance(call.values[index], Signal | DriveValue)
