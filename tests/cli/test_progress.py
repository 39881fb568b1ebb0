"""Progress: every long stage reports how far it is; bars appear late, and on a terminal alone."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, repeat
from types import SimpleNamespace

import pytest
from rich.console import Console

from snncc import cli, console, sweep_command, tune_command
from snncc_ir import progress
from support.command import Snncc, compiled

Reports = dict[str, list[tuple[int, int]]]


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> Reports:
    """What every stage of the next commands reports."""
    found: Reports = {}

    def watch(stage: str) -> progress.Progress:
        return lambda done, total: found.setdefault(stage, []).append((done, total))

    @contextmanager
    def stages() -> Iterator[progress.Watch]:
        yield watch

    for module in (cli, sweep_command, tune_command):
        monkeypatch.setattr(module, "stages", stages)
    return found


def check(found: Reports, *stages: str) -> None:
    """These stages reported something before their end, and all ended."""
    for stage in stages:
        assert found[stage][-1][0] == found[stage][-1][1], stage
        assert any(done < total for done, total in found[stage]), stage
        assert all(0 <= done <= total for done, total in found[stage]), stage
    found.clear()


SWEEP = ("--data", "data.npz", "--levels", "2,4", "--codes", "radix", "--calibrate", "data.npz")


def test_long_stages_report_how_far_they_are(snncc: Snncc, reports: Reports) -> None:
    assert compiled(snncc).code == 0
    check(reports, "calibrate", "passes", "partition")
    assert snncc("simulate", "model.snncc", "--data", "data.npz", "--engine", "reference").code == 0
    check(reports, "simulate")
    assert snncc("explain", "model.snncc", "--chip", "loihi2").code == 0
    check(reports, "partition")
    assert snncc("tune", "model.snncc", "--data", "data.npz", "--epochs", "2").code == 0
    check(reports, "tune")
    assert snncc("sweep", "model.onnx", *SWEEP).code == 0
    check(reports, "float network", "calibrate", "passes", "partition", "sweep")
    assert snncc("sweep", "model.onnx", *SWEEP, "--weights", "3,5", "--jobs", "2").code == 0
    check(reports, "sweep")


def shown(monkeypatch: pytest.MonkeyPatch, seconds: float) -> str:
    """What a stage of ten parts shows that has taken so long when three of them are done."""
    text = io.StringIO()
    terminal = Console(file=text, force_terminal=True, width=100)
    monkeypatch.setattr(console, "errors", terminal)
    clock = chain([0.0], repeat(seconds))
    monkeypatch.setattr(console, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with console.stages() as watch:
        report = watch("calibrate")
        report(3, 10)
        watch._bars.refresh()
        report(10, 10)
    return text.getvalue()


def test_a_bar_appears_once_a_stage_has_taken_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "calibrate" not in shown(monkeypatch, 0.9)
    late = shown(monkeypatch, 1.1)
    assert "calibrate" in late
    assert "3/10" in late
    assert "-:--:--" in late  # the time left, not known yet


def test_nothing_is_shown_where_there_is_no_terminal(snncc: Snncc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "PATIENCE", -1.0)
    for arguments in (
        ["compile", "model.onnx", "--target", "lava", "--calibrate", "data.npz"],
        ["simulate", "model.snncc", "--data", "other.npz", "--engine", "reference"],
        ["sweep", "model.onnx", *SWEEP[:-2], "--calibrate", "other.npz"],
    ):
        result = snncc(*arguments)
        assert (result.code, result.err) == (0, "")
