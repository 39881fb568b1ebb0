"""One run for several codes: the answers of every engine, and the counts of each code's own run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from snncc.cores.activity import recoded as with_code
from snncc.sim import recoded
from snncc.sim.evaluate import evaluate_images
from snncc.sim.native.library import NativeError
from snncc_ir.codes import PHASED_CODES
from snncc_ir.progress import silent
from support.graphs import Case, cases

ONE_INPUT = cases().filter(lambda case: len(case.batch) == 1)

AS_THEY_ARE: Any = SimpleNamespace(to_levels=lambda images: images)


def check(case: Case) -> None:
    graphs = (case.graph, *(with_code(case.graph, code) for code in PHASED_CODES))
    (images,) = case.batch.values()
    run, counts = recoded.evaluate_codes(graphs, AS_THEY_ARE, images, silent)
    for graph, found in zip(graphs, counts, strict=True):
        alone = evaluate_images(graph, AS_THEY_ARE, images, "reference", silent)
        assert found == alone.counts
        assert run.outputs.keys() == alone.outputs.keys()
        for name, values in alone.outputs.items():
            np.testing.assert_array_equal(run.outputs[name], values)


@given(ONE_INPUT)
def test_every_code_is_counted_as_in_its_own_run(case: Case) -> None:
    check(case)


def test_large_networks_and_the_portable_engine_count_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*arguments: object) -> None:
        raise NativeError("is not there")

    monkeypatch.setattr(recoded, "HELD", 1)

    @given(ONE_INPUT)
    def by_single_images(case: Case) -> None:
        check(case)

    by_single_images()
    monkeypatch.setattr(recoded, "NativeEngine", missing)
    by_single_images()
