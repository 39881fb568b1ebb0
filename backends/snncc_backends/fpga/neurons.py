"""Neurons as the fire units run them: thresholds in even steps, with corrections where they are not even."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snncc_ir.certificates import Interval
from snncc_ir.neurons import Table
from snncc_ir.tensors import Ints


@dataclass(frozen=True, kw_only=True)
class Neurons:
    """v = U + bias, n = lo + clip(v div theta, 0, top), with bias[O, R, S] = b + floor(theta/2) - lo theta.

    `rows[y]` and `columns[x]` are the border classes R and S of the computed positions. A readout gives v.
    With `corrections[O, R, S, top]` n = lo + the greatest q of 0 .. top with v >= q theta + correction q, where
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
    """The neurons of a table of breakpoints; those beyond the range of U are moved to its ends."""
    values, rows, columns = border_classes(
        table.breakpoints.data, 2, table.rows, table.columns, (shape[1], shape[2])
    )
    low, high = (np.broadcast_to(end, shape[:1])[:, None, None, None] for end in (drive.low, drive.high))
    breaks = np.clip(values, low, high + 1)
    theta = _even_step(breaks)
    steps = np.arange(breaks.shape[-1])
    return Neurons(
        theta=theta,
        bias=theta[:, None, None] - breaks[..., 0],
        rows=rows,
        columns=columns,
        lo=table.lo,
        top=table.hi - table.lo,
        corrections=breaks - breaks[..., :1] - theta[:, None, None, None] * steps,
    )


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


def _even_step(breaks: Ints) -> Ints:
    """`[O]`: the step from which the breakpoints `[O, R, S, top]` differ least, of two guesses."""
    top = breaks.shape[-1]
    if top == 1:
        return np.ones(len(breaks), dtype=np.int64)
    first = breaks[:, 0, 0]
    mean = np.rint((first[:, -1] - first[:, 0]) / (top - 1))
    guesses = np.maximum(1, np.stack([mean, np.median(np.diff(first), axis=1)]).astype(np.int64))
    away = first - guesses[..., None] * np.arange(top)
    return np.asarray(np.take_along_axis(guesses, np.ptp(away, axis=2).argmin(axis=0)[None], axis=0)[0])
