"""The frontier of accuracy against costs: the points that no other one beats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from snncc.sweep.points import Quantity, Row, value_of

USUAL = (Quantity.ENERGY, Quantity.TIME, Quantity.CORES, Quantity.LUTS, Quantity.BRAMS)
"""What accuracy is weighed against where every point has it and nothing was chosen."""

ALWAYS = (Quantity.STEPS, Quantity.SYNOPS)
"""What it is weighed against otherwise."""


def usual_costs(rows: Sequence[Row]) -> tuple[Quantity, ...]:
    """What to weigh accuracy against where the user does not say it."""
    possible = [row for row in rows if row.figures is not None]
    found = tuple(cost for cost in USUAL if all(value_of(row, cost) is not None for row in possible))
    return found if found and possible else ALWAYS


def frontier(rows: Sequence[Row], costs: Sequence[Quantity]) -> tuple[bool, ...]:
    """For every row whether it is on the frontier of least loss and least costs (Pareto).

    A point is on it unless another one is as good in all and better in one of them; points without one of
    the figures are not.
    """
    compared = (Quantity.LOSS, *costs)
    values = [[value_of(row, quantity) for quantity in compared] for row in rows]
    known = np.array([None not in row for row in values], dtype=bool)
    table = np.array([[np.nan if v is None else v for v in row] for row in values], dtype=np.float64)
    found = np.zeros(len(rows), dtype=bool)
    rivals = table[known]
    for place in np.flatnonzero(known):
        no_worse = (rivals <= table[place]).all(axis=1)
        better = (rivals < table[place]).any(axis=1)
        found[place] = not (no_worse & better).any()
    return tuple(found.tolist())
