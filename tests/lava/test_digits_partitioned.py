"""The digits network, cut to cores, in Lava: what benchmarks/lava_partitioned.py shows."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.usefixtures("lava_python")
def test_every_spike_is_the_references(request: pytest.FixtureRequest) -> None:
    program = request.config.rootpath / "benchmarks" / "lava_partitioned.py"
    command = [sys.executable, str(program), "--images", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = done.stdout.splitlines()[1:]
    assert row.split()[:5] == ["digits", "radix", "2", "12", "2"]
    assert row.endswith(" yes")
