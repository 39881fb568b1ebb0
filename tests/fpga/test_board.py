"""The core behind its pins: images in by parts of words, results out value by value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from snncc_backends.fpga.build import design_of
from snncc_backends.fpga.events.assemble import build_event_tables
from snncc_backends.fpga.events.board import event_board_design
from snncc_backends.fpga.events.rtl import event_image_words
from snncc_backends.fpga.events.simulator import EventSimulator
from snncc_backends.fpga.rtl import image_words
from snncc_backends.fpga.simulator.cycles import Simulator, Trace
from snncc_backends.fpga.tables.assemble import build_tables
from snncc_backends.tools.design import Design
from snncc_backends.tools.found import Tool
from snncc_backends.tools.run import run_tool
from snncc_backends.tools.verilator import build_model, lint
from snncc_ir.tensors import Ints
from snncc_ir.timing import Rate, Stbif
from support.events import small_case
from support.fpga import little

BENCH = Path(__file__).parent / "board.cpp"


@pytest.mark.parametrize(("lanes", "top"), [(8, 15), (32, 255)])
def test_results_through_the_pins(
    tmp_path: Path, verilator: Tool, compiler: Tool, lanes: int, top: int
) -> None:
    tables = build_tables(little(top), lanes)
    images = {"pixels": np.random.default_rng(2).integers(0, top + 1, (3, 1, 6, 6))}
    widths = tables.widths
    header = Header(
        levels=8,
        level_bits=widths.level,
        banked=1,
        values=lanes // 8,
        value_bits=widths.potential,
        part="result_group",
    )
    words = sum(item.results for item in tables.passes)
    tools = Tools(verilator, compiler, tmp_path)
    found = tools.results(design_of(tables), header, image_words(tables, images), words)
    check(found, Simulator(tables).run(images, trace=True).traces)


@pytest.mark.parametrize("timing", [Rate(5), Stbif()], ids=["rate", "stbif"])
def test_results_of_events(tmp_path: Path, verilator: Tool, compiler: Tool, timing: Rate | Stbif) -> None:
    case = small_case(timing)
    tables = build_event_tables(case.graph, 8)
    widths = tables.widths
    header = Header(
        levels=8,
        level_bits=widths.level,
        banked=0,
        values=8,
        value_bits=widths.potential,
        part="result_lane",
    )
    tools = Tools(verilator, compiler, tmp_path)
    design = event_board_design(tables, spikes=False)
    found = tools.results(design, header, event_image_words(tables, case.batch), 1)
    check(found, EventSimulator(tables).run(case.batch, trace=True).traces)


def check(found: Ints, traces: Sequence[Trace]) -> None:
    """Each word of the results holds what was written there last."""
    for image, trace in enumerate(traces):
        expected = np.zeros_like(found[image])
        for row in trace.results:
            expected[row[1]] = row[2:]
        assert np.array_equal(found[image], expected)


@dataclass(frozen=True, kw_only=True)
class Header:
    """What board.cpp must know of a board."""

    levels: int
    level_bits: int
    banked: int
    values: int
    value_bits: int
    part: str


@dataclass(frozen=True)
class Tools:
    """What runs a board, and where."""

    verilator: Tool
    compiler: Tool
    folder: Path

    def results(self, design: Design, header: Header, images: bytes, words: int) -> Ints:
        """The values `[images, words, values]` that the host reads after each image."""
        lines = "".join(f"#define {name.upper()} {value}\n" for name, value in vars(header).items())
        sources = {"board.cpp": BENCH.read_bytes(), "parameters.h": lines.encode()}
        program = build_model(self.verilator, self.compiler, design, sources, self.folder, optimisation="-O0")
        (self.folder / "images.bin").write_bytes(images)
        tool = Tool(name="the board", command=(str(program),))
        run_tool(tool, self.folder, "images.bin", "out.bin", str(words), seconds=60)
        return np.fromfile(self.folder / "out.bin", dtype="<i8").reshape(-1, words, header.values)


WAIVED = (
    "WIDTH",
    "GENUNNAMED",
    "UNUSED",
    "DECLFILENAME",
    "UNUSEDPARAM",
    "UNUSEDSIGNAL",
    "WIDTHEXPAND",
    "WIDTHTRUNC",
)


def test_lint(tmp_path: Path, verilator: Tool) -> None:
    lint(verilator, design_of(build_tables(little(15), 16)), tmp_path, *WAIVED)


@pytest.mark.parametrize("timing", [Rate(5), Stbif()], ids=["rate", "stbif"])
@pytest.mark.parametrize("spikes", [False, True])
def test_lint_of_events(tmp_path: Path, verilator: Tool, timing: Rate | Stbif, *, spikes: bool) -> None:
    tables = build_event_tables(small_case(timing).graph, 16)
    lint(verilator, event_board_design(tables, spikes=spikes), tmp_path, *WAIVED)
