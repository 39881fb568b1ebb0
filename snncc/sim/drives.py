"""Drives of single linear nodes by ONNX Runtime, exact, for engines that go layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from snncc.sim.session import open_session
from snncc_ir import linear
from snncc_ir.nodes import Conv, Dense, Linear

Array = NDArray[Any]

EXACT = 1 << 24


class DriveMaps:
    """Applies linear nodes to batches of levels or spikes; sessions are made on first use.

    Convolutions and matrix products whose sums stay below 2^24 run in float32; all else in numpy.
    """

    def __init__(self) -> None:
        """Start without any session."""
        self._sessions: dict[str, tuple[Linear, onnxruntime.InferenceSession]] = {}

    def __call__(self, node: Linear, x: Array) -> Array:
        """Drive `[N, *drive shape]` as int64 for integers `x[N, *source shape]`."""
        reach = int(np.abs(x).max(initial=0)) * _row_sum(node)
        if not isinstance(node, Conv | Dense) or reach >= EXACT:
            return linear.drive(node, x.astype(np.int64))
        (drive,) = self._session(node).run(None, {"x": x.astype(np.float32)})
        return np.asarray(drive).astype(np.int64)

    def _session(self, node: Conv | Dense) -> onnxruntime.InferenceSession:
        known = self._sessions.get(node.name)
        if known is None or known[0] != node:
            known = (node, _open(node))
            self._sessions[node.name] = known
        return known[1]


def _row_sum(node: Linear) -> int:
    """Largest sum of |weights| into one neuron."""
    return int(np.abs(node.weight.data).reshape(node.weight.shape[0], -1).sum(axis=1).max())


def _open(node: Conv | Dense) -> onnxruntime.InferenceSession:
    values = node.weight.data.astype(np.float32)
    if isinstance(node, Conv):
        pads = [*(pad[0] for pad in node.padding), *(pad[1] for pad in node.padding)]
        operation = helper.make_node(
            "Conv", ["x", "w"], ["u"], strides=node.stride, pads=pads, dilations=node.dilation, group=node.groups
        )
        rank = 4
    else:
        operation = helper.make_node("Gemm", ["x", "w"], ["u"], transB=1)
        rank = 2
    shape = [None] * rank
    graph = helper.make_graph(
        [operation],
        "drive",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("u", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(values, "w")],
    )
    return open_session(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8))
