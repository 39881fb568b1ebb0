"""Makes the helpers of this folder importable, and finds Lava."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from snncc_backends.lava.interpreter import find_interpreter
from support.tools import skip_or_fail

sys.path.append(str(Path(__file__).parent))  # for `lava_networks`


@pytest.fixture(scope="session")
def lava_python() -> str:
    """A Python that has Lava; without one the test is skipped, or fails where SNNCC_REQUIRE_TOOLS is 1."""
    found = find_interpreter()
    if found.python is None:
        skip_or_fail(str(found.missing))
    return found.python
