"""The FPGA backend: tables for a fixed core in Verilog, a simulator of its cycles, engines for both."""

from __future__ import annotations

from snncc_backends.fpga.backend import FpgaBackend

backend = FpgaBackend()
"""What the entry point `snncc.backends` names."""

__all__ = ["backend"]
