"""A chain behind its pins: images in by parts of words, results out value by value."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np

from snncc_backends.fpga.chain.board import board_design
from snncc_backends.fpga.chain.rtl import input_stream
from snncc_backends.fpga.chain.run import run_chain
from snncc_backends.fpga.chain.tables import build_chain
from snncc_backends.tools.found import Tool
from snncc_backends.tools.run import run_tool
from snncc_backends.tools.verilator import build_model, lint
from snncc_ir.machine import Part
from support.fpga import little

BENCH = Path(__file__).parent / "chain_board.cpp"
CORES = (Part(passes=1, lanes=8), Part(passes=1, lanes=16))
WAIVED = (
    "WIDTH",
    "GENUNNAMED",
    "UNUSED",
    "DECLFILENAME",
    "UNUSEDPARAM",
    "UNUSEDSIGNAL",
    "WIDTHEXPAND",
    "PINMISSING",
)


def test_results_through_the_pins(tmp_path: Path, verilator: Tool, compiler: Tool) -> None:
    chain = build_chain(little(255), CORES)
    images = {"pixels": np.random.default_rng(2).integers(0, 256, (3, 1, 6, 6))}
    traces = run_chain(chain, images, trace=True).traces[-1]
    last, words = chain.cores[-1].tables, len(traces[0].results)
    numbers = {
        "HOST_BITS": chain.cores[0].link.format.bits,
        "LAST": len(CORES) - 1,
        "RESULTS": words,
        "GROUPS": last.widths.groups,
        "VALUE_BITS": last.widths.potential,
    }
    header = "".join(f"#define SNNCC_{name} {value}\n" for name, value in numbers.items())
    sources = {
        "chain_board.cpp": BENCH.read_bytes(),
        "bench.h": files("snncc_backends.fpga").joinpath("verilog", "bench.h").read_bytes(),
        "parameters.h": header.encode(),
    }
    program = build_model(verilator, compiler, board_design(chain), sources, tmp_path, optimisation="-O0")
    stream = input_stream(chain, images)
    head = np.array(stream.shape[:2], dtype="<i4").tobytes()
    (tmp_path / "images.bin").write_bytes(head + stream.astype("<i4").tobytes())
    tool = Tool(name="the board", command=(str(program),))
    run_tool(tool, tmp_path, "images.bin", "out.bin", seconds=60)
    found = np.fromfile(tmp_path / "out.bin", dtype="<i8").reshape(3, words, last.widths.groups)
    for image, trace in enumerate(traces):
        assert np.array_equal(found[image][trace.results[:, 1]], trace.results[:, 2:])


def test_lint(tmp_path: Path, verilator: Tool) -> None:
    lint(verilator, board_design(build_chain(little(15), CORES)), tmp_path, *WAIVED, "WIDTHTRUNC")
