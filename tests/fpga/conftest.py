"""What the FPGA tests share: the tools, and widths that one Verilog model serves many networks with."""

from __future__ import annotations

import pytest

from snncc_backends.tools.compiler import find_compiler
from snncc_backends.tools.found import Tool
from snncc_backends.tools.verilator import find_verilator
from support.tools import tool_or_skip


@pytest.fixture(scope="session")
def verilator() -> Tool:
    """Verilator; without it the test is skipped, or fails where tools are required."""
    return tool_or_skip(find_verilator())


@pytest.fixture(scope="session")
def compiler() -> Tool:
    """A C++ compiler."""
    return tool_or_skip(find_compiler())
