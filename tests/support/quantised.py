"""Compiling a small model at 8 bits, calibrated on given images without clipping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc import dataset
from snncc.driver import compile_model
from snncc.options import CompileOptions
from snncc_ir.encoding import InputFormat
from snncc_ir.graph import Graph

PASSES = "balance{method=max,level_bits=8};quantize{weight_bits=8,level_bits=8}"


def compiled(
    path: Path, images: NDArray[Any], folder: Path, more: str = "choose_code", passes: str = ""
) -> tuple[Graph, InputFormat]:
    """The model's integer graph and input format; the artefact is `out.snncc` in the folder."""
    data = folder / "images.npz"
    np.savez(data, images=images)
    passes = passes or ";".join(filter(None, [PASSES, *more.split(";")]))
    options = CompileOptions(
        output=folder / "out.snncc", target="sim", calibrate=data, passes=passes, force=True
    )
    return compile_model(path, options).graph, dataset.real_format(images, None)
