"""ONNX Runtime sessions as this project uses them: CPU, quiet, every core."""

from __future__ import annotations

import onnx
import onnxruntime


def open_session(
    model: onnx.ModelProto, threads: int = 0, *, spinning: bool = True
) -> onnxruntime.InferenceSession:
    """A session for `model`; `threads` 0 means one per core.

    Spinning threads wait for their next operator at full speed. That is quick for a whole network on an idle
    machine, and takes the cores from all else where Python works between the calls of single layers.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if not spinning:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
