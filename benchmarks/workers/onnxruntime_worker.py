"""ONNX Runtime: one inference of the float network (`float`), or of its int8 QDQ form (`int8`)."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from serve import Prepared, serve


def prepare(folder: Path, batch: int, threads: int, steps: int) -> Prepared:
    """A session; it has no steps."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    file = str(folder / f"{sys.argv[1]}.onnx")
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    with np.load(folder / "images.npz") as arrays:
        images = np.resize(arrays["reals"], (batch, *arrays["reals"].shape[1:]))
    feed = {session.get_inputs()[0].name: images}
    return Prepared({"inference": lambda: session.run(None, feed)[0]}, lambda: None)


if __name__ == "__main__":
    serve(prepare)
