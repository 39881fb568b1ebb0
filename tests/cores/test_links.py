"""What the links of a mesh carry: as much as the spikes that take them, on their way along row and column."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from snncc.cores.chips import Traffic
from snncc.cores.place import place
from snncc_backends.chips import load_machine
from snncc_ir.machine import Limit, Mesh
from snncc_ir.plan import Place

MESH = load_machine("loihi2").mesh


def mesh(columns: int, rows: int) -> Mesh:
    assert MESH is not None
    sizes = {"columns": columns, "rows": rows, "router_cores": 1, "chip_hops": 0}
    return replace(MESH, **{name: Limit(size, "drawn") for name, size in sizes.items()})


def way(start: Place, stop: Place, columns: int) -> list[tuple[Place, Place]]:
    """The links from a router to another, one after the other: the row first, then the column."""
    found, here = [], start
    while here != stop:
        column, row, goal = here.chip * columns + here.column, here.row, stop.chip * columns + stop.column
        if column != goal:
            column += 1 if column < goal else -1
        else:
            row += 1 if row < stop.row else -1
        there = Place(column // columns, column % columns, row)
        found.append((here, there))
        here = there
    return found


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 20), st.integers(0, 2**32 - 1))
def test_links_carry_the_spikes_that_take_them(
    columns: int, rows: int, chips: int, pairs: int, seed: int
) -> None:
    rng, size = np.random.default_rng(seed), columns * rows
    cores = size * chips
    one, other = rng.integers(0, cores, (2, pairs))
    spikes = rng.integers(1, 100, pairs).astype(np.float64)
    traffic = Traffic(one, other, spikes, np.ones(pairs, dtype=np.int64))
    found = place(np.arange(cores) // size, traffic, mesh(columns, rows))
    expected: dict[tuple[Place, Place], float] = {}
    for a, b, count in zip(one, other, spikes, strict=True):
        for link in way(found.places[a], found.places[b], columns):
            expected[link] = expected.get(link, 0.0) + count
    assert {(link.start, link.stop): link.spikes for link in found.links} == expected
    assert found.hops == sum(expected.values())
    assert found.busiest == max(expected.values(), default=0.0)
