"""The tables of a network: every memory of the core, its widths, and what each pass is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from snncc_backends.fpga.planning.maps import LevelMap
from snncc_backends.fpga.planning.split import Split
from snncc_backends.fpga.tables.memory import Field, Memory
from snncc_ir.certificates import Interval

DESCRIPTOR_WORDS = 16

PARAMETERS = {
    "P": "lanes",
    "WB": "weight",
    "LB": "level",
    "SIGNED": "signed_levels",
    "VB": "potential",
    "TB": "theta",
    "STEPS": "fire_steps",
    "MIXED": "mixed_weights",
    "MA": "map_address",
    "WA": "weight_address",
    "NEA": "neuron_address",
    "RVA": "row_visit_address",
    "RCB": "row_count",
    "CWA": "column_word_address",
    "CCB": "column_count",
    "RWA": "row_window_address",
    "CWIA": "column_window_address",
    "ORA": "out_row_address",
    "PA": "pass_address",
    "MAP_WORDS": "map_words",
    "WEIGHT_WORDS": "weight_words",
    "NEURON_WORDS": "neuron_words",
    "TABLE_ROWS": "table_rows",
    "TRA": "table_address",
    "BB": "correction",
    "BITS": "binary",
    "MUL": "multipliers",
    "SHIFTS": "shift_add",
    "BIT_WORDS": "bit_words",
}
"""The core's parameters, and the width that each one is."""


@dataclass(frozen=True, kw_only=True)
class Widths:
    """Bits of everything that the core holds; `docs/fpga.md`, section 4, tells which field has which.

    `signed_levels` is 1 where levels are two's complement, `binary` where there are binary lanes,
    `multipliers` where there are the others, `shift_add` where these are no multipliers but add shifted
    weights. The counts of words say how deep each memory is.
    """

    lanes: int
    weight: int
    level: int
    signed_levels: int
    potential: int
    theta: int
    fire_steps: int
    map_address: int
    weight_address: int
    neuron_address: int
    row_visit_address: int
    row_count: int
    column_word_address: int
    column_count: int
    row_window_address: int
    column_window_address: int
    out_row_address: int
    pass_address: int
    mixed_weights: int
    map_words: int
    weight_words: int
    neuron_words: int
    table_rows: int = 0
    table_address: int = 1
    correction: int = 1
    binary: int = 0
    multipliers: int = 1
    shift_add: int = 0
    bit_words: int = 1

    @property
    def groups(self) -> int:
        """G, groups of eight lanes."""
        return self.lanes // 8

    @property
    def bank_bits(self) -> int:
        """Bits of a bank's number; one even where there is a single bank."""
        return max(1, (self.groups - 1).bit_length())

    def with_breaks(self, rows: int, bits: int) -> Widths:
        """The same with room for tables of breakpoints."""
        return replace(
            self,
            table_rows=max(self.table_rows, rows),
            table_address=max(self.table_address, (rows - 1).bit_length()),
            correction=max(self.correction, bits),
        )

    def at_least(self, other: Widths) -> Widths:
        """Widths that serve both networks, which must have the same lanes and kind of levels."""
        found = {item.name: max(getattr(self, item.name), getattr(other, item.name)) for item in fields(self)}
        comparand = found["theta"] + found["fire_steps"]  # the greatest multiple of a threshold, and a sign
        return Widths(**{**found, "potential": max(found["potential"], comparand)})


@dataclass(frozen=True, kw_only=True)
class PassTable:
    """Where a pass's records lie, and what the certificate says of its numbers."""

    split: Split
    group_words: int
    results: int
    weight_bits: int
    weight_numbers: int
    potential: Interval
    drive: Interval


@dataclass(frozen=True, kw_only=True)
class Tables:
    """All memories by name, with the maps and passes that they were made from."""

    widths: Widths
    memories: Mapping[str, Memory]
    maps: Mapping[str, LevelMap]
    passes: tuple[PassTable, ...]
    fused: Mapping[str, str]


def memory_fields(widths: Widths) -> dict[str, tuple[Field, ...]]:
    """The fields of every memory, lowest bits first."""
    address = Field("address", widths.map_address, wraps=True)
    weight = Field("weight", widths.weight_address + 1, signed=True)
    border = Field("border", widths.neuron_address)
    found: dict[str, tuple[Field, ...]] = {
        "passes": (Field("word", 32),),
        "row_windows": (
            Field("first", widths.row_visit_address),
            Field("count", widths.row_count),
            border,
            Field("own", 1),
            Field("shift", 1),
        ),
        "row_visits": (
            address,
            Field("wrap", widths.map_address, wraps=True),
            Field("bank", widths.bank_bits),
            Field("banks", widths.groups),
            weight,
        ),
        "col_windows": (
            Field("first", widths.column_word_address),
            Field("count", widths.column_count),
            Field("offset", widths.map_address, wraps=True),
            border,
        ),
        "col_words": (Field("offset", widths.map_address, wraps=True), weight, Field("mask", 8)),
        "out_rows": (Field("valid", 1), Field("bank", widths.bank_bits), address),
        "weights": (Field("slot", widths.weight),),
        "neurons": (Field("theta", widths.theta), Field("bias", widths.potential, signed=True)),
    }
    if widths.binary:
        found["bit_weights"] = (Field("byte", 8),)
    if widths.table_rows:
        found["table_rows"] = (Field("row", widths.table_address),)
        stages = [(stage, group) for stage in range(widths.fire_steps) for group in range(widths.groups)]
        found |= {stage_name(*at): (Field("correction", widths.correction, signed=True),) for at in stages}
    return found


def stage_name(stage: int, group: int) -> str:
    """The memory of a group's stage: its breakpoints."""
    return f"breaks_{stage:02}_{group:02}"


def repeats_of(name: str, widths: Widths) -> int:
    """How often the fields of a memory are repeated in a word."""
    return {"weights": widths.lanes, "bit_weights": 8 * widths.lanes, "neurons": widths.groups}.get(name, 1)
