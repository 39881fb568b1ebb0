"""The closed form over level maps gives the cycles that the simulator spends."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from snncc_backends.fpga.refusals import find_refusals
from snncc_backends.fpga.simulator.count import CycleCounter
from snncc_backends.fpga.simulator.cycles import Simulator
from snncc_backends.fpga.tables.assemble import build_tables
from snncc_ir.semantics import evaluate
from support.fpga import machine
from support.graphs import Case, cases


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(cases(), st.sampled_from((8, 16, 32)))
def test_counted_cycles_are_simulated_cycles(case: Case, lanes: int) -> None:
    assume(not find_refusals(case.graph, machine(lanes)))
    tables = build_tables(case.graph, lanes)
    counted = CycleCounter(tables).count(evaluate(case.graph, case.batch))
    simulated = Simulator(tables).run(case.batch)
    assert np.array_equal(counted.pass_cycles, simulated.pass_cycles)
    assert np.array_equal(counted.cycles, simulated.cycles)
