"""Widths that hold many small networks, so that one Verilog model runs them all."""

from __future__ import annotations

from dataclasses import replace

from snncc_backends.chips import load_machine
from snncc_backends.fpga.events.tables import EventWidths
from snncc_backends.fpga.tables import Widths
from snncc_ir.machine import Machine


def machine(lanes: int) -> Machine:
    """A large device with so many lanes."""
    return replace(load_machine("ecp5-85k"), lanes=lanes)


def wide(lanes: int, *, mixed: bool = True) -> Widths:
    """Widths beyond what a small random network needs."""
    return Widths(
        lanes=lanes,
        weight=8,
        level=16,
        signed_levels=1,
        potential=40,
        theta=24,
        fire_steps=10,
        map_address=10,
        weight_address=16,
        neuron_address=12,
        row_visit_address=11,
        row_count=8,
        column_word_address=11,
        column_count=8,
        row_window_address=11,
        column_window_address=11,
        out_row_address=10,
        pass_address=9,
        mixed_weights=int(mixed),
        map_words=1024,
        weight_words=8192,
        neuron_words=4096,
    )


def wide_events(lanes: int, *, stbif: bool) -> EventWidths:
    """Widths of the event core beyond what a small random network needs."""
    return EventWidths(
        lanes=lanes,
        weight=8,
        level=17,
        signed_spikes=1,
        payload=32,
        potential=40,
        theta=32,
        sent=16,
        sum=16,
        stbif=int(stbif),
        mixed_weights=1,
        potential_address=10,
        map_address=9,
        input_address=8,
        number=16,
        row_window_address=10,
        column_window_address=10,
        row_tap_address=11,
        column_tap_address=11,
        row_count=8,
        column_count=8,
        pass_address=11,
        potential_words=1024,
        sent_words=1024,
        map_words=512,
        input_words=256,
        weight_words=8192,
        neuron_words=2048,
    )
