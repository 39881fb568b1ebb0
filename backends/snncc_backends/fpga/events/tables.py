"""The tables of the event core: every memory, its widths, and where everything lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from snncc_backends.fpga.events.plan import Unit
from snncc_backends.fpga.tables.memory import Field, Memory
from snncc_ir.certificates import Interval

PARAMETERS = {
    "P": "lanes",
    "WB": "weight",
    "LB": "level",
    "SIGNED": "signed_spikes",
    "EB": "payload",
    "VB": "potential",
    "TB": "theta",
    "SB": "sent",
    "NB": "sum",
    "STBIF": "stbif",
    "MIXED": "mixed_weights",
    "LEAKY": "leaky",
    "VA": "potential_address",
    "MA": "map_address",
    "IA": "input_address",
    "NA": "number",
    "RWA": "row_window_address",
    "CWIA": "column_window_address",
    "RVA": "row_tap_address",
    "CWA": "column_tap_address",
    "RCB": "row_count",
    "CCB": "column_count",
    "PA": "pass_address",
    "POTENTIAL_WORDS": "potential_words",
    "SENT_WORDS": "sent_words",
    "MAP_WORDS": "map_words",
    "INPUT_WORDS": "input_words",
    "WEIGHT_WORDS": "weight_words",
    "NEURON_WORDS": "neuron_words",
}
"""The core's parameters, and the width that each one is."""


@dataclass(frozen=True, kw_only=True)
class EventWidths:
    """Bits of everything that the core holds; `docs/fpga.md`, section 9, tells which field has which.

    `signed_spikes`, `stbif`, `mixed_weights` and `leaky` are 0 or 1. The counts of words say how deep each
    memory is.
    """

    lanes: int
    weight: int
    level: int
    signed_spikes: int
    payload: int
    potential: int
    theta: int
    sent: int
    sum: int
    stbif: int
    mixed_weights: int
    leaky: int
    potential_address: int
    map_address: int
    input_address: int
    number: int
    row_window_address: int
    column_window_address: int
    row_tap_address: int
    column_tap_address: int
    row_count: int
    column_count: int
    pass_address: int
    potential_words: int
    sent_words: int
    map_words: int
    input_words: int
    weight_words: int
    neuron_words: int

    def at_least(self, other: EventWidths) -> EventWidths:
        """Widths that serve both networks, which must have the same lanes."""
        found = {item.name: max(getattr(self, item.name), getattr(other, item.name)) for item in fields(self)}
        return EventWidths(**{**found, "potential": max(found["potential"], found["theta"] + 1)})


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A unit with its addresses: potentials or sums, and its map or results.

    `beside` is where a pool keeps what it has sent, a reader of the input, under `rate`, what the input
    and the bias add in every step, and neurons that leak u; None where there is none of these. `potential` is
    the interval of all these.
    """

    unit: Unit
    potentials: int
    beside: int | None
    target: int
    potential: Interval


@dataclass(frozen=True, kw_only=True)
class EventTables:
    """All memories by name, the places of the units in the order of a step, and of the inputs."""

    widths: EventWidths
    memories: Mapping[str, Memory]
    units: tuple[Placed, ...]
    inputs: Mapping[str, int]
    shapes: Mapping[str, tuple[int, int, int]]
    pass_names: tuple[str, ...]


def words_of(shape: tuple[int, int, int], lanes: int) -> int:
    """Words of an image: one pixel takes the words that its channels fill."""
    return shape[1] * shape[2] * -(-shape[0] // lanes)


def memory_fields(widths: EventWidths) -> dict[str, tuple[Field, ...]]:
    """The fields of every memory, lowest bits first."""
    offset = Field("offset", widths.potential_address, wraps=True)
    number = Field("weight", widths.number)
    border = Field("border", widths.number)
    return {
        "passes": (Field("word", 32),),
        "row_windows": (Field("first", widths.row_tap_address), Field("count", widths.row_count), border),
        "col_windows": (
            Field("first", widths.column_tap_address),
            Field("count", widths.column_count),
            border,
        ),
        "row_taps": (offset, number),
        "col_taps": (offset, number),
        "weights": (Field("slot", widths.weight),),
        "neurons": (Field("theta", widths.theta), Field("bias", widths.potential, signed=True)),
    }


def repeats_of(name: str, widths: EventWidths) -> int:
    """How often the fields of a memory are repeated in a word."""
    return widths.lanes if name in {"weights", "neurons"} else 1
