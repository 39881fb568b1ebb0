"""The installed ONNX Runtime: sessions with plain errors, and the newest versions that it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnxruntime.capi import onnxruntime_pybind11_state as state

from snncc_ir.errors import ModelError

Array = NDArray[Any]

OLDEST_OPSET = 8

_ERRORS: tuple[type[Exception], ...] = (
    ValueError,
    RuntimeError,
    *(kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)),
)
"""Everything that ONNX Runtime itself raises; its exceptions share no base class of their own."""


class Session:
    """A model that runs."""

    def __init__(self, proto: onnx.ModelProto, where: str, threads: int = 0) -> None:
        """Prepare `proto`; raises ModelError where ONNX Runtime refuses it."""
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(
                proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except _ERRORS as error:
            raise ModelError(f"ONNX Runtime refuses the model: {_first_line(error)}", where=where) from None
        self._where = where

    def run(self, outputs: Sequence[str], inputs: Mapping[str, Array]) -> list[Array]:
        """Values of `outputs`; raises ModelError where the run fails."""
        try:
            return [np.asarray(value) for value in self._session.run(list(outputs), dict(inputs))]
        except _ERRORS as error:
            raise ModelError(f"ONNX Runtime cannot run it: {_first_line(error)}", where=self._where) from None


def runs(opset: int, ir_version: int) -> bool:
    """True where ONNX Runtime loads a model of this opset and IR version."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "probe", values[:1], values[1:])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    proto.ir_version = ir_version
    try:
        Session(proto, "probe")
    except ModelError:
        return False
    return True


@cache
def newest_opset() -> int:
    """The newest opset that ONNX Runtime runs and the onnx package knows."""
    known = onnx.defs.onnx_opset_version()
    return next(version for version in range(known, OLDEST_OPSET - 1, -1) if runs(version, 8))


@cache
def newest_ir_version() -> int:
    """The newest IR version (file format) that ONNX Runtime reads."""
    return next(version for version in range(int(onnx.IR_VERSION), 2, -1) if runs(OLDEST_OPSET, version))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
