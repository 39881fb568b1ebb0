"""The manifest tells what the files hold, what the certificate proves and what the core must do."""

from __future__ import annotations

import hashlib
import json

import numpy as np
from hypothesis import HealthCheck, assume, given, settings

from snncc_backends.fpga.emit import FOLDER, emit_files, trace_digest
from snncc_backends.fpga.refusals import find_refusals
from snncc_backends.fpga.simulator.cycles import Simulator
from snncc_backends.fpga.tables.assemble import build_tables
from snncc_backends.fpga.tables.memory import read_memory
from snncc_backends.fpga.tables.tables import memory_fields, repeats_of
from support.fpga import machine
from support.graphs import Case, cases


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(cases())
def test_the_manifest_is_true(case: Case) -> None:
    assume(not find_refusals(case.graph, machine(16)))
    files = emit_files(case.graph, machine(16), case.batch)
    manifest = json.loads(files[f"{FOLDER}/manifest.json"])
    for name, entry in manifest["files"].items():
        data = files[f"{FOLDER}/{name}"]
        assert entry == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    tables = build_tables(case.graph, 16)
    run = Simulator(tables).run(case.batch, trace=True)
    assert manifest["expected"] == {"cycles": run.cycles.tolist(), "trace_sha256": trace_digest(run.traces)}
    for row, item in zip(manifest["passes"], tables.passes, strict=True):
        if item.split.task.is_readout:
            values = run.values[item.split.task.name]
            low, high = row["potential"]
            assert low <= values.min()
            assert values.max() <= high


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(cases())
def test_memories_are_read_back_from_their_text(case: Case) -> None:
    assume(not find_refusals(case.graph, machine(16)))
    tables = build_tables(case.graph, 16)
    fields = memory_fields(tables.widths)
    for name, memory in tables.memories.items():
        found = read_memory(memory.text(), name, fields[name], repeats_of(name, tables.widths))
        for field in memory.fields:
            wanted = field.decode(field.encode(memory.values[field.name]))
            assert np.array_equal(found.values[field.name], wanted), (name, field.name)
