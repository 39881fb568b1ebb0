"""Modules of tools/, which is no package."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def tool(name: str, folder: str = "") -> ModuleType:
    """A module of tools/ or a folder in it, which finds its neighbours there."""
    place = str(TOOLS / folder)
    sys.path.insert(0, place)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(place)
