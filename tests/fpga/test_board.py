"""The core behind its pins: images in by parts of words, results out value by value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from snncc_backends.fpga.assemble import build_tables
from snncc_backends.fpga.build import design_of
from snncc_backends.fpga.cycles import Simulator
from snncc_backends.fpga.emit import parameters
from snncc_backends.fpga.rtl import image_words
from snncc_backends.tools.found import Tool
from snncc_backends.tools.run import run_tool
from snncc_backends.tools.verilator import build_model, lint
from support.fpga import little

BENCH = Path(__file__).parent / "board.cpp"


@pytest.mark.parametrize(("lanes", "top"), [(8, 15), (32, 255)])
def test_results_through_the_pins(
    tmp_path: Path, verilator: Tool, compiler: Tool, lanes: int, top: int
) -> None:
    graph = little(top)
    tables = build_tables(graph, lanes)
    images = {"pixels": np.random.default_rng(2).integers(0, top + 1, (3, 1, 6, 6))}
    header = "".join(f"#define SNNCC_{name} {value}\n" for name, value in parameters(tables).items())
    files = {"board.cpp": BENCH.read_bytes(), "parameters.h": header.encode()}
    program = build_model(verilator, compiler, design_of(tables), files, tmp_path, optimisation="-O0")
    (tmp_path / "images.bin").write_bytes(image_words(tables, images))
    words = sum(item.results for item in tables.passes)
    tool = Tool(name="the board", command=(str(program),))
    run_tool(tool, tmp_path, "images.bin", "out.bin", str(words), seconds=60)
    found = np.fromfile(tmp_path / "out.bin", dtype="<i8").reshape(3, words, lanes // 8)
    for image, trace in enumerate(Simulator(tables).run(images, trace=True).traces):
        expected = np.zeros((words, lanes // 8), dtype=np.int64)
        expected[trace.results[:, 1]] = trace.results[:, 2:]
        assert np.array_equal(found[image], expected)


def test_lint(tmp_path: Path, verilator: Tool) -> None:
    waived = (
        "WIDTH",
        "GENUNNAMED",
        "UNUSED",
        "DECLFILENAME",
        "UNUSEDPARAM",
        "UNUSEDSIGNAL",
        "WIDTHEXPAND",
        "WIDTHTRUNC",
    )
    lint(verilator, design_of(build_tables(little(15), 16)), tmp_path, *waived)
