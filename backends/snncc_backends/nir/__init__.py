"""NIR, the exchange format of spiking simulators and chips: rate networks of integrate-and-fire neurons."""

from __future__ import annotations

import importlib.util

from snncc_ir.errors import ToolError

PACKAGES = "nir", "h5py"
INSTALL = 'pip install "nir>=1.0.8"'


def require(where: str) -> None:
    """Raise ToolError unless the packages are there that the other modules here import; they are an extra."""
    for name in PACKAGES:
        if importlib.util.find_spec(name) is None:
            raise ToolError(
                f"needs the Python package {name}, which is not installed", where=where, hint=INSTALL
            )
