"""The HTML report: plain data in, one self-contained page out. Its libraries are the extra `report`."""

from __future__ import annotations

import importlib.util

from snncc_ir.errors import ToolError

PACKAGES = "jinja2", "matplotlib"
INSTALL = 'pip install "jinja2>=3.1" "matplotlib>=3.8"'


def require(where: str) -> None:
    """Raise ToolError unless the packages are there that the other modules here import; they are an extra."""
    for name in PACKAGES:
        if importlib.util.find_spec(name) is None:
            raise ToolError(
                f"needs the Python package {name}, which is not installed", where=where, hint=INSTALL
            )
