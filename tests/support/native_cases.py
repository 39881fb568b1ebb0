"""Random graphs of every timing through the native engine, compared with the reference."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snncc.sim.native.levels import NativeEngine
from snncc.sim.native.library import NativeError
from snncc.sim.native.streams import NativeStreamEngine
from snncc.sim.streams import StreamEngine
from snncc_ir.costs import Counter
from snncc_ir.semantics import evaluate
from snncc_ir.timing import Stbif
from support.graphs import Case, cases, rate_cases

COPIES = 40
"""Of every image: more than go through a network together."""


def check_levels(case: Case) -> None:
    """Levels and drives of a phased graph, for enough images that both threads have some."""
    engine = NativeEngine(case.graph, case.graph.reported, 2, Counter(case.graph))
    expected = evaluate(case.graph, case.batch)
    many = {name: np.repeat(values, COPIES, axis=0) for name, values in case.batch.items()}
    for name, values in engine.run(many).items():
        np.testing.assert_array_equal(values, np.repeat(expected[name], COPIES, axis=0), err_msg=name)


def check_steps(case: Case) -> None:
    """Spike sums of a streaming graph."""
    try:
        engine = NativeStreamEngine(case.graph, 2)
    except NativeError:
        return
    found, expected = engine.run(case.batch), StreamEngine(case.graph).run(case.batch)
    for name, counts in expected.counts.items():
        np.testing.assert_array_equal(found.counts[name], counts, err_msg=name)


def run_all(examples: int) -> None:
    """So many graphs of each kind."""
    options = settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    options(given(cases())(check_levels))()
    options(given(st.one_of(cases(timing=Stbif()), rate_cases()))(check_steps))()
