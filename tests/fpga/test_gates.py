"""The gates of both cores write every word in the cycle in which the simulator says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from snncc.driver import compile_model
from snncc.options import CompileOptions, PixelScaling
from snncc_backends.fpga.bench import first_difference
from snncc_backends.fpga.emit import core, table_files
from snncc_backends.fpga.events import rtl as events
from snncc_backends.fpga.events.assemble import build_event_tables
from snncc_backends.fpga.events.simulator import EventSimulator
from snncc_backends.fpga.rtl import simulate_design
from snncc_backends.fpga.simulator.cycles import Simulator
from snncc_backends.fpga.tables.assemble import build_tables
from snncc_backends.tools.design import Design
from snncc_backends.tools.found import Tool
from snncc_backends.tools.synthesis import gate_netlist
from snncc_backends.tools.yosys import find_yosys
from snncc_ir.graph import Graph
from snncc_ir.tensors import Ints
from support.tools import tool_or_skip

DIGITS = Path(__file__).parents[2] / "examples" / "digits"


LANES = 8


def digits(folder: Path, options: CompileOptions) -> tuple[Graph, dict[str, Ints]]:
    """The digits network for an FPGA, and three images as levels."""
    model = DIGITS / "digits.onnx"
    graph = compile_model(model, replace(options, output=folder / "digits.snncc")).graph
    with np.load(DIGITS / "digits.npz") as data:
        return graph, {graph.inputs[0].name: data["images"][:3, None].astype(np.int64)}


OPTIONS = CompileOptions(
    output=Path("digits.snncc"),
    target="fpga",
    lanes=LANES,
    calibrate=DIGITS / "digits.npz",
    pixels=PixelScaling(scale=255.0),
)


@pytest.mark.slow
def test_the_gates_of_the_digits_network(tmp_path: Path, verilator: Tool, compiler: Tool) -> None:
    yosys = tool_or_skip(find_yosys())
    graph, images = digits(tmp_path, OPTIONS)
    tables = build_tables(graph, LANES)
    design = Design(top="snncc_top", files={**core(), **table_files(tables)})
    gates = gate_netlist(yosys, design, tmp_path)
    folder = tmp_path / "simulation"
    folder.mkdir()
    written = simulate_design(verilator, compiler, gates, tables, images, folder, optimisation="-O0")
    expected = Simulator(tables).run(images, trace=True)
    assert first_difference(written, expected.traces, expected.cycles) == ""


@pytest.mark.slow
@pytest.mark.parametrize("code", ["rate", "stbif"])
def test_the_gates_of_the_event_core(tmp_path: Path, verilator: Tool, compiler: Tool, code: str) -> None:
    yosys = tool_or_skip(find_yosys())
    steps = 4 if code == "rate" else OPTIONS.steps
    graph, images = digits(tmp_path, replace(OPTIONS, code=code, level_bits=2, steps=steps))
    tables = build_event_tables(graph, LANES)
    design = Design(top=events.TOP, files={**events.core(), **events.table_files(tables)})
    gates = gate_netlist(yosys, design, tmp_path)
    folder = tmp_path / "simulation"
    folder.mkdir()
    written = events.simulate_event_design(
        verilator, compiler, gates, tables, images, folder, optimisation="-O0"
    )
    expected = EventSimulator(tables).run(images, trace=True)
    assert first_difference(written, expected.traces, expected.cycles) == ""
