"""A script that runs in another Python and answers folder by folder, for as long as a module's tests."""

from __future__ import annotations

import select
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SECONDS = 60
"""After so long without an answer the driver hangs."""

Drive = Callable[[Path], None]


def served(python: str, script: Path) -> Iterator[Drive]:
    """A function that hands the script a folder and waits until it has written what the test reads."""
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            [python, "-I", "-B", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def send(folder: Path) -> None:
            stdin.write(f"{folder}\n")
            stdin.flush()
            ready, _, _ = select.select([stdout], [], [], SECONDS)
            if not ready or stdout.readline() != "done\n":
                errors.seek(0)
                pytest.fail(f"the driver failed:\n{errors.read().decode()}")

        yield send
        process.kill()
