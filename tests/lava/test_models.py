"""The process models, driven without Lava's runtime, on random networks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from lava_networks import images, saturating, wide

from snncc_backends.lava import backend
from snncc_backends.lava.emit import emit_files
from snncc_ir.codes import PHASED_CODES, Code
from snncc_ir.semantics import evaluate
from support.driver import Drive, served
from support.graphs import Case, cases
from support.lava_check import check

MACHINE = backend.machines["loihi2"]
RANGES = ((0, 15), (0, 10), (-7, 7), (-3, 12), (-12, 3), (-5, 0), (0, 1), (-1, 1))


@pytest.fixture(scope="module")
def drive(lava_python: str) -> Iterator[Drive]:
    """Hands a folder to `drive_models.py`, which runs as long as the tests of this module."""
    yield from served(lava_python, Path(__file__).parent / "drive_models.py")


@settings(max_examples=80)
@given(case=cases())
def test_models_equal_the_reference_on_random_networks(drive: Drive, case: Case) -> None:
    if not backend.refusals(case.graph, MACHINE):
        check(drive, emit_files(case.graph), case.graph, {name: x[0] for name, x in case.inputs.items()})


@pytest.mark.parametrize("code", PHASED_CODES)
@pytest.mark.parametrize(
    ("lo", "hi"), [(0, 15), (0, 10), (-7, 7), (-3, 12), (-12, 3), (-5, 0), (0, 1), (-1, 1)]
)
def test_every_range_at_both_ends(drive: Drive, code: Code, lo: int, hi: int) -> None:
    graph = saturating(code, lo, hi)
    levels = images(graph, 6)
    reached = evaluate(graph, levels)
    assert {int(f(reached["first"])) for f in (np.min, np.max)} == {lo, hi}
    assert len(np.unique(reached["second"])) > 1
    check(drive, emit_files(graph), graph, levels)


def test_sums_beyond_24_bits(drive: Drive) -> None:
    graph = wide()
    levels = images(graph, 2)
    assert evaluate(graph, levels)["y"].max() > 2**24
    check(drive, emit_files(graph), graph, levels)
