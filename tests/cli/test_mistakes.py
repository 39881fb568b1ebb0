"""One message per mistake of the user, exit 1, and nothing left behind."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from snncc import cli, console
from support.command import Snncc, compiled
from support.mistakes import MISTAKES, USAGE, write_files

UNREADABLE = {
    "model.onnx": "check model.onnx",
    "data.npz": "simulate model.snncc --data data.npz",
    "model.snncc/graph.json": "show model.snncc",
}
"""A file, and a command that reads it."""

PLACES = ("any", "relu1", "loihi1")
"""A chip or a node, where a message is about that and not about a word of the command."""


@pytest.fixture
def files(snncc: Snncc, tmp_path: Path) -> None:
    """What the table of mistakes speaks of."""
    assert (
        snncc("compile", "model.onnx", "--target", "sim", "--calibrate", "data.npz", "--scale", "255").code
        == 0
    )
    write_files(tmp_path)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("command", MISTAKES)
def test_every_mistake_gets_one_message_and_leaves_nothing(
    snncc: Snncc, tmp_path: Path, command: str
) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    for line, message in MISTAKES[command].items():
        result = snncc(*line.split())
        assert (result.code, result.out, result.err) == (1, "", f"snncc: error: {message}\n"), line
        assert sorted(path.name for path in tmp_path.iterdir()) == before, line


def test_every_message_says_where_and_what_to_do() -> None:
    for line, message in (row for table in MISTAKES.values() for row in table.items()):
        where, _, what = message.partition(": ")
        parts = [part for words in where.split() for part in words.strip(",").split("/")]
        assert where in PLACES or any(part in line for part in parts), message
        assert "; " in what or "must" in what.split() or "needs at least" in what, message


def test_every_command_that_takes_a_file_has_its_mistakes() -> None:
    commands = {command.name or command.callback.__name__ for command in cli.app.registered_commands}
    listed = {line.split()[0] for table in MISTAKES.values() for line in table}
    assert commands - listed == {"targets", "doctor"}


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(("name", "line"), UNREADABLE.items())
def test_what_the_system_does_not_give(
    snncc: Snncc, monkeypatch: pytest.MonkeyPatch, name: str, line: str
) -> None:
    """The open fails, since permissions do not stop the root of a container."""
    opened = io.open

    def fails(file: Any, *arguments: Any, **options: Any) -> Any:
        if str(file).endswith(name):
            raise PermissionError(13, "Permission denied", str(file))
        return opened(file, *arguments, **options)

    monkeypatch.setattr(io, "open", fails)
    monkeypatch.setattr("builtins.open", fails)
    result = snncc(*line.split())
    assert (result.code, result.err.count("\n")) == (1, 1), result.err
    assert result.err.startswith(f"snncc: error: {name}: ")
    assert "Permission denied" in result.err


@pytest.mark.parametrize("line", USAGE)
def test_usage_errors_exit_2(snncc: Snncc, line: str) -> None:
    result = snncc(*line.split())
    assert (result.code, result.out) == (2, "")
    assert "Traceback" not in result.err


def test_an_engine_of_another_target_is_refused(snncc: Snncc) -> None:
    snncc("compile", "model.onnx", "--target", "sim", "--calibrate", "data.npz")
    result = snncc("simulate", "model.snncc", "--data", "data.npz", "--engine", "lava")
    assert result.err == (
        "snncc: error: model.snncc: engine lava runs artefacts for lava, this one is for sim; "
        "compile with --target lava\n"
    )


def test_a_code_that_the_chip_cannot_do_is_refused_with_the_reason(snncc: Snncc, tmp_path: Path) -> None:
    result = compiled(snncc, "--code", "rate", "-o", "out")
    assert result.code == 1
    assert result.err.startswith("snncc: error: loihi2: cannot express this network: ")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [["--help"], ["compile", "--help"], ["--version"]])
def test_help_and_version_exit_0(snncc: Snncc, arguments: list[str]) -> None:
    result = snncc(*arguments)
    assert result.code == 0
    assert "snncc" in result.out


def test_names_from_a_model_do_not_steer_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    console.fail("conv\x1b[31m\x07: [bold]x[/bold]")
    assert capfd.readouterr().err == "snncc: error: conv\\x1b[31m\\x07: [bold]x[/bold]\n"


def test_step_options_need_a_code_with_steps(snncc: Snncc) -> None:
    compiled(snncc)
    simulate = ("simulate", "model.snncc", "--data", "data.npz")
    messages = {
        ("--every-step",): "--every-step: this network's codes are phased: it has no answer before its last "
        "step; compile with --code rate",
        ("--exit-margin", "1"): "--exit-margin: this network's codes are phased: it has no answer before its "
        "last step; compile with --code rate",
        ("--exit-margin", "-1"): "--exit-margin: must be a number of at least 0, not -1.0",
    }
    for options, message in messages.items():
        result = snncc(*simulate, *options)
        assert (result.code, result.err) == (1, f"snncc: error: {message}\n")
    assert snncc("compile", "model.onnx", "--target", "sim", "--code", "stbif", "--force").code == 0
    assert snncc(*simulate, "--exit-margin", "1").err == (
        "snncc: error: --exit-margin: stbif certifies by itself when its answer is final; see --every-step\n"
    )
    assert snncc(*simulate, "--every-step", "--engine", "levels").err == (
        "snncc: error: --every-step: engine levels does not report its steps; use spikes\n"
    )
