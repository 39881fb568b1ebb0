"""The tools, and a design small enough to be built in a second."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from snncc_backends.tools.compiler import find_compiler
from snncc_backends.tools.design import Design
from snncc_backends.tools.found import Tool
from snncc_backends.tools.verilator import find_verilator
from snncc_backends.tools.yosys import find_yosys
from support.tools import tool_or_skip

sys.path.append(str(Path(__file__).parent))  # for `tools_designs`


@pytest.fixture
def mac() -> Design:
    from tools_designs import TABLE, mac_files

    return Design(top="mac", files=mac_files(TABLE), parameters={"DEPTH": 16}, defines=("CHECK",))


@pytest.fixture
def verilator() -> Tool:
    return tool_or_skip(find_verilator())


@pytest.fixture
def compiler() -> Tool:
    return tool_or_skip(find_compiler())


@pytest.fixture
def yosys() -> Tool:
    return tool_or_skip(find_yosys())
