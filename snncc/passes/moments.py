"""Second moments of a layer's inputs, taken at random positions of the calibration images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snncc.passes.base import Array
from snncc_ir.nodes import Conv, Dense
from snncc_ir.tensors import Reals
from snncc_ir.types import Shape

ROWS = 16384
"""Positions that are looked at; fewer where the images have fewer."""


@dataclass(frozen=True)
class Positions:
    """Output positions of a convolution: image, row and column of each; a dense layer has images alone."""

    image: Array
    row: Array
    column: Array


def positions(images: int, shape: Shape, seed: int = 0) -> Positions:
    """At most ROWS random positions of an output of `shape`, without repeats."""
    height, width = shape[1:] if len(shape) == 3 else (1, 1)
    total = images * height * width
    chosen = np.arange(total)
    if total > ROWS:
        chosen = np.sort(np.random.default_rng(seed).choice(total, ROWS, replace=False))
    image, place = np.divmod(chosen, height * width)
    return Positions(image, *np.divmod(place, width))


def inputs_at(node: Conv | Dense, x: Array, where: Positions) -> Reals:
    """What the layer reads of `x[N, *shape]` at the positions, `[groups, positions, weights of a row]`."""
    if isinstance(node, Dense):
        return np.asarray(x[where.image], dtype=np.float64)[None]
    _, taps, rows, columns = node.weight.shape
    padded = np.pad(x, ((0, 0), (0, 0), *node.padding))
    top, left = where.row * node.stride[0], where.column * node.stride[1]
    found = [
        padded[where.image, :, top + row * node.dilation[0], left + column * node.dilation[1]]
        for row in range(rows)
        for column in range(columns)
    ]
    by_group = np.stack(found, axis=-1).reshape(len(top), node.groups, taps * rows * columns)
    return np.ascontiguousarray(by_group.transpose(1, 0, 2), dtype=np.float64)
