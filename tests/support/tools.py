"""Tools of others in tests: without one a test is skipped, or fails where SNNCC_REQUIRE_TOOLS is 1."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

from snncc_backends.tools.found import Found, Missing, Tool


def skip_or_fail(missing: str) -> NoReturn:
    """End the test for want of a tool."""
    if os.environ.get("SNNCC_REQUIRE_TOOLS") == "1":
        pytest.fail(f"required here, but {missing}")
    pytest.skip(missing)


def tool_or_skip(found: Found) -> Tool:
    """The tool, if it is there."""
    if isinstance(found, Missing):
        skip_or_fail(str(found))
    return found
