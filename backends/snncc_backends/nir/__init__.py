"""NIR, the exchange format of spiking simulators and chips: rate networks of integrate-and-fire neurons."""

from __future__ import annotations

from snncc_ir import extras


def require(where: str) -> None:
    """Raise ToolError unless the packages are there that the other modules here import."""
    extras.require("nir", "h5py", install='pip install "nir>=1.0.8"', where=where)
