"""The HLS kernel in C simulation: every word that it writes, against reference and cycle simulator."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from snncc_backends.chips import load_machine
from snncc_backends.fpga import engines
from snncc_backends.fpga.hls.emit import hls_files
from snncc_backends.fpga.hls.simulate import FLAGS, build_csim, run_csim, values_of
from snncc_backends.fpga.refusals import find_refusals
from snncc_backends.fpga.simulator.cycles import Simulator
from snncc_backends.fpga.tables.assemble import build_tables
from snncc_backends.tools.compiler import build_cpp, find_compiler
from snncc_backends.tools.found import Tool
from snncc_backends.tools.run import run_tool
from snncc_ir.errors import ToolError
from snncc_ir.graph import Graph
from snncc_ir.semantics import evaluate
from snncc_ir.timing import Phased
from support.ap_int import ap_int_flags
from support.fpga import little
from support.graphs import Case, cases
from support.tools import tool_or_skip

CASES = cases(timing=Phased())
STRICT = (*FLAGS, "-Werror")


@pytest.fixture(scope="module")
def compiler() -> Tool:
    return tool_or_skip(find_compiler())


def runs_on_the_core(case: Case) -> bool:
    return not find_refusals(case.graph, load_machine("ecp5-85k"))


ON_THE_CORE = CASES.filter(runs_on_the_core)
LANES = st.sampled_from([8, 16, 32])
UNSHRUNK = (Phase.explicit, Phase.generate)
"""A compiler run for each smaller example would take minutes."""


def check(compiler: Tool, case: Case, lanes: int, *flags: str) -> None:
    """The levels and results are those of the reference, the words written those of the cycle simulator."""
    graph, images = case.graph, case.batch
    tables = build_tables(graph, lanes)
    with tempfile.TemporaryDirectory() as name:
        program = build_csim(compiler, hls_files(graph, tables, images), Path(name), *flags)
        run_tool(Tool(name="the check", command=(str(program),)), Path(name), seconds=60)
        trace = run_csim(program, graph, tables, images)
    expected = evaluate(graph, images)
    for name, values in values_of(tables, trace).items():
        np.testing.assert_array_equal(values.reshape(expected[name].shape), expected[name], err_msg=name)
    for image, cycles in enumerate(Simulator(tables).run(images, trace=True).traces):
        np.testing.assert_array_equal(trace.levels[image], cycles.levels[:, 1:])
        np.testing.assert_array_equal(trace.results[image], cycles.results[:, 1:])


@settings(max_examples=8, phases=UNSHRUNK, derandomize=True)
@given(ON_THE_CORE, LANES)
def test_random_networks(compiler: Tool, case: Case, lanes: int) -> None:
    check(compiler, case, lanes, "-Werror")


@settings(max_examples=4, phases=UNSHRUNK, derandomize=True)
@given(ON_THE_CORE, LANES)
def test_ap_int(compiler: Tool, case: Case, lanes: int) -> None:
    check(compiler, case, lanes, "-Werror", *ap_int_flags())


@pytest.mark.slow
@settings(max_examples=60, phases=UNSHRUNK, derandomize=True)
@given(ON_THE_CORE, LANES, st.booleans())
def test_many_random_networks(compiler: Tool, case: Case, lanes: int, exact: bool) -> None:
    check(compiler, case, lanes, "-Werror", *(ap_int_flags() if exact else ()))


# --- the emitted files --------------------------------------------------------------------------------------


@pytest.fixture
def graph() -> Graph:
    return little(15)


def emitted(graph: Graph) -> dict[str, bytes]:
    pixels = np.random.default_rng(1).integers(0, 16, (4, 1, 6, 6))
    return hls_files(graph, build_tables(graph, 8), {"pixels": pixels})


def test_the_files(graph: Graph) -> None:
    files = emitted(graph)
    assert sorted(files) == [
        "build_prj.tcl",
        "csim.cpp",
        "golden.h",
        "kernel.cpp",
        "kernel.h",
        "ports.h",
        "tables.h",
    ]
    assert files == emitted(graph)
    names = "pixels|conv|hidden|pool|flat|dense|scores|little"
    assert not re.search(
        rf"\b({names})\b", (files["tables.h"] + files["ports.h"] + files["golden.h"]).decode()
    )


def test_the_simulation_checks_itself(tmp_path: Path, compiler: Tool, graph: Graph) -> None:
    files = emitted(graph)
    build_cpp(compiler, tmp_path, files, STRICT, "csim")  # without the trace, as Vitis builds it
    csim = Tool(name="csim", command=(str(tmp_path / "csim"),))
    job = run_tool(csim, tmp_path, seconds=60)
    assert job.log.read_text() == "4 images, 2 outputs each: 0 differ\n"


def test_a_changed_table_is_found(tmp_path: Path, compiler: Tool, graph: Graph) -> None:
    files = emitted(graph)
    golden = files["golden.h"].decode()
    first = re.search(r"golden_outputs\S* = \{\{(-?\d+), ", golden)
    assert first is not None
    changed = int(first.group(1)) + 1
    wrong = golden[: first.start(1)] + str(changed) + golden[first.end(1) :]
    build_cpp(compiler, tmp_path, {**files, "golden.h": wrong.encode()}, STRICT, "csim")
    csim = Tool(name="csim", command=(str(tmp_path / "csim"),))
    with pytest.raises(ToolError) as caught:
        run_tool(csim, tmp_path, seconds=60)
    assert str(caught.value) == (
        "csim ended with status 1\n"
        f"image 0, output 0: {changed - 1}, not {changed}\n"
        "4 images, 2 outputs each: 1 differ"
    )


def test_the_engine(monkeypatch: pytest.MonkeyPatch, compiler: Tool, graph: Graph) -> None:
    monkeypatch.setattr(engines, "C_CHUNK", 3)
    pixels = np.random.default_rng(2).integers(0, 16, (7, 1, 6, 6))
    seen: list[tuple[int, int]] = []
    machine = load_machine("ecp5-85k")
    run = engines.CsimEngine().run(
        graph, machine, {"pixels": pixels}, lambda done, total: seen.append((done, total))
    )
    expected = evaluate(graph, {"pixels": pixels})
    np.testing.assert_array_equal(run.levels["pool"], expected["pool"])
    np.testing.assert_array_equal(run.outputs["scores"], expected["scores"])
    assert seen == [(3, 7), (6, 7), (7, 7)]


def test_files_that_cannot_be_read_or_written(tmp_path: Path, compiler: Tool, graph: Graph) -> None:
    program = build_csim(compiler, emitted(graph), tmp_path)
    csim = Tool(name="csim", command=(str(program),))
    with pytest.raises(ToolError, match=r"\ncannot read absent or write trace$"):
        run_tool(csim, tmp_path, "absent", "trace", seconds=60)
    (tmp_path / "images").write_bytes(b"\0\0")
    with pytest.raises(ToolError, match=r"\ncannot read images or write absent/trace$"):
        run_tool(csim, tmp_path, "images", "absent/trace", seconds=60)
    with pytest.raises(ToolError, match=r"\nusage: csim \[IMAGES TRACE\]$"):
        run_tool(csim, tmp_path, "images", seconds=60)


def test_a_cut_off_file_of_images(tmp_path: Path, compiler: Tool, graph: Graph) -> None:
    program = build_csim(compiler, emitted(graph), tmp_path)
    csim = Tool(name="csim", command=(str(program),))
    (tmp_path / "images").write_bytes(bytes(2 * 36 + 10))
    with pytest.raises(ToolError, match=r"\nimages ends in the middle of an image$"):
        run_tool(csim, tmp_path, "images", "trace", seconds=60)
