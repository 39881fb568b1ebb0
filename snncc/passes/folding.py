"""Weights with the level scale of their source folded in, and biases by border class."""

from __future__ import annotations

import numpy as np

from snncc.passes.base import Array
from snncc_ir.errors import GraphError
from snncc_ir.neurons import Bias
from snncc_ir.nodes import Conv, Dense, Linear
from snncc_ir.tensors import Reals, Tensor
from snncc_ir.types import Shape


def folded_weights(node: Linear, scale: Reals) -> Reals:
    """Real weights per level: each weight times the scale of the level that it multiplies."""
    weight = node.weight.values.astype(np.float64)
    if isinstance(node, Dense):
        return weight * scale
    channel = channel_scale(scale, node.name)
    if not isinstance(node, Conv):
        return weight * channel
    per_group = channel.reshape(node.groups, 1, weight.shape[1], 1, 1)
    grouped = weight.reshape(node.groups, -1, *weight.shape[1:])
    return np.asarray((grouped * per_group).reshape(weight.shape))


def channel_scale(scale: Reals, where: str) -> Reals:
    """`scale[C, ...]` as one value per channel; raises GraphError where it varies by position.

    A scale of 0 stands for a position that padding added: its level is always 0, so any scale is right.
    """
    flat = scale.reshape(scale.shape[0], -1)
    channel = np.asarray(flat.max(axis=1))
    if ((flat != channel[:, None]) & (flat != 0)).any():
        raise varying(where)
    return channel


def varying(where: str) -> GraphError:
    """Positions of one channel differ in scale, which `balance` cannot help: the scales are given."""
    return GraphError(
        "its source's scale varies by position within a channel",
        where=where,
        hint="it joins the input, or values that came quantised, with others: join them along the channels, "
        "or behind a layer each",
    )


def row_max(weights: Reals) -> Reals:
    """Largest magnitude of every output channel's weights."""
    return np.asarray(np.abs(weights).reshape(len(weights), -1).max(axis=1))


def border_bias(values: Array) -> Bias:
    """Integer biases `[C]`, `[C, 1, 1]` or `[C, H, W]` as one value per channel or per border class."""
    integers = values.astype(np.int64)
    flat = integers.reshape(len(integers), -1)
    if (flat == flat[:, :1]).all():
        return Bias(values=Tensor.integer(flat[:, 0]))
    _check_image(integers.shape)
    first_row, rows = _classes(integers, 1)
    first_column, columns = _classes(integers, 2)
    return Bias(values=Tensor.integer(integers[:, first_row][:, :, first_column]), rows=rows, columns=columns)


def _check_image(shape: Shape) -> None:
    if len(shape) != 3:
        raise GraphError(f"a bias that varies by position needs an image, not a drive of {len(shape)} axes")


def _classes(values: Array, axis: int) -> tuple[Array, tuple[int, ...]]:
    """First index of each distinct slice along `axis`, and the class of every slice."""
    slices = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
    _, first, inverse = np.unique(slices, axis=0, return_index=True, return_inverse=True)
    return first, tuple(map(int, np.asarray(inverse).ravel()))
