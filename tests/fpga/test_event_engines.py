"""Streaming codes through the backend: files, engines, and what a simulation counts."""

from __future__ import annotations

import json
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from snncc.sim.evaluate import engine_runner
from snncc_backends.fpga import backend
from snncc_backends.fpga.engines import CyclesEngine, RtlEngine
from snncc_backends.fpga.events.rtl import CORE
from snncc_backends.tools.found import Tool
from snncc_ir.backend import EngineRun
from snncc_ir.errors import DataError, TargetError
from snncc_ir.progress import silent
from snncc_ir.streaming import run_streaming
from snncc_ir.timing import Rate, Stbif
from support.events import small_case
from support.fpga import machine
from support.graphs import Case, cases, rate_cases

TIMINGS = pytest.mark.parametrize("timing", [Rate(5), Stbif()], ids=["rate", "stbif"])


def run(case: Case, engine: CyclesEngine | RtlEngine) -> EngineRun:
    return engine.run(case.graph, machine(8), case.batch, silent)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(rate_cases(), cases(Stbif())))
def test_a_simulation_counts_what_the_reference_counts(case: Case) -> None:
    assume(not backend.refusals(case.graph, machine(8)))
    expected = run_streaming(case.graph, case.batch)
    batch = engine_runner(case.graph, lambda levels: run(Case(case.graph, case.inputs), CyclesEngine()))(
        case.batch
    )
    assert batch.counts == expected.costs
    assert batch.steps == expected.settled.max()
    for name, values in batch.outputs.items():
        wanted = expected.outputs[name][-1] if name in expected.outputs else expected.counts[name]
        assert np.array_equal(values, wanted)


@TIMINGS
def test_both_engines(verilator: Tool, compiler: Tool, timing: Rate | Stbif) -> None:
    case = small_case(timing)
    expected = run_streaming(case.graph, case.batch)
    for engine in (CyclesEngine(), RtlEngine()):
        found = run(case, engine)
        assert found.cycles is not None
        assert found.cycles.min() > 0
        assert np.array_equal(found.outputs["y"], expected.outputs["y"][-1])
        for name, train in expected.trains.items():
            assert np.array_equal(np.moveaxis(found.trains[name], 1, 0), train)


@TIMINGS
def test_files(timing: Rate | Stbif) -> None:
    case = small_case(timing)
    files = backend.emit(case.graph, machine(8), case.batch)
    manifest = json.loads(files["fpga/manifest.json"])
    assert {f"fpga/{name}" for name in CORE} < files.keys()
    assert manifest["core"] == "event"
    for name, entry in manifest["files"].items():
        data = files[f"fpga/{name}"]
        assert (len(data), sha256(data).hexdigest()) == (entry["bytes"], entry["sha256"])
    assert manifest["expected"]["cycles"] == run(case, CyclesEngine()).cycles.tolist()  # type: ignore[union-attr]
    assert sum(item["cycles"] for item in manifest["passes"]) + 1 == np.mean(manifest["expected"]["cycles"])
    assert backend.emit(case.graph, machine(8), case.batch) == files


def test_no_images_and_a_refused_graph() -> None:
    case = small_case(Rate(5))
    with pytest.raises(DataError, match=r"^small: no images to run$"):
        CyclesEngine().run(case.graph, machine(8), {"x": np.zeros((0, 20))}, silent)
    with pytest.raises(TargetError, match=r"^12 lanes; give a power of two"):
        CyclesEngine().run(case.graph, machine(12), case.batch, silent)
