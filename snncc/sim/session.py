"""ONNX Runtime sessions as this project uses them: CPU, quiet, every core."""

from __future__ import annotations

import onnx
import onnxruntime


def open_session(
    model: onnx.ModelProto, threads: int = 0, *, spin: bool = True
) -> onnxruntime.InferenceSession:
    """A session for `model`; `threads` 0 means one per core, those that `spin` keep it busy between runs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    if not spin:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
