"""How many block memories the tables and maps take: what Yosys makes of every memory of the core."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from snncc_backends.fpga.planning.maps import WORD, ceil_div
from snncc_backends.fpga.tables.memory import Memory
from snncc_backends.fpga.tables.tables import Tables
from snncc_ir.machine import Machine

SHAPES = ((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36))
"""Depth and width that a block memory of 18 kbit can be given (Lattice FPGA-TN-02204)."""

BYTE = 9
"""Bits that a block memory writes at once."""

BLOCK_COST, LUT_RAM_COST, ROM_BIT_COST, MUX_COST = 128.0, 4.0, 1 / 16, 0.5
"""Costs by which Yosys 0.70 chooses (memory_libmap, lattice/brams_16kd.txt and lutrams_trellis.txt)."""

EXACT = frozenset(("weights", "bit_weights", "neurons"))
"""Tables that are as deep as they have words; the others go to the next power of two."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A memory: `words` words of `bits` bits, all of them in use; `written` by the core or by the host."""

    words: int
    bits: int
    written: bool = False


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """What a memory is built of: block memories, memories of 16 x 4 bits in LUTs, or constants in LUTs."""

    blocks: int = 0
    lut_rams: int = 0
    rom_bits: int = 0


def block_memories(tables: Tables) -> dict[str, int]:
    """Block memories of every table, of the maps in all banks, and of the results."""
    return {name: mapped.blocks for name, mapped in mapped_memories(tables).items()}


def mapped_memories(tables: Tables) -> dict[str, Mapped]:
    """What every memory is built of; the banks of the maps together."""
    widths = tables.widths
    found = {name: mapped(_table_shape(memory)) for name, memory in tables.memories.items()}
    bank = mapped(Shape(words=widths.map_words, bits=WORD * widths.level, written=True))
    groups = widths.groups
    found["maps"] = Mapped(blocks=groups * bank.blocks, lut_rams=groups * bank.lut_rams)
    found["results"] = mapped(Shape(words=result_words(tables), bits=groups * widths.potential, written=True))
    return found


def result_words(tables: Tables) -> int:
    """Words of the memory that holds the values of all readouts; two at least."""
    return max(2, sum(item.results for item in tables.passes))


def mapped(shape: Shape) -> Mapped:
    """The cheapest way to build a memory."""
    block_cost, blocks = min(_blocks(shape, *form) for form in reversed(SHAPES))
    if shape.written:
        lut_cost, lut_rams = _lut_rams(shape)
        return Mapped(lut_rams=lut_rams) if lut_cost < block_cost else Mapped(blocks=blocks)
    bits = shape.words * shape.bits
    return Mapped(rom_bits=bits) if bits * ROM_BIT_COST < block_cost else Mapped(blocks=blocks)


def slices_of(words: int, bits: int) -> int:
    """Block memories among which the words of a table are divided, and between which the core chooses."""
    shape = Shape(words=words, bits=bits)
    _, slices = min((_blocks(shape, *form)[0], ceil_div(words, form[0])) for form in reversed(SHAPES))
    return 1 if mapped(shape).rom_bits else slices


def _blocks(shape: Shape, depth: int, width: int) -> tuple[float, int]:
    """Cost and number of blocks of one form; slices of the depth share a block where they are narrow."""
    slices = ceil_div(shape.words, depth)
    step = min(BYTE, width) if shape.written else 1
    blocks = ceil_div(slices * ceil_div(shape.bits, step) * step, width)
    selects = slices if shape.written and slices > 1 else 0
    return BLOCK_COST * blocks + MUX_COST * ((slices - 1) * shape.bits + selects), blocks


def _lut_rams(shape: Shape) -> tuple[float, int]:
    slices = ceil_div(shape.words, 16)
    cells = slices * ceil_div(shape.bits, 4)
    selects = slices if slices > 1 else 0
    return LUT_RAM_COST * cells + MUX_COST * ((slices - 1) * shape.bits + selects), cells


def _table_shape(memory: Memory) -> Shape:
    """The table as deep as the core declares it, without the bits that are the same in all words."""
    bits = memory.pattern()
    words = memory.words if memory.name in EXACT else 1 << max(1, (memory.words - 1).bit_length())
    return Shape(words=words, bits=max(1, int((bits != bits[:1]).any(axis=0).sum())))


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
