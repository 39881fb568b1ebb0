"""`--json`: every command has it, and what it prints has the schema that is published."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import typer
from typer.core import TyperGroup

from snncc import cli
from snncc.schemas.schema import ANSWERS, schema_of, schema_text
from support.command import Snncc, compiled, validator

SCHEMAS = Path(__file__).parent.parent.parent / "docs" / "schemas"


def options_of_commands() -> dict[str, set[str]]:
    group = typer.main.get_command(cli.app)
    assert isinstance(group, TyperGroup)
    return {
        name: {flag for parameter in command.params for flag in parameter.opts}
        for name, command in group.commands.items()
    }


def test_every_command_prints_json_and_has_a_schema() -> None:
    found = options_of_commands()
    assert found.keys() == ANSWERS.keys()
    assert [name for name, options in found.items() if "--json" not in options] == []


@pytest.mark.parametrize("command", ANSWERS)
def test_the_published_schema_is_current(command: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema_of(command))
    assert (SCHEMAS / f"{command}.json").read_text() == schema_text(command), (
        "python -m snncc.schemas.schema docs/schemas"
    )


def test_the_schemas_are_written_by_the_command_of_the_page(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "snncc.schemas.schema", str(tmp_path)], check=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in SCHEMAS.iterdir()
    }


DATA = ("--data", "data.npz")

RUNS: list[list[str]] = [
    ["check", "model.onnx"],
    ["verify", "model.snncc"],
    ["simulate", "model.snncc", *DATA],
    ["explain", "model.snncc"],
    ["explain", "model.snncc", *DATA],
    ["explain", "model.snncc", *DATA, "--chip", "loihi1"],
    ["report", "model.snncc", "--no-verify"],
    ["show", "model.snncc"],
    ["targets"],
    ["doctor"],
    ["sweep", "model.onnx", *DATA, "--levels", "4", "--codes", "radix,rate", "--pick", "min loss"],
    ["sweep", "model.onnx", *DATA, "--levels", "4", "--codes", "rate", "--pick", "min loss"],
    ["tune", "model.snncc", *DATA, "--epochs", "1"],
    ["explain", "model-tuned.snncc", *DATA],
]  # fmt: skip


def test_answers_have_their_schemas(snncc: Snncc) -> None:
    """The fixture checks every answer; here are all commands that need no tool, also where they exit 1."""
    assert compiled(snncc, "--json").json["schema"] == "snncc/compile/1"
    rate = ["compile", "model.onnx", "--target", "fpga", "--code", "rate", "--steps", "4", "-o", "r.snncc"]
    assert snncc(*rate, "--json").code == 0
    runs = [*RUNS, ["simulate", "r.snncc", *DATA, "--every-step"]]
    for arguments in runs:
        result = snncc(*arguments, "--json")
        assert result.out, (arguments, result.err)
        assert result.json["schema"] == f"snncc/{arguments[0]}/1"


def test_a_schema_refuses_what_is_not_its_answer(snncc: Snncc) -> None:
    found = compiled(snncc, "--json").json
    changes = [
        lambda answer: answer.pop("neurons"),
        lambda answer: answer.update(neurons="many"),
        lambda answer: answer.update(more=1),
        lambda answer: answer.update(schema="snncc/check/1"),
        lambda answer: answer["fit"]["use"][0].pop("usage"),
        lambda answer: answer["fit"]["estimates"]["radix"]["total"].update(nanojoules=None),
    ]
    for change in changes:
        broken = copy.deepcopy(found)
        change(broken)
        with pytest.raises(jsonschema.ValidationError):
            validator("compile").validate(broken)
