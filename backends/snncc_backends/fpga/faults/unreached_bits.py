"""Of the tables of binary lanes: bits that are never read, or on which nothing depends."""

from __future__ import annotations

import numpy as np

from snncc_backends.fpga.planning.maps import WORD
from snncc_backends.fpga.tables.program import PassProgram
from snncc_backends.fpga.tables.tables import PassTable

MOST_OF_EIGHT = 255
"""The greatest level of eight planes."""


def reads_bit(program: PassProgram, block: int, word: int, inside: int) -> bool:
    """Whether a block fetches weights `word` for a byte, or a level, that bit `inside` belongs to."""
    d = program.descriptor
    number = word - d.weights - block * d.weight_step
    part = inside % WORD if d.planes else inside // WORD
    for reading in program.readings(block):
        bits = (reading.masks >> part & 1).astype(np.int64)
        taken = np.einsum("rcij,cj->ij", reading.present.astype(np.int64), bits) > 0
        if number in set(reading.weights[taken].tolist()):
            return True
    return False


def has_bit(item: PassTable, inside: int) -> bool:
    """Whether some level that a pass on binary lanes reads has the plane, or some map the channel."""
    maps = [kernel.map for kernel in item.split.kernels]
    if item.split.planes:
        plane = inside // WORD
        ninth = plane == 0 and any(found.lo < 0 or found.hi > MOST_OF_EIGHT for found in maps)
        return ninth or any(found.lo < 0 or found.hi >> plane for found in maps)
    return any(found.shape[0] > inside for found in maps)


def unused_binary(item: PassTable, place: int, bit: int, readout: bool) -> str | None:
    """Bits of a descriptor that matter on one kind of lanes alone; None for others."""
    if place == 10 and 16 <= bit < 24 and item.split.binary:
        return "binary lanes have weights of one width"
    match place, bit:
        case 11, 18:
            return ""
        case 11, 19:
            return "" if item.split.binary else "planes of a pass on multipliers"
        case 11, 20:
            return "a readout has no levels" if readout else ""
        case _:
            return None
