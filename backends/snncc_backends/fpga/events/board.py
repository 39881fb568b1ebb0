"""What synthesis takes of a streaming graph: the event core with pins."""

from __future__ import annotations

from snncc_backends.fpga.emit import verilog
from snncc_backends.fpga.events.capacity import result_words
from snncc_backends.fpga.events.rtl import core, table_files
from snncc_backends.fpga.events.tables import EventTables
from snncc_backends.tools.design import Design
from snncc_ir.graph import Graph
from snncc_ir.nodes import Readout

TOP = "snncc_event_board"
BOARD = ("snncc_event_board.v", "snncc_pins.v", "snncc_results.v")
"""The core with pins, which synthesis starts from."""


def event_board_files(tables: EventTables, *, spikes: bool) -> dict[str, bytes]:
    """What synthesis reads beside the core and its tables; with `spikes`, words of spikes have pins too."""
    header = f"`define SNNCC_RESULT_WORDS {result_words(tables)}\n"
    if spikes:
        header += "`define SNNCC_SPIKE_PINS\n"
    return {"board.vh": header.encode(), **{name: verilog(name) for name in BOARD}}


def event_board_design(tables: EventTables, *, spikes: bool) -> Design:
    """The core with its pins, as synthesis takes it."""
    return Design(
        top=TOP, files={**core(), **table_files(tables), **event_board_files(tables, spikes=spikes)}
    )


def sends_spikes(graph: Graph) -> bool:
    """Whether an output is spikes, which leave the core as they are written."""
    return any(not isinstance(graph.by_name[name], Readout) for name in graph.outputs)
