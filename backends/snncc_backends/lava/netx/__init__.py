"""netx, the network files of lava-dl: layers of Loihi's LIF neurons, one after the other."""

from __future__ import annotations

from snncc_ir import extras


def require(where: str) -> None:
    """Raise ToolError unless the package is there that the other modules here import."""
    extras.require("h5py", install='pip install "h5py>=3.7"', where=where)
