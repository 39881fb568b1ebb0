"""Which kernels of the native engine the tests can use."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from unittest import mock

import pytest

from snncc.sim.native.library import KERNELS, NativeError, missing, native

REASON = missing()

needs_native = pytest.mark.skipif(
    bool(REASON) and os.environ.get("SNNCC_REQUIRE_TOOLS") != "1", reason=f"native engine: {REASON}"
)


def with_kernels(name: str) -> AbstractContextManager[object]:
    """Programs made within use the kernels of this name."""
    return mock.patch.dict(os.environ, {KERNELS: name})


def _runs(name: str) -> bool:
    try:
        with with_kernels(name):
            native()
    except NativeError:
        return False
    return True


FASTEST = "levels" if REASON else "native"
FASTEST_STREAM = "spikes" if REASON else "native"
"""The engines that `simulate` runs phased and streaming codes with here."""

KERNEL_NAMES = [name for name in ("baseline", "avx2", "avx512") if REASON or _runs(name)]
