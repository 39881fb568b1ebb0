"""ONNX Runtime sessions as this project uses them: CPU, quiet, every core."""

from __future__ import annotations

import onnx
import onnxruntime


def open_session(model: onnx.ModelProto, threads: int = 0) -> onnxruntime.InferenceSession:
    """A session for `model`; `threads` 0 means one per core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
