"""Packages that are extras: they are asked for where they are needed, and not before."""

from __future__ import annotations

import importlib.util

from snncc_ir.errors import ToolError


def require(*packages: str, install: str, where: str) -> None:
    """Raise ToolError unless all `packages` can be imported; `install` is the command that gets them."""
    for name in packages:
        if importlib.util.find_spec(name) is None:
            raise ToolError(
                f"needs the Python package {name}, which is not installed", where=where, hint=install
            )
