"""Random ranges, staircases and tables whose breakpoints lie where the drives are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from snncc_ir.codes import Code, Reset
from snncc_ir.neurons import Bias, Neuron, Staircase, Table
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Phased, Rate

if TYPE_CHECKING:
    from support.graphs import Builder

Ints = NDArray[Any]

SMALL_RANGES = (
    (0, 1),
    (-1, 1),
    (0, 2),
    (0, 3),
    (-1, 2),
    (-3, 1),
    (-3, 3),
    (0, 5),
    (-2, 7),
    (0, 7),
    (-4, 0),
    (0, 11),
)
LARGE_RANGES = ((0, 15), (-7, 7), (-15, 15), (-20, 3), (0, 100), (0, 255), (-127, 127), (-256, 90))


def draw_range(b: Builder, code: Code, signed: bool) -> tuple[int, int]:
    """A level range: all ones and odd ones, signed and unsigned; small where the window is the range."""
    large = code in (Code.GRADED, Code.RADIX, Code.RATE) and isinstance(b.timing, Phased | Rate)
    ranges = SMALL_RANGES + (LARGE_RANGES if large else ((0, 15), (-9, 6)))
    return tuple(b.pick([pair for pair in ranges if signed or pair[0] == 0]))


def draw_neuron(b: Builder, code: Code, drives: Ints) -> Neuron:
    """A neuron that spreads `drives[N, C, ...]` over its levels."""
    hard = isinstance(b.timing, Rate) and b.timing.reset is Reset.ZERO
    lo, hi = draw_range(b, code, signed=not hard)
    channels = (
        drives.reshape(len(drives), drives.shape[1], -1).transpose(1, 0, 2).reshape(drives.shape[1], -1)
    )
    if not isinstance(b.timing, Rate) and b.number(0, 3) == 0:
        return _table(b, channels, drives.shape[1:], lo, hi)
    return _staircase(b, drives, channels, lo, hi)


def _staircase(b: Builder, drives: Ints, channels: Ints, lo: int, hi: int) -> Staircase:
    """Thresholds such that the drives span the levels; theta 1, ties and border classes now and then."""
    spread = channels.max(axis=1) - channels.min(axis=1)
    match b.number(0, 4):
        case 0:
            theta = np.ones(len(channels), dtype=np.int64)
        case 1:
            theta = 2 * (spread // (2 * (hi - lo)) + 1)
        case _:
            theta = np.maximum(1, spread // (hi - lo) + b.rng.integers(0, 3, len(channels)))
    rate = isinstance(b.timing, Rate)
    centre = np.zeros(len(channels), dtype=np.int64) if rate else channels.min(axis=1) - lo * theta
    bias = -centre if b.number(0, 1) else b.rng.integers(-20, 21, len(channels))
    values = bias + (theta % 2 == 0) * b.rng.integers(0, 2, len(channels)) * (theta // 2)
    return Staircase(theta=Tensor.integer(theta), bias=_bias(b, values, drives.shape[1:]), lo=lo, hi=hi)


def _bias(b: Builder, values: Ints, shape: tuple[int, ...]) -> Bias:
    if len(shape) != 3 or b.number(0, 2):
        return Bias(values=Tensor.integer(values))
    classes = b.number(1, 3)
    offsets = b.rng.integers(-5, 6, (len(values), classes, classes))
    rows, columns = (tuple(int(i) for i in b.rng.integers(0, classes, size)) for size in shape[1:])
    return Bias(values=Tensor.integer(values[:, None, None] + offsets), rows=rows, columns=columns)


def _table(b: Builder, channels: Ints, shape: tuple[int, ...], lo: int, hi: int) -> Table:
    """Breakpoints at random drives, so that ties occur, some of them equal or out of reach."""
    rows = [b.rng.choice(drives, hi - lo) + b.rng.integers(-1, 2, hi - lo) for drives in channels]
    table = np.sort(np.stack(rows), axis=1)
    if b.number(0, 3) == 0:
        table[:, -1] += 10_000
    if len(shape) != 3 or b.number(0, 2):
        return Table(breakpoints=Tensor.integer(table), lo=lo, hi=hi)
    classes = b.number(1, 3)
    offsets = b.rng.integers(-5, 6, (len(table), classes, classes, 1))
    rows, columns = (tuple(int(i) for i in b.rng.integers(0, classes, size)) for size in shape[1:])
    values = Tensor.integer(table[:, None, None] + offsets)
    return Table(breakpoints=values, lo=lo, hi=hi, rows=rows, columns=columns)
