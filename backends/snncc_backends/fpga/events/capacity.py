"""How many block memories the tables and states of the event core take."""

from __future__ import annotations

from snncc_backends.fpga.capacity import Shape, mapped
from snncc_backends.fpga.events.tables import EventTables

BANK = 1024
"""Words of a bank of potentials (snncc_banks.v)."""


def event_block_memories(tables: EventTables) -> dict[str, int]:
    """Block memories of every table, of the maps, the inputs, the potentials and of what was sent."""
    found = {
        name: mapped(Shape(words=memory.words, bits=memory.bits)).blocks
        for name, memory in tables.memories.items()
    }
    w = tables.widths
    found["maps"] = _written(w.map_words, w.lanes * (1 + w.signed_spikes))
    found["inputs"] = _written(w.input_words, w.lanes * w.level)
    found["potentials"] = _banked(w.potential_words, w.lanes * w.potential)
    found["sent"] = _banked(w.sent_words, w.lanes * w.sent) if w.stbif else 0
    return found


def _banked(words: int, bits: int) -> int:
    """Banks of one memory each."""
    whole, rest = divmod(words, BANK)
    return whole * _written(BANK, bits) + (_written(rest, bits) if rest else 0)


def _written(words: int, bits: int) -> int:
    """Block memories of one memory that the core writes."""
    return mapped(Shape(words=words, bits=bits, written=True)).blocks
