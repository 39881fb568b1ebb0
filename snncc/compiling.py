"""Compiling a file of any kind that `snncc compile` takes."""

from __future__ import annotations

from pathlib import Path

from snncc.driver import Compiled, compile_model
from snncc.imported import import_network
from snncc.max_loss import compile_within
from snncc.options import CompileOptions


def compile_network(path: Path, options: CompileOptions, max_loss: float | None = None) -> Compiled:
    """Compile an ONNX or a NIR file; `max_loss` in percentage points chooses the narrowest levels."""
    if path.suffix == ".nir":
        return import_network(path, options, max_loss)
    return compile_model(path, options) if max_loss is None else compile_within(path, options, max_loss)
