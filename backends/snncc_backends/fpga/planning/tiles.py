"""Tiles: which rows of a map a tile of output rows reads, as the core reads them."""

from __future__ import annotations

from dataclasses import dataclass

from snncc_backends.fpga.planning.maps import LevelMap
from snncc_backends.fpga.planning.plan import Pass
from snncc_backends.fpga.planning.projections import Projection


@dataclass(frozen=True, slots=True)
class Visit:
    """One row of every slot: slot j reads bank (bank + j) mod G, if that is in the mask `banks`.

    Its row starts at `address`, or at address + wrap in banks below `bank`.
    """

    address: int
    wrap: int
    bank: int
    banks: int
    kernel: int


Visits = tuple[Visit, ...]


def visits_of(
    task: Pass, projection: Projection, source: LevelMap, slots: int, merge: int
) -> tuple[Visits, ...] | None:
    """The visits of every (row tile, window row); None where two slots would need one bank.

    The reading order and the banks must be those of the core: slot j in the j-th bank after the first slot's.
    """
    found = []
    for tile in task.tile_rows(slots, merge):
        for rows in tile:
            visits = _tile(projection, source, rows.tolist())
            if visits is None:
                return None
            found.append(visits)
    return tuple(found)


def _tile(projection: Projection, source: LevelMap, rows: list[int]) -> Visits | None:
    found = []
    for tap in range(projection.rows.shape[1]):
        read = [(slot, int(projection.rows[row, tap])) for slot, row in enumerate(rows)]
        present = [(slot, row) for slot, row in read if row >= 0]
        kernels = {int(projection.row_kernel[rows[slot], tap]) for slot, _ in present}
        if not present:
            continue
        visit = _visit(source, present, kernels.pop())
        if visit is None or kernels:
            return None
        found.append(visit)
    return tuple(found) or (Visit(source.base, 0, 0, 0, 0),)


def _visit(source: LevelMap, present: list[tuple[int, int]], kernel: int) -> Visit | None:
    slot, row = present[0]
    bank = (source.bank(row) - slot) % source.banks
    if any(source.bank(row) != (bank + slot) % source.banks for slot, row in present):
        return None
    near = {source.address(row) for _, row in present if source.bank(row) >= bank}
    far = {source.address(row) for _, row in present if source.bank(row) < bank}
    if max(len(near), len(far)) > 1:
        return None
    address = min(near or far)
    wrap = min(far) - address if far else 0
    return Visit(address, wrap, bank, sum(1 << source.bank(row) for _, row in present), kernel)
