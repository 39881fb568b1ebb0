"""Lowering of convolutions and matrix products."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from snncc.frontend.builder import real
from snncc.frontend.calls import Call, Result, lowered
from snncc.frontend.compose import conv_of_pool, conv_of_scaled, conv_term, dense_of, times
from snncc.frontend.geometry import pads_of, pair_of
from snncc.frontend.quantised import weight_tensor
from snncc.frontend.values import Array, DriveValue, Operand, Origin, Probe, Signal, Step, Term
from snncc.frontend.verdicts import Reject
from snncc.frontend.wiring import inverse, push, reshape_step, result_shape, transpose_step
from snncc_ir.nodes import Conv, Dense
from snncc_ir.tensors import Reals, Tensor
from snncc_ir.types import Shape, shape_text


def conv(call: Call) -> Result:
    """Conv over an image: any stride, dilation, groups and padding."""
    value = call.operand()
    weight = weights_of(call)
    if len(weight.shape) != 4:
        raise Reject(f"weights {shape_text(weight.shape)} are not those of an image's convolution")
    node = _conv_node(call, weight, value.shape)
    return lowered(conv_drive(call, value, node, result_shape(node, value.shape)))


def conv_drive(call: Call, value: Operand, node: Conv, base: Shape) -> DriveValue:
    """The convolution `node` of a value, with the bias that the call's third input holds."""
    terms, bias = _conv_terms(call, value, node)
    if call.has(2):
        bias = _plus(bias, _numbers(call, 2))
    return _drive(call, terms, bias, base)


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


def _conv_terms(call: Call, value: Operand, node: Conv) -> tuple[tuple[Term, ...], Reals]:
    if isinstance(value, DriveValue):
        composed = conv_of_scaled(call.builder, value, node, call.origin)
        composed = composed or conv_of_pool(value, node, call.origin)
        if composed is not None:
            return composed
    term = conv_term(node, call.as_signal(value), call.origin)
    return (term,), np.zeros(node.weight.shape[0])


def gemm(call: Call) -> Result:
    """Gemm: alpha * A * B + beta * C with constant B and C."""
    value = call.operand()
    attributes = call.attributes
    if attributes.integer("transA", 0):
        raise Reject("transA mixes the images of a batch; export with transA=0")
    weight = weights_of(call, _same if attributes.integer("transB", 0) else np.transpose)
    if len(value.shape) != 1 or len(weight.shape) != 2:
        raise Reject(f"needs a vector per image, not {shape_text(value.shape)}; flatten it before")
    outputs = weight.shape[0]
    weight = times(weight, np.full(outputs, attributes.real("alpha", 1.0)))
    terms, bias = _dense_terms(call, value, weight)
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
    given = _numbers(call, 1).shape
    if len(given) > 2 and math.prod(given[:-2]) > 1:
        raise Reject(f"multiplies by a stack of matrices {shape_text(given)}; use one, or a grouped Conv")
    matrix = given[-2:] if len(given) > 2 else given
    if len(matrix) != 2 or matrix[0] != shape[-1]:
        raise Reject(f"matrix {shape_text(matrix)} does not fit {shape_text(shape)} per image")
    weight = weights_of(call, lambda stack: stack.reshape(matrix).T)
    if math.prod(shape) == shape[-1]:
        drive = vector_product(call, call.operand(), weight)
        visible = (*shape[:-1], matrix[1])
        step = reshape_step(visible, call.origin)
        return lowered(_seen_through(drive, (step,)) if visible != drive.base else drive)
    return lowered(_along_last_axis(call, weight, shape))


def vector_product(call: Call, value: Operand, weight: Tensor) -> DriveValue:
    """The product of `weight[O, I]` and the value's I elements, as a vector."""
    terms, bias = _dense_terms(call, value, weight)
    return _drive(call, terms, bias, weight.shape[:1])


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


def _dense_terms(call: Call, value: Operand, weight: Tensor) -> tuple[tuple[Term, ...], Reals]:
    """Terms and bias of the product with `weight[O, I]` of the flattened value."""
    size = math.prod(value.shape)
    if weight.shape[1] != size:
        raise Reject(f"weights {shape_text(weight.shape)} do not fit {shape_text(value.shape)} per image")
    if isinstance(value, DriveValue):
        composed = dense_of(call.builder, value, weight, call.origin)
        if composed is not None:
            return composed
    solid = call.builder.solid(call.as_signal(value))
    flat = call.builder.wire(solid, reshape_step((size,), call.origin))
    dense = Dense(name="", source="", weight=weight)
    return (Term(dense, flat, call.origin),), np.zeros(weight.shape[0])


def _drive(call: Call, terms: tuple[Term, ...], bias: Reals, base: Shape) -> DriveValue:
    probe = Probe.plain(call.tensor, base[0])
    return DriveValue(terms=terms, bias=bias, base=base, shape=base, probe=probe, origin=call.origin)


def _same(array: Array) -> Array:
    return array


def weights_of(call: Call, layout: Callable[[Array], Array] = _same) -> Tensor:
    """The second input as weights in another layout, with the integers and scales that it was stored as."""
    values, stored = layout(_numbers(call, 1)), call.stored(1, "its weights are").stored
    stored = stored.mapped(layout) if stored is not None else None
    if values.size == 0:
        raise Reject("its weights are empty")
    if not np.isfinite(values).all():
        raise Reject("its weights become NaN or infinite when constants are folded")
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
