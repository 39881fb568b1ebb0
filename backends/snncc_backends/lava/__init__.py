"""The Lava backend: emits Lava processes for networks of level neurons and runs them, out of process."""

from __future__ import annotations

from snncc_backends.lava.backend import LavaBackend

backend = LavaBackend()
"""What the entry point `snncc.backends` names."""

__all__ = ["backend"]
