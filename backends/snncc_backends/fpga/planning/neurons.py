"""Neurons as the fire units run them: thresholds in even steps, with corrections where they are not even."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snncc_ir.certificates import Interval
from snncc_ir.neurons import Bias, Table
from snncc_ir.tensors import Ints


@dataclass(frozen=True, kw_only=True)
class Neurons:
    """v = U + bias, n = lo + clip(v div theta, 0, top), with bias[O, R, S] = b + floor(theta/2) - lo theta.

    `rows[y]` and `columns[x]` are the border classes R and S of the computed positions. A readout gives v.
    With `corrections[O, R, S, top]` n = lo + the greatest q of 0 .. top with v >= q theta + correction q;
    that of q = 0 is left out: breakpoints, written as what they differ from evenly spaced ones.
    """

    theta: Ints
    bias: Ints
    rows: Ints
    columns: Ints
    lo: int
    top: int
    corrections: Ints | None = None


def tabled_neurons(table: Table, shape: tuple[int, int, int], drive: Interval) -> Neurons:
    """The neurons of a table; breakpoints that U does not reach within `drive` need no exact place."""
    values, rows, columns = border_classes(
        table.breakpoints.data, 2, table.rows, table.columns, (shape[1], shape[2])
    )
    low, high = (np.broadcast_to(end, shape[:1])[:, None, None, None] for end in (drive.low, drive.high))
    inside = (values > low) & (values <= high)
    theta = _even_step(values[:, 0, 0], inside[:, 0, 0])
    anchor = inside.argmax(axis=-1)[..., None]
    first = np.take_along_axis(np.clip(values, low, high + 1), anchor, axis=-1)
    even = first + theta[:, None, None, None] * (np.arange(values.shape[-1]) - anchor)
    above, below = np.maximum(even, high + 1), np.minimum(even, low)  # never reached, always reached
    breaks = np.where(inside, values, np.where(values > high, above, below))
    return Neurons(
        theta=theta,
        bias=theta[:, None, None] - even[..., 0],
        rows=rows,
        columns=columns,
        lo=table.lo,
        top=table.hi - table.lo,
        corrections=breaks - even,
    )


def bias_classes(bias: Bias, size: tuple[int, int]) -> tuple[Ints, Ints, Ints]:
    """The values of a bias by border class `[O, R, S]`, and the class of every row and column."""
    return border_classes(bias.values.data, 1, bias.rows, bias.columns, size)


def border_classes(
    values: Ints, axes: int, rows: tuple[int, ...], columns: tuple[int, ...], size: tuple[int, int]
) -> tuple[Ints, Ints, Ints]:
    """Values by border class `[O, R, S, ...]`, and the class of every row and column.

    Without border classes the values have `axes` axes, and there is one class.
    """
    if values.ndim > axes:
        return values, np.array(rows), np.array(columns)
    one = [np.zeros(length, dtype=np.int64) for length in size]
    return values[:, None, None], one[0], one[1]


def _even_step(breaks: Ints, inside: NDArray[np.bool_]) -> Ints:
    """`[O]`: the step from which the breakpoints `[O, top]` inside differ least, of two guesses."""
    return np.array([_step(values[kept]) for values, kept in zip(breaks, inside, strict=True)])


def _step(breaks: Ints) -> int:
    if len(breaks) < 2:
        return 1
    mean = round(float(breaks[-1] - breaks[0]) / (len(breaks) - 1))
    guesses = {max(1, mean), max(1, int(np.median(np.diff(breaks))))}
    return min(sorted(guesses), key=lambda step: int(np.ptp(breaks - step * np.arange(len(breaks)))))
