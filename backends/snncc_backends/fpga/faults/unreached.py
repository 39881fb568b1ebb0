"""Bits of the tables that no input can reach: they are not read, or nothing depends on them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from snncc_backends.fpga.faults.reach import Reach
from snncc_backends.fpga.faults.unreached_bits import has_bit, reads_bit, unused_binary
from snncc_backends.fpga.planning.maps import PACKED_WORD, WORD
from snncc_backends.fpga.tables.memory import Memory
from snncc_backends.fpga.tables.program import Descriptor, PassProgram, Reading
from snncc_backends.fpga.tables.tables import DESCRIPTOR_WORDS, PassTable, Tables
from snncc_ir.tensors import Ints

SETTINGS = 12
"""Words of a descriptor that the core takes."""

UNWRITTEN = "a lane of a word that is not written"


class Unreached:
    """Why no input can reach bits of one network's tables."""

    def __init__(self, tables: Tables) -> None:
        """Bound all sums; nothing is proved yet."""
        self.tables, self.reach = tables, Reach(tables)

    def why(self, table: str, word: int, bit: int) -> str:
        """Why no input can reach a bit; empty where one may."""
        tables = self.tables
        match table:
            case "weights":
                return _weight(tables, word, bit) or self.reach.why(table, word, bit)
            case "bit_weights":
                return _bit_weight(tables, word, bit) or self.reach.why(table, word, bit)
            case "neurons":
                return _neuron(tables, word, bit) or self.reach.why(table, word, bit)
            case "passes":
                return _setting(tables, word, bit)
            case "out_rows":
                return _row(tables, word, bit)
            case _ if is_summed(table):
                return self.reach.why(table, word, bit)
            case _:
                return _record(tables, table, word, bit)


def is_summed(table: str) -> bool:
    """Whether a table's numbers make sums and levels; the others say what is read and written."""
    return table in ("weights", "bit_weights", "neurons", "table_rows") or table.startswith("breaks_")


def _programs(tables: Tables) -> Iterator[tuple[PassTable, PassProgram]]:
    for number, item in enumerate(tables.passes):
        yield item, PassProgram(tables.memories, tables.widths, number)


def _written(item: PassTable, program: PassProgram, block: int, group: int) -> bool:
    """True where what the group computes in a block leaves it: a result, or a word of some row of the map."""
    d = program.descriptor
    word, slot = block * d.group_words + group % d.group_words, group // d.group_words
    return d.is_readout or (word < d.map_words and slot < item.split.task.shape[1])


def _weight(tables: Tables, word: int, bit: int) -> str:
    place, inside = divmod(bit, tables.widths.weight)
    group, lane = divmod(place, WORD)
    for item, program in _programs(tables):
        if item.split.binary:
            continue
        pack = (tables.widths.weight // item.weight_bits).bit_length() - 1
        number = (word << pack) + inside // item.weight_bits
        if inside >= item.weight_bits << pack:
            continue
        for block in range(program.descriptor.blocks):
            if number in _numbers(program, block, lane):
                return "" if _written(item, program, block, group) else UNWRITTEN
    return "a weight that no step reads"


def _bit_weight(tables: Tables, word: int, bit: int) -> str:
    """Why nothing depends on a bit of a binary lane's weights."""
    group, lane_bit = divmod(bit, WORD * PACKED_WORD)
    inside = lane_bit % PACKED_WORD
    for item, program in _programs(tables):
        for block in range(program.descriptor.blocks if item.split.binary else 0):
            if reads_bit(program, block, word, inside):
                if not _written(item, program, block, group):
                    return UNWRITTEN
                return "" if has_bit(item, inside) else "the bit is always 0"
    return "a weight that no step reads"


def _numbers(program: PassProgram, block: int, lane: int) -> set[int]:
    """The weight numbers that a block reads for a lane."""
    first = program.descriptor.weights + block * program.descriptor.weight_step
    mask = (1 << program.widths.weight_address) - 1
    parts = [_read(reading, lane) for reading in program.readings(block)]
    return {(first + number) & mask for part in parts for number in part.tolist()}


def _read(reading: Reading, lane: int) -> Ints:
    """Numbers relative to the block's first, of words that some visit fetches and some mask takes."""
    bits = reading.masks[..., None] >> np.arange(WORD) & 1
    taken = np.einsum("rcij,cjq->ijq", reading.present.astype(np.int64), bits.astype(np.int64)) > 0
    if reading.own:
        return np.asarray(reading.weights[taken[..., lane]])
    return np.asarray((reading.weights[..., None] + np.arange(WORD))[taken])


def _neuron(tables: Tables, word: int, bit: int) -> str:
    widths = tables.widths
    group, inside = divmod(bit, widths.theta + widths.potential)
    for item, program in _programs(tables):
        d = program.descriptor
        for block in range(d.blocks):
            at = word - d.neurons - block * d.neuron_step
            if not 0 <= at < d.neuron_step:
                continue
            if not _written(item, program, block, group):
                return UNWRITTEN
            return "a readout has no threshold" if d.is_readout and inside < widths.theta else ""
    return "a neuron that no pass has"


def _setting(tables: Tables, word: int, bit: int) -> str:
    number, place = divmod(word, DESCRIPTOR_WORDS)
    widths, item = tables.widths, tables.passes[number]
    readout = item.split.task.is_readout
    wired = {
        2: 16 if readout else 32,
        3: widths.row_window_address,
        4: widths.column_window_address,
        5: 32 if readout else widths.out_row_address,
        6: widths.weight_address,
        7: widths.weight_address,
        8: widths.neuron_address,
        9: widths.neuron_address,
    }
    if place >= SETTINGS or bit >= wired.get(place, 32):
        return "a bit that the core does not take"
    blocks = item.split.blocks(widths.groups)
    if place == 2 and bit >= 16 and _as_many_words(tables, word, bit, blocks * item.group_words):
        return "as many words are written"
    if place == 10 and bit >= 24 and _clips_as_before(tables, word, bit):
        return "no level of the fire unit is greater"
    if place == 0 and 4 <= bit < 8 and readout and widths.groups == 1:
        return "a readout of one group has no rows and words"
    why = unused_binary(item, place, bit, readout) if tables.widths.binary else None
    return why if why is not None else _unused(tables, place, bit, readout, blocks == 1)


def _as_many_words(tables: Tables, word: int, bit: int, computed: int) -> bool:
    count = int(tables.memories["passes"].values["word"][word, 0]) >> 16
    return min(count, computed) == min(count ^ 1 << (bit - 16), computed)


def _clips_as_before(tables: Tables, word: int, bit: int) -> bool:
    """True where the flipped TOP still lets the same levels through: STEPS bits are all that there are."""
    top, most = (
        int(tables.memories["passes"].values["word"][word, 0]) >> 24,
        (1 << tables.widths.fire_steps) - 1,
    )
    return min(top, most) == min(top ^ 1 << (bit - 24), most)


def _unused(tables: Tables, place: int, bit: int, readout: bool, single: bool) -> str:
    """Bits of a descriptor that the core takes for other networks."""
    if place == 0 and 1 <= bit < 4:
        return "a kind of pass that is not there"
    if place in (7, 9) and single:
        return "a step between blocks, of which there is one"
    if place == 10 and bit < 16 and (readout or bit >= tables.widths.map_address):
        return "a column step that is not wired"
    if place == 10 and 16 <= bit < 24 and not tables.widths.mixed_weights:
        return "all weights have the width of their slot"
    if readout and ((place == 10 and bit >= 24) or (place == 11 and bit < 16)):
        return "a readout has no levels"
    if place == 11 and (bit > 16 or tables.widths.level <= bit < 16):
        return "a bit that the core does not take"
    return ""


def _row(tables: Tables, word: int, bit: int) -> str:
    rows = tables.memories["out_rows"].values
    return "" if bit == 0 or rows["valid"][word, 0] else "a row that is not written"


def _record(tables: Tables, table: str, word: int, bit: int) -> str:
    """Windows, visits and words."""
    memory, widths = tables.memories[table], tables.widths
    name, inside, bits = _field(memory, bit)
    if name == "weight" and inside == bits - 1:
        return "a sign that addresses do not need"
    if name in ("bank", "wrap") and widths.groups == 1:
        return "there is one bank"
    if name == "wrap" and not _wraps(memory, word):
        return "no bank of the visit wraps around"
    if name == "border" and not _borders(tables, table, word):
        return "the border of another projection holds"
    own = _steps_through_blocks(tables)
    if name == "mask" and not own and not _may_differ(tables, word, inside):
        return "the level is always 0"
    if name == "shift" and not _shifts(tables, word):
        return "the first projection of a sum has nothing to shift"
    return ""


def _steps_through_blocks(tables: Tables) -> bool:
    """Whether some windows add the block's channel words to their addresses."""
    return any(
        not program.descriptor.binary and program.row_windows["own"].any() for _, program in _programs(tables)
    )


def _field(memory: Memory, bit: int) -> tuple[str, int, int]:
    """The field of a bit, its place in it, and the field's width."""
    for field in memory.fields:
        if bit < field.bits:
            return field.name, bit, field.bits
        bit -= field.bits
    raise IndexError(memory.name)


def _wraps(memory: Memory, word: int) -> bool:
    banks, bank = (int(memory.values[name][word, 0]) for name in ("banks", "bank"))
    return bool(banks & ((1 << bank) - 1))


def _borders(tables: Tables, table: str, word: int) -> bool:
    """True where the window is of the last projection, whose border goes with the last step of a tile."""
    return any(p == d.projections - 1 for p, d in _projections(tables, table, word))


def _shifts(tables: Tables, word: int) -> bool:
    return any(p > 0 for p, _ in _projections(tables, "row_windows", word))


def _projections(tables: Tables, table: str, word: int) -> Iterator[tuple[int, Descriptor]]:
    """The projection of a window, in every pass that reads it."""
    for _, program in _programs(tables):
        d = program.descriptor
        rows = table == "row_windows"
        first = d.row_windows if rows else d.column_windows
        count = (d.tiles * d.window[0] if rows else d.columns * d.window[1]) * d.projections
        if first <= word < first + count:
            yield (word - first) % d.projections, d


def _may_differ(tables: Tables, word: int, lane: int) -> bool:
    """True where some visit of the column word finds a level of a map in the lane."""
    widths, kept = tables.widths, set()
    for level_map in tables.maps.values():
        bank, address, place = (axis.reshape(-1) for axis in np.broadcast_arrays(*level_map.places()))
        lanes = (place // (level_map.word_levels // WORD)).tolist()
        kept |= set(zip(bank.tolist(), address.tolist(), lanes, strict=True))
    return any(
        ((bank + slot) % widths.groups, address, lane) in kept
        for bank, address in _fetched(tables, word)
        for slot in range(widths.groups)
    )


def _fetched(tables: Tables, word: int) -> Iterator[tuple[int, int]]:
    """Bank and address of the first row of every visit that fetches a column word, wrapped ones too."""
    offset = int(tables.memories["col_words"].values["offset"][word, 0])
    mask = (1 << tables.widths.map_address) - 1
    visits = tables.memories["row_visits"].values
    for _, program in _programs(tables):
        rows, columns = program.row_windows, program.column_windows
        for p in range(program.descriptor.projections):
            inside = (columns["first"][:, p] <= word) & (
                word < columns["first"][:, p] + columns["count"][:, p]
            )
            starts = {int(start) for start in columns["offset"][inside, p]}
            spans = {(int(a), int(n)) for a, n in zip(rows["first"][:, p], rows["count"][:, p], strict=True)}
            for at in {at for first, count in spans for at in range(first, first + count)}:
                bank, address, wrap = (int(visits[name][at, 0]) for name in ("bank", "address", "wrap"))
                for start in starts:
                    yield bank, (address + start + offset) & mask
                    yield bank, (address + wrap + start + offset) & mask
