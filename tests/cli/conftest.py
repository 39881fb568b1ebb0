"""A folder with a model and images, and the command to run in it."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from snncc import cli
from support.command import Result, Snncc, validator
from support.trained import pixels, write_data, write_residual


@pytest.fixture
def snncc(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Snncc:
    """Run a command in an empty folder that holds a model and images; what --json prints has its schema."""
    monkeypatch.chdir(tmp_path)
    write_residual(tmp_path / "model.onnx")
    write_data(tmp_path / "data.npz", pixels(), labels=np.arange(40) % 5)
    write_data(tmp_path / "other.npz", pixels(12, seed=5), labels=np.arange(12) % 5)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["snncc", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        for number, handler in before.items():
            signal.signal(number, handler)
        out, err = capfd.readouterr()
        if "--json" in arguments and out:
            validator(arguments[0]).validate(json.loads(out))
        return Result(int(stop.value.code or 0), out, err)

    return run
