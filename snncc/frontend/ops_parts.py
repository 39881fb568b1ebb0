"""Lowering of nodes that take parts of a value or repeat it: Split, Gather, Tile, Expand, DepthToSpace."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from snncc.frontend.calls import Call, Result, folded, lowered
from snncc.frontend.compose import part_of
from snncc.frontend.gathering import MAX_PARTS, picked, ranged
from snncc.frontend.ops_shape import normal_axes
from snncc.frontend.values import DriveValue, Operand, Probe, Step
from snncc.frontend.verdicts import Reject
from snncc.frontend.wiring import reshape_step, transpose_step
from snncc_ir.nodes import Conv, Dense, Repeat
from snncc_ir.types import MAX_ELEMENTS, Shape, shape_text


def split(call: Call) -> Result:
    """Split: a slice per part; the weights of a convolution or matrix are split themselves."""
    value = call.operand()
    axis = normal_axes((call.attributes.integer("axis", 0),), len(value.shape) + 1)[0] - 1
    if axis < 0:
        raise Reject("splits the batch; split another axis")
    sizes = _split_sizes(call, value.shape[axis])
    stops = np.cumsum(sizes)
    bounds = [(int(stop) - size, int(stop)) for size, stop in zip(sizes, stops, strict=True)]
    if isinstance(value, DriveValue) and axis == 0 and _divides(value):
        parts = zip(bounds, call.node.outputs, strict=True)
        return lowered(*(_divided(call, value, *bound, tensor) for bound, tensor in parts))
    if len(bounds) == 1:
        return folded(value, "takes everything")
    signal = replace(call.signal(), shared=True)  # each part reads the whole
    return lowered(*(ranged(call, signal, axis, start, stop) for start, stop in bounds))


def _split_sizes(call: Call, size: int) -> tuple[int, ...]:
    outputs = len(call.node.outputs)
    if call.has(1):
        sizes = call.integers(1, "its sizes are")
    elif "split" in call.attributes:
        sizes = call.attributes.integers("split", ())
    else:
        parts = call.attributes.integer("num_outputs", outputs)
        if not 1 <= parts <= size:
            raise Reject(f"an axis of {size} does not fall into {parts} parts")
        part = -(-size // parts)
        sizes = (*(part,) * (parts - 1), size - part * (parts - 1))
    if len(sizes) != outputs or min(sizes, default=0) < 1 or sum(sizes) != size:
        raise Reject(f"parts {list(sizes)} are not {outputs} parts of {size}")
    return sizes


def _divides(drive: DriveValue) -> bool:
    """True where each output channel has weights of its own."""
    kinds = [term.linear for term in drive.terms]
    whole = all(isinstance(k, Dense) or (isinstance(k, Conv) and k.groups == 1) for k in kinds)
    return whole and not drive.steps


def _divided(call: Call, drive: DriveValue, start: int, stop: int, tensor: str) -> DriveValue:
    """Channels start..stop of a drive."""
    base = (stop - start, *drive.base[1:])
    terms = tuple(
        replace(
            term,
            linear=replace(term.linear, weight=part_of(term.linear.weight, start, stop)),
            origin=term.origin.also(call.node),
        )
        for term in drive.terms
    )
    probe = Probe.plain(tensor, stop - start)
    return replace(drive, terms=terms, bias=drive.bias[start:stop], base=base, shape=base, probe=probe)


def gather(call: Call) -> Result:
    """Gather with constant indices along one axis: slices, joined where it takes several."""
    value = call.operand()
    axis = normal_axes((call.attributes.integer("axis", 0),), len(value.shape) + 1)[0] - 1
    indices = call.constant(1, "its indices are")
    if axis < 0:
        raise Reject("picks images of the batch; pick along another axis")
    if indices.dtype.kind not in "iu" or not indices.size:
        raise Reject("its indices are no integers")
    size = value.shape[axis]
    found = [int(index) for index in indices.reshape(-1)]
    if any(not -size <= index < size for index in found):
        raise Reject(f"index {max(found, key=abs)} is outside an axis of {size}")
    shape = (*value.shape[:axis], *indices.shape, *value.shape[axis + 1 :])
    if not shape:
        raise Reject("leaves no axis but the batch; keep one")
    taken = picked(call, value, axis, [index % size for index in found])
    return lowered(call.wired(taken, reshape_step(shape, call.origin)))


def tile(call: Call) -> Result:
    """Tile: axes of one position are repeated, others joined to themselves."""
    times = call.integers(1, "its repeats are")
    full = (call.batch, *call.operand().shape)
    if len(times) != len(full) or min(times) < 1:
        raise Reject(f"repeats {list(times)} do not fit {shape_text(full)}")
    return _multiplied(call, times)


def expand(call: Call) -> Result:
    """Expand: axes of one position are repeated."""
    full = (call.batch, *call.operand().shape)
    target = call.integers(1, "its shape is")
    try:
        shape = np.broadcast_shapes(full, target)
    except ValueError:
        shape = ()
    if len(shape) != len(full):
        raise Reject(f"{shape_text(full)} does not expand to {list(target)}; keep the number of axes")
    return _multiplied(call, tuple(new // old for new, old in zip(shape, full, strict=True)))


def _multiplied(call: Call, times: Sequence[int]) -> Result:
    value = call.operand()
    if times[0] != 1:
        raise Reject("repeats the batch; repeat other axes alone")
    if set(times) == {1}:
        return folded(value, "repeats nothing")
    if math.prod(value.shape) * math.prod(times) > MAX_ELEMENTS:
        raise Reject(f"repeats {list(times)} make more than {MAX_ELEMENTS} elements")
    factors = tuple(n if size == 1 else 1 for n, size in zip(times[1:], value.shape, strict=True))
    if max(factors) > 1:
        value = call.wired(value, Step(Repeat(name="", source="", factors=factors), call.origin))
    for axis, (n, factor) in enumerate(zip(times[1:], factors, strict=True)):
        if n > factor:
            value = _joined(call, value, axis, n)
    return lowered(value)


def _joined(call: Call, value: Operand, axis: int, times: int) -> Operand:
    if times > MAX_PARTS:
        raise Reject(f"repeats an axis {times} times; at most {MAX_PARTS} times is supported")
    signal = call.builder.solid(call.as_signal(value))
    return call.builder.concat((signal,) * times, axis, call.origin)


def depth_to_space(call: Call) -> Result:
    """DepthToSpace: wiring of blocks of channels to blocks of positions."""
    value = call.operand()
    size = _block(call, value.shape)
    channels, height, width = value.shape
    if channels % size**2:
        raise Reject(f"{channels} channels do not fill blocks of {size}x{size}")
    rest = channels // size**2
    column_first = _column_first(call)
    cells = (rest, size, size, height, width) if column_first else (size, size, rest, height, width)
    axes = (0, 3, 1, 4, 2) if column_first else (2, 3, 0, 4, 1)
    return lowered(_rearranged(call, value, cells, axes, (rest, height * size, width * size)))


def space_to_depth(call: Call) -> Result:
    """SpaceToDepth: wiring of blocks of positions to blocks of channels."""
    value = call.operand()
    size = _block(call, value.shape)
    channels, height, width = value.shape
    if height % size or width % size:
        raise Reject(f"{shape_text(value.shape)} does not fall into blocks of {size}x{size}")
    cells = (channels, height // size, size, width // size, size)
    target = (channels * size**2, height // size, width // size)
    axes = (0, 2, 4, 1, 3) if _column_first(call) else (2, 4, 0, 1, 3)
    return lowered(_rearranged(call, value, cells, axes, target))


def _column_first(call: Call) -> bool:
    """True where the channels of a block of positions follow each other; SpaceToDepth can from opset 28."""
    mode = call.attributes.text("mode", "DCR")
    if mode not in ("DCR", "CRD"):
        raise Reject(f"mode {mode} is unknown")
    return mode == "CRD"


def _block(call: Call, shape: Shape) -> int:
    size = call.attributes.integer("blocksize", 0)
    if len(shape) != 3 or size < 1 or size > math.prod(shape):
        raise Reject(f"blocks of {size} do not fit {shape_text(shape)} per image")
    return size


def _rearranged(call: Call, value: Operand, cells: Shape, axes: tuple[int, ...], target: Shape) -> Operand:
    for step in (
        reshape_step(cells, call.origin),
        transpose_step(axes, call.origin),
        reshape_step(target, call.origin),
    ):
        value = call.wired(value, step)
    return value
