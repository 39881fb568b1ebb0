"""Lowering of transposed convolutions: zeros between neighbours, then an ordinary convolution."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from snncc.frontend.calls import Call, Result, lowered
from snncc.frontend.geometry import pads_of, pair_of
from snncc.frontend.ops_linear import conv_drive, weights_of
from snncc.frontend.values import Array, Step
from snncc.frontend.verdicts import Reject
from snncc.frontend.wiring import result_shape
from snncc_ir.nodes import Conv, Pad, Pair, Slice
from snncc_ir.tensors import Tensor
from snncc_ir.types import Shape, shape_text


@dataclass(frozen=True, kw_only=True)
class _Axis:
    """One axis: `before` and `after` surround the spaced source, negative where they cut it."""

    size: int
    kernel: int
    stride: int
    dilation: int
    crop: Pair
    extra: int

    @property
    def before(self) -> int:
        return self.dilation * (self.kernel - 1) - self.crop[0]

    @property
    def after(self) -> int:
        return self.dilation * (self.kernel - 1) - self.crop[1] + self.extra


def conv_transpose(call: Call) -> Result:
    """ConvTranspose with any stride, dilation, groups, padding, output_padding and output_shape."""
    value = call.operand()
    groups, shape = call.attributes.integer("group", 1), value.shape
    weight = weights_of(call, lambda kernels: _turned(kernels, groups, shape))
    axes = _axes(call, weight, value.shape)
    for wiring in _spacing(value.shape, axes):
        value = call.wired(value, Step(wiring, call.origin))
    rows, columns = ((max(axis.before, 0), max(axis.after, 0)) for axis in axes)
    node = Conv(
        name="",
        source="",
        weight=weight,
        padding=(rows, columns),
        dilation=(axes[0].dilation, axes[1].dilation),
        groups=groups,
    )
    return lowered(conv_drive(call, value, node, result_shape(node, value.shape)))


def _turned(weight: Array, groups: int, shape: Shape) -> Array:
    """Weights [I, O/groups, KH, KW] as those of the convolution, [O, I/groups, KH, KW], kernels turned."""
    if weight.ndim != 4:
        raise Reject(f"weights {shape_text(weight.shape)} are not those of an image's convolution")
    inputs, outputs, *kernel = weight.shape
    if groups < 1 or inputs != shape[0] or inputs % groups:
        raise Reject(f"weights {shape_text(weight.shape)} in {groups} groups do not fit {shape[0]} channels")
    grouped = weight.reshape(groups, inputs // groups, outputs, *kernel).swapaxes(1, 2)
    turned = grouped.reshape(groups * outputs, inputs // groups, *kernel)[:, :, ::-1, ::-1]
    return np.ascontiguousarray(turned)


def _axes(call: Call, weight: Tensor, shape: Shape) -> tuple[_Axis, _Axis]:
    kernel = (weight.shape[2], weight.shape[3])
    if call.attributes.integers("kernel_shape", kernel) != kernel:
        raise Reject(f"kernel_shape is not that of its weights, {shape_text(weight.shape)}")
    stride, dilation = pair_of(call, "strides"), pair_of(call, "dilations")
    extra = call.attributes.integers("output_padding", (0, 0))
    if len(extra) != 2 or min(extra) < 0:
        raise Reject(f"output_padding must be two sizes of at least 0, not {list(extra)}")
    wanted = _output_size(call, shape, stride)
    crops = None if wanted else pads_of(call, shape, kernel, stride, dilation)
    rows, columns = (
        _axis(
            _Axis(
                size=shape[index + 1],
                kernel=kernel[index],
                stride=stride[index],
                dilation=dilation[index],
                crop=crops[index] if crops else (0, 0),
                extra=extra[index],
            ),
            wanted[index] if wanted else None,
            call.attributes.text("auto_pad", "NOTSET"),
        )
        for index in (0, 1)
    )
    return rows, columns


def _output_size(call: Call, shape: Shape, stride: Pair) -> Pair | None:
    """The output size that the node asks for, None where its pads say it."""
    mode = call.attributes.text("auto_pad", "NOTSET")
    if "output_shape" in call.attributes:
        sizes = call.attributes.integers("output_shape", ())[-2:]
        if len(sizes) != 2 or min(sizes) < 1:
            raise Reject(f"output_shape must hold two sizes of at least 1, not {list(sizes)}")
        return sizes[0], sizes[1]
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        return shape[1] * stride[0], shape[2] * stride[1]
    return None


def _axis(axis: _Axis, wanted: int | None, mode: str) -> _Axis:
    """The axis with the crop that gives the wanted size; SAME_UPPER crops more at the end."""
    natural = (axis.size - 1) * axis.stride + axis.extra + axis.dilation * (axis.kernel - 1) + 1
    if wanted is None:
        return axis
    total = natural - wanted
    small, large = total // 2, total - total // 2
    crop = (0, total) if total < 0 else (small, large) if mode == "SAME_UPPER" else (large, small)
    return replace(axis, crop=crop)


def _spacing(shape: Shape, axes: tuple[_Axis, _Axis]) -> list[Pad | Slice]:
    """Zeros between neighbours, then what the crop cuts off beyond the kernel's reach."""
    interior = (0, *(axis.stride - 1 for axis in axes))
    spaced = Pad(name="", source="", padding=((0, 0),) * len(shape), interior=interior)
    sizes = [(axis.size - 1) * axis.stride + 1 for axis in axes]
    starts = [max(-axis.before, 0) for axis in axes]
    stops = [size - max(-axis.after, 0) for size, axis in zip(sizes, axes, strict=True)]
    if any(start >= stop for start, stop in zip(starts, stops, strict=True)):
        raise Reject("its pads cut everything away")
    steps: list[Pad | Slice] = [spaced] if any(interior) else []
    if any(starts) or stops != sizes:
        steps.append(
            Slice(name="", source="", start=(0, *starts), stop=(shape[0], *stops), step=(1,) * len(shape))
        )
    return steps
