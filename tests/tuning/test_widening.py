"""Neurons with two levels under other thresholds."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from snncc.tuning.material import Material
from snncc.tuning.widening import widened
from snncc_ir.encoding import InputFormat
from snncc_ir.neurons import Staircase
from snncc_ir.semantics import evaluate
from snncc_ir.timing import Phased
from support.graphs import Case, cases


@given(cases(timing=Phased()), st.integers(0, 2**32 - 1))
def test_no_level_changes(case: Case, seed: int) -> None:
    assume(len(case.graph.inputs) == 1)
    (source,) = case.graph.inputs
    rng = np.random.default_rng(seed)
    levels = rng.integers(source.type.lo, source.type.hi + 1, (4, *source.type.shape))
    form = InputFormat(levels=source.type, scale=np.ones(()), zero=np.zeros(()), exact=True, verdict="")
    found = widened(case.graph, Material(images=levels.astype(np.float64), labels=None, form=form))
    more = rng.integers(source.type.lo, source.type.hi + 1, (16, *source.type.shape))
    for images in (levels, more):
        expected, got = (evaluate(graph, {source.name: images}) for graph in (case.graph, found))
        for node in case.graph.populations:
            assert np.array_equal(expected[node.name], got[node.name]), node.name


@given(cases(timing=Phased()))
def test_thresholds_only_grow_and_only_of_two_levels(case: Case) -> None:
    assume(len(case.graph.inputs) == 1)
    (source,) = case.graph.inputs
    levels = np.zeros((1, *source.type.shape))
    form = InputFormat(levels=source.type, scale=np.ones(()), zero=np.zeros(()), exact=True, verdict="")
    found = widened(case.graph, Material(images=levels, labels=None, form=form))
    for old, new in zip(case.graph.populations, found.populations, strict=True):
        if isinstance(old.neuron, Staircase) and (old.neuron.lo, old.neuron.hi) == (0, 1):
            assert (new.neuron.theta.data >= old.neuron.theta.data).all()
        else:
            assert old == new
