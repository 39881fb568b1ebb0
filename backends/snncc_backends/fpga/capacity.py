"""How many block memories the tables and maps take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from snncc_backends.fpga.maps import WORD
from snncc_backends.fpga.tables import Tables
from snncc_ir.machine import Machine

SHAPES = ((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36))
"""Depth and width that a block memory of 18 kbit can be given (Lattice FPGA-TN-02204)."""

SMALL = 2048
"""Bits up to which a memory is built of LUTs."""


def block_memories(tables: Tables) -> dict[str, int]:
    """Block memories of every table, and of the maps in all banks."""
    found = {name: blocks(memory.words, memory.bits) for name, memory in tables.memories.items()}
    widths = tables.widths
    found["maps"] = widths.groups * blocks(widths.map_words, WORD * widths.level)
    return found


def blocks(words: int, bits: int) -> int:
    """Block memories of one memory of `words` words of `bits` bits."""
    if words * bits <= SMALL:
        return 0
    return min(-(-words // depth) * -(-bits // width) for depth, width in SHAPES)


def capacity_refusals(needed: Mapping[str, int], machine: Machine) -> Iterator[str]:
    """Why a device has too few block memories."""
    if machine.fabric is None:
        return
    total, limit = sum(needed.values()), machine.fabric.blocks.value
    if total > limit:
        worst = max(needed, key=lambda name: needed[name])
        yield (
            f"needs {total} block memories, {machine.name} has {limit}; {worst} take {needed[worst]}: "
            "use fewer weight or level bits, another number of lanes, or a larger device"
        )
