"""Widths that hold many small networks, so that one Verilog model runs them all, and a small network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from snncc_backends.chips import load_machine
from snncc_backends.fpga.events.tables import EventWidths
from snncc_backends.fpga.tables.tables import Widths
from snncc_ir.codes import Code
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import Conv, Dense, Input, MaxPool, Population, Readout, Reshape
from snncc_ir.tensors import Tensor
from snncc_ir.types import Levels


def machine(lanes: int) -> Machine:
    """A large device with so many lanes."""
    return replace(load_machine("ecp5-85k"), lanes=lanes)


def wide(lanes: int, *, mixed: bool = True, table_rows: int = 128) -> Widths:
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
        table_rows=table_rows,
        table_address=8,
        correction=40,
    )


def little(top: int) -> Graph:
    """A convolution with a fused max-pool, and a dense readout; pixels are 0..top."""
    rng = np.random.default_rng(0)
    pixels = Input(name="pixels", type=Levels((1, 6, 6), 0, top))
    conv = Conv(name="conv", source="pixels", weight=Tensor.integer(rng.integers(-9, 10, (3, 1, 3, 3)), 5))
    thetas, bias = Tensor.integer([20, 30, 25]), Bias(values=Tensor.integer([0, -5, 7]))
    neuron = Staircase(theta=thetas, bias=bias, lo=0, hi=7)
    hidden = Population(name="hidden", drives=("conv",), neuron=neuron, code=Code.RADIX)
    pool = MaxPool(name="pool", source="hidden", kernel=(2, 2), stride=(2, 2))
    flat = Reshape(name="flat", source="pool", shape=(12,))
    dense = Dense(name="dense", source="flat", weight=Tensor.integer(rng.integers(-9, 10, (2, 12)), 5))
    scores = Readout(name="scores", drives=("dense",), bias=Bias(values=Tensor.integer([3, -4])))
    nodes = (pixels, conv, hidden, pool, flat, dense, scores)
    return Graph(name="little", nodes=nodes, outputs=("scores",))


def wide_events(lanes: int, *, stbif: bool = False, leaky: bool = False) -> EventWidths:
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
        leaky=int(leaky),
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
