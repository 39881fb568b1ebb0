"""The ap_int headers of Xilinx, where the package hls4ml is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from support.tools import skip_or_fail


def ap_int_flags() -> tuple[str, ...]:
    """Flags for a compiler to build with ap_int; without the headers the test is skipped."""
    spec = importlib.util.find_spec("hls4ml")
    if spec is None or spec.origin is None:
        skip_or_fail("the ap_int headers were not found; pip install --no-deps hls4ml==1.3.0")
    headers = Path(spec.origin).parent / "templates" / "vivado" / "ap_types"
    # the headers themselves read what they have not set
    quiet = ("-Wno-uninitialized", "-Wno-maybe-uninitialized")
    return ("-DSNNCC_USE_AP_INT", *quiet, "-isystem", str(headers))
