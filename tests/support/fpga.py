"""Widths that hold many small networks, so that one Verilog model runs them all."""

from __future__ import annotations

from dataclasses import replace

from snncc_backends.chips import load_machine
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
