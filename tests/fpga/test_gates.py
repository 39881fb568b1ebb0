"""The gates of the digits network write every word in the cycle in which the simulator says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from snncc.artefact import read
from snncc.driver import compile_model
from snncc.options import CompileOptions, PixelScaling
from snncc_backends.fpga.assemble import build_tables
from snncc_backends.fpga.bench import first_difference
from snncc_backends.fpga.cycles import Simulator
from snncc_backends.fpga.emit import core, table_files
from snncc_backends.fpga.rtl import simulate_design
from snncc_backends.tools.design import Design
from snncc_backends.tools.found import Tool
from snncc_backends.tools.synthesis import gate_netlist
from snncc_backends.tools.yosys import find_yosys
from support.tools import tool_or_skip

DIGITS = Path(__file__).parents[2] / "examples" / "digits"


@pytest.mark.slow
def test_the_gates_of_the_digits_network(tmp_path: Path, verilator: Tool, compiler: Tool) -> None:
    yosys = tool_or_skip(find_yosys())
    options = CompileOptions(
        output=tmp_path / "digits.snncc",
        target="fpga",
        lanes=8,
        calibrate=DIGITS / "digits.npz",
        pixels=PixelScaling(scale=255.0),
    )
    compile_model(DIGITS / "digits.onnx", options)
    found = read(options.output)
    tables = build_tables(found.graph, 8)
    with np.load(DIGITS / "digits.npz") as data:
        images = {found.graph.inputs[0].name: data["images"][:3, None].astype(np.int64)}
    design = Design(top="snncc_top", files={**core(), **table_files(tables)})
    gates = gate_netlist(yosys, design, tmp_path)
    folder = tmp_path / "simulation"
    folder.mkdir()
    written = simulate_design(verilator, compiler, gates, tables, images, folder, optimisation="-O0")
    expected = Simulator(tables).run(images, trace=True)
    assert first_difference(written, expected.traces, expected.cycles) == ""
