"""The onnx package's backend tests: a verdict for each, and the stored outputs where the model is lowered."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from snncc.frontend.registry import LOWERINGS
from support.node_cases import Case, Outcome, Verdict, node_cases, run, stored_cases


def outcomes(cases: Iterable[Case], *, compiles: bool = True) -> list[Outcome]:
    """What became of the cases; fails on a wrong result or a traceback."""
    found = [run(case, compiles=compiles) for case in cases]
    failed = [
        f"{outcome.name}: {outcome.verdict.value}: {outcome.reason}" for outcome in found if outcome.failed
    ]
    assert not failed, "\n".join(failed)
    return found


def equal(found: Iterable[Outcome]) -> int:
    return sum(outcome.verdict is Verdict.EQUAL for outcome in found)


def test_single_nodes_with_a_lowering() -> None:
    single = [
        case for case in node_cases() if {node.op_type for node in case.model.graph.node} <= LOWERINGS.keys()
    ]
    found = outcomes(single)
    assert equal(found) >= 110
    assert sum(outcome.quantised for outcome in found) >= 110


def test_stored_models() -> None:
    assert equal(outcomes(stored_cases())) >= 60


@pytest.mark.slow
def test_every_node_case_has_a_verdict() -> None:
    found = outcomes(node_cases(), compiles=False)
    assert len(found) > 1800
    assert equal(found) >= 125
    assert all(outcome.reason for outcome in found)
