"""The HTML report: plain data in, one self-contained page out. Its libraries are the extra `report`."""

from __future__ import annotations

from snncc_ir import extras


def require(where: str) -> None:
    """Raise ToolError unless the packages are there that the other modules here import."""
    install = 'pip install "jinja2>=3.1" "matplotlib>=3.8"'
    extras.require("jinja2", "matplotlib", install=install, where=where)
