"""Lowering of means, sums and greatest values over axes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from snncc.frontend.builder import real
from snncc.frontend.calls import Call, Result, folded, lowered
from snncc.frontend.compose import MAX_COMPOSED, MAX_WINDOW
from snncc.frontend.ops_linear import vector_product
from snncc.frontend.ops_pool import averaged, window_pool
from snncc.frontend.ops_shape import normal_axes
from snncc.frontend.values import DriveValue, Operand, Probe, Signal, Step
from snncc.frontend.verdicts import Reject
from snncc.frontend.wiring import is_layout, reshape_step, transpose_step
from snncc_ir.nodes import MaxPool
from snncc_ir.tensors import Tensor
from snncc_ir.types import Shape, shape_text

IMAGE = 3
"""Axes of an image, channels included."""


def reduce_mean(call: Call) -> Result:
    """ReduceMean over any axes but the batch: an average pooling, or a product with equal weights."""
    axes = _axes(call)
    return _linear(call, axes, 1.0) if axes else folded(call.operand(), "reduces nothing")


def reduce_sum(call: Call) -> Result:
    """ReduceSum over any axes but the batch: the mean times the number of values."""
    axes = _axes(call)
    if not axes:
        return folded(call.operand(), "reduces nothing")
    shape = call.operand().shape
    return _linear(call, axes, float(math.prod(shape[axis] for axis in axes)))


def reduce_max(call: Call) -> Result:
    """ReduceMax over any axes but the batch: a max-pooling window over all of them."""
    value, axes = call.operand(), _axes(call)
    if not axes:
        return folded(value, "reduces nothing")
    image, _ = _as_image(call, value, axes)
    kernel = _window(image.shape, value.shape, axes)
    pool = MaxPool(name="", source="", kernel=kernel, stride=kernel)
    return lowered(_shaped(call, call.wired(image, Step(pool, call.origin)), _kept(call, value.shape, axes)))


def _axes(call: Call) -> tuple[int, ...]:
    """The reduced axes, without the batch and in order; empty where nothing is reduced."""
    rank = len(call.operand().shape) + 1
    listed = call.integers(1, "its axes are") if call.has(1) else call.attributes.integers("axes", ())
    if not listed and call.attributes.integer("noop_with_empty_axes", 0):
        return ()
    axes = sorted(set(normal_axes(listed or tuple(range(rank)), rank)))
    if axes[0] == 0:
        raise Reject("reduces over the images of a batch; name the other axes alone")
    return tuple(axis - 1 for axis in axes)


def _linear(call: Call, axes: tuple[int, ...], factor: float) -> Result:
    """factor times the mean over the axes."""
    value = call.operand()
    kept = _kept(call, value.shape, axes)
    if not _is_spatial(value.shape, axes):
        return lowered(_by_product(call, value, axes, factor, kept))
    image, _ = _as_image(call, value, axes)
    kernel = _window(image.shape, value.shape, axes)
    pool = window_pool(image.shape, kernel, kernel)
    pool = replace(pool, weight=real(pool.weight.values * factor))
    return lowered(_shaped(call, averaged(call, image, pool), kept))


def _is_spatial(shape: Shape, axes: tuple[int, ...]) -> bool:
    """True for the axes behind the channels, or before them where the channels come last."""
    rank = len(shape)
    last = tuple(range(rank - 1))
    return rank > 1 and (0 not in axes or (axes == last and rank == IMAGE))


def _as_image(call: Call, value: Operand, axes: tuple[int, ...]) -> tuple[Operand, Shape]:
    """The value as an image whose channels are kept and whose reduced axes lie behind them."""
    rank = len(value.shape)
    if rank == IMAGE and 0 not in axes:
        return value, value.shape
    kept = tuple(axis for axis in range(rank) if axis not in axes)
    value = call.wired(value, transpose_step((*kept, *axes), call.origin))
    sizes = value.shape
    reduced = sizes[len(kept) :]
    image = (math.prod(sizes[: len(kept)]), math.prod(reduced[:-1]), reduced[-1])
    return call.wired(value, reshape_step(image, call.origin)), sizes


def _window(image: Shape, shape: Shape, axes: tuple[int, ...]) -> tuple[int, int]:
    """The window that spans the reduced axes."""
    own = len(shape) == IMAGE and 0 not in axes
    kernel = (image[1] if not own or 1 in axes else 1, image[2] if not own or 2 in axes else 1)
    if math.prod(kernel) > MAX_WINDOW:
        raise Reject(f"a window of {shape_text(kernel)} is too large")
    return kernel


def _kept(call: Call, shape: Shape, axes: tuple[int, ...]) -> Shape:
    """Shape of the result."""
    if call.attributes.integer("keepdims", 1):
        return tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    kept = tuple(size for axis, size in enumerate(shape) if axis not in axes)
    if not kept:
        raise Reject("leaves no axis but the batch; use keepdims=1")
    return kept


def _by_product(call: Call, value: Operand, axes: tuple[int, ...], factor: float, kept: Shape) -> Operand:
    """A matrix product with equal weights: it may mix channels, whose levels differ in scale."""
    shape = value.shape
    size = math.prod(shape)
    outputs = size // math.prod(shape[axis] for axis in axes)
    if size * outputs > MAX_COMPOSED:
        raise Reject(
            "reduces an axis of channels that is too large; reduce height and width, or use a 1x1 Conv"
        )
    order = [axis for axis in range(len(shape)) if axis not in axes]
    targets = np.zeros(shape, dtype=np.int64)
    targets += np.arange(outputs).reshape([shape[a] if a in order else 1 for a in range(len(shape))])
    taken = (np.arange(outputs)[:, None] == targets.reshape(1, -1)).astype(np.int64)
    share = np.full(outputs, factor * outputs / size)
    stored = isinstance(value, Signal) and value.grid is not None
    weight = Tensor.scaled(taken, share) if stored else real(taken * share[:, None])
    flat = call.wired(value, reshape_step((size,), call.origin))
    return _shaped(call, vector_product(call, flat, weight), kept)


def _shaped(call: Call, value: Operand, shape: Shape) -> Operand:
    """The value under its visible shape."""
    result = call.wired(value, reshape_step(shape, call.origin))
    fresh = isinstance(result, DriveValue) and result.probe.tensor == call.tensor
    if isinstance(result, DriveValue) and fresh and is_layout(result.steps):
        return replace(result, probe=Probe.plain(call.tensor, result.base[0], result.steps))
    return result
