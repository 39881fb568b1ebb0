"""What the tables and states of the event core are built of."""

from __future__ import annotations

from snncc_backends.fpga.capacity import Mapped, Shape, mapped
from snncc_backends.fpga.events.plan import Kind
from snncc_backends.fpga.events.tables import EventTables, words_of
from snncc_backends.fpga.planning.maps import ceil_div

BANK = 1024
"""Words of a bank of potentials (snncc_banks.v)."""

FACTOR = 18
"""Bits of a factor of a multiplier, sign included."""


def event_block_memories(tables: EventTables) -> dict[str, int]:
    """Block memories of the tables, the maps, the inputs, the potentials, what was sent, and the results."""
    return {name: mapped.blocks for name, mapped in event_mapped_memories(tables).items()}


def event_multipliers(tables: EventTables) -> int:
    """One for the payloads; in each lane one for weights, and those that let a potential decay."""
    w = tables.widths
    return 1 + w.lanes * (1 + w.leaky * ceil_div(w.potential - 1, FACTOR - 1))


def event_mapped_memories(tables: EventTables) -> dict[str, Mapped]:
    """What every memory is built of; the banks of one together."""
    found = {
        name: mapped(Shape(words=memory.words, bits=memory.bits)) for name, memory in tables.memories.items()
    }
    w = tables.widths
    found["maps"] = _written(w.map_words, w.lanes * (1 + w.signed_spikes))
    found["inputs"] = _written(w.input_words, w.lanes * w.level)
    found["potentials"] = _banked(w.potential_words, w.lanes * w.potential)
    if w.stbif:
        found["sent"] = _banked(w.sent_words, w.lanes * w.sent)
    found["results"] = _written(result_words(tables), w.lanes * w.potential)
    return found


def result_words(tables: EventTables) -> int:
    """Words of the memory that holds the values of all readouts; two at least."""
    readouts = (item.unit.shape for item in tables.units if item.unit.kind is Kind.READOUT)
    return max(2, sum(words_of(shape, tables.widths.lanes) for shape in readouts))


def _banked(words: int, bits: int) -> Mapped:
    """Banks of one memory each."""
    whole, rest = divmod(words, BANK)
    full, last = _written(BANK, bits), _written(rest, bits) if rest else Mapped()
    return Mapped(blocks=whole * full.blocks + last.blocks, lut_rams=whole * full.lut_rams + last.lut_rams)


def _written(words: int, bits: int) -> Mapped:
    """One memory that the core or the host writes."""
    return mapped(Shape(words=words, bits=bits, written=True))
