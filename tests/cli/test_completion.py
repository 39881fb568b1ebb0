"""Completion in the shells: the scripts, what they ask for, and bash itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from snncc_ir.codes import CodeOption

SNNCC = Path(sys.executable).parent / "snncc"


def ask(**variables: str) -> str:
    """What the command prints when a shell asks it."""
    environment = {**os.environ, **variables}
    done = subprocess.run([SNNCC], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def completed(line: str) -> list[str]:
    """What bash is offered for the last word of a line."""
    count = str(len(line.split(" ")) - 1)
    return ask(_SNNCC_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=count).split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("snncc comp", ["compile"]),
        ("snncc compile model.onnx --cal", ["--calibrate"]),
        ("snncc compile model.onnx --code ", [option.value for option in CodeOption]),
        ("snncc compile model.onnx --reset s", ["subtract"]),
        ("snncc compile model.onnx --target ", ["fpga", "lava", "sim"]),
        ("snncc compile model.onnx --target lava --chip ", ["loihi2", "loihi1"]),
        ("snncc compile model.onnx --chip xc", ["xczu7ev"]),
        ("snncc compile model.onnx --target nothing --chip lo", ["loihi2", "loihi1"]),
        ("snncc simulate out --engine ", [*("native", "levels", "spikes", "reference"), "cycles", "csim",
                                          "rtl", "lava", "lif"]),
        ("snncc verify out --engine c", ["cycles", "csim"]),
        ("snncc build out --device ice", ["ice40-hx8k"]),
        ("snncc build out --stage r", ["routed"]),
        ("snncc explain out --chip ", ["loihi1", "loihi2"]),
        ("snncc explain out --chip my", []),
        ("snncc check ", []),
    ],
)  # fmt: skip
def test_what_is_offered(line: str, offered: list[str]) -> None:
    assert completed(line) == offered


@pytest.mark.parametrize(
    ("shell", "part"),
    [
        ("bash", "complete -o default -F _snncc_completion snncc"),
        ("zsh", "compdef _snncc_completion snncc"),
        ("fish", "complete --command snncc"),
    ],
)
def test_the_script_of_a_shell(shell: str, part: str) -> None:
    assert part in ask(_SNNCC_COMPLETE=f"source_{shell}")


def test_zsh_and_fish_are_offered_the_same() -> None:
    line = "snncc compile model.onnx --target l"
    zsh = ask(_SNNCC_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS=line)
    assert '"lava"' in zsh
    assert ask(_SNNCC_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS="snncc check ").strip() == "_files"
    fish = {"_SNNCC_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    assert ask(**fish, _TYPER_COMPLETE_ARGS=line).split() == ["lava"]


def test_bash_completes_commands_values_and_file_names(tmp_path: Path) -> None:
    (tmp_path / "images.npz").write_bytes(b"")
    script = f"""
        set -eu
        export PATH="{SNNCC.parent}:$PATH"
        eval "$(_SNNCC_COMPLETE=source_bash snncc)"
        offer() {{
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
            _snncc_completion snncc
            echo "${{COMPREPLY[*]-}}"
        }}
        offer snncc simul
        offer snncc compile model.onnx --target s
        offer snncc simulate out --data im
        complete -p snncc
        compgen -f im
    """
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "simulate",
        "sim",
        "",  # nothing of ours: `-o default` makes bash complete the name of a file
        "complete -o default -F _snncc_completion snncc",
        "images.npz",
    ]


def test_it_is_installed_into_the_home_folder(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path)}
    command = f'"{SNNCC}" --install-completion; true'  # not the last command: the shell that asks must stay
    subprocess.run(["bash", "-c", command], env=environment, capture_output=True, check=True)
    assert "snncc" in (tmp_path / ".bashrc").read_text()
