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
from support.leaking import leaky_cases
from support.native_networks import binary_images, binary_network, large_network

COPIES = 40
"""Of every image: more than go through a network together."""


def check_levels(case: Case) -> None:
    """Levels and drives of a phased graph, for enough images that both threads have some."""
    engine = NativeEngine(case.graph, case.graph.reported, 2, Counter(case.graph))
    expected = evaluate(case.graph, case.batch)
    many = {name: np.repeat(values, COPIES, axis=0) for name, values in case.batch.items()}
    for name, values in engine.run(many).items():
        np.testing.assert_array_equal(values, np.repeat(expected[name], COPIES, axis=0), err_msg=name)


def check_bits(channels: int, seed: int, *, mixed: bool) -> None:
    """Levels, drives and counts of a binary network."""
    graph = binary_network(channels, 6, 1, seed, classes=bool(seed % 2), mixed=mixed)
    x, counter = binary_images(graph, 9, seed), Counter(graph)
    found, counts = NativeEngine(graph, graph.reported, 2, counter).run_counted({"x": x})
    expected = evaluate(graph, {"x": x})
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)
    assert counts == counter.count(expected)


def check_shared(bits: int, top: int) -> None:
    """Levels and drives of one image whose layers threads share."""
    graph = large_network(bits, top)
    x = np.random.default_rng(bits).integers(0, top + 1, (1, *graph.types["x"].shape)).astype(np.uint8)
    expected = NativeEngine(graph, graph.reported, 1).run({"x": x})
    for name, values in NativeEngine(graph, graph.reported, 3).run({"x": x}).items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


def check_steps(case: Case) -> None:
    """Spike sums of a streaming graph, every image twice: both ways to run a layer are tried in turn."""
    try:
        engine = NativeStreamEngine(case.graph, 2)
    except NativeError:
        return
    batch = {name: np.repeat(values, 2, axis=0) for name, values in case.batch.items()}
    found, expected = engine.run(batch), StreamEngine(case.graph).run(batch)
    for name, counts in expected.counts.items():
        np.testing.assert_array_equal(found.counts[name], counts, err_msg=name)


def run_all(examples: int) -> None:
    """So many graphs of each kind."""
    options = settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    options(given(cases())(check_levels))()
    channels = st.sampled_from((5, 24, 64, 130))
    options(given(channels=channels, seed=st.integers(0, 2**20), mixed=st.booleans())(check_bits))()
    check_shared(8, 15)
    check_shared(1, 1)
    options(given(st.one_of(cases(timing=Stbif()), rate_cases(), leaky_cases()))(check_steps))()
