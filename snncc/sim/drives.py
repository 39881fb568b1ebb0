"""Single layers by ONNX Runtime, exact, for what goes through a network layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from snncc.sim.session import open_session
from snncc_ir import linear
from snncc_ir.neurons import Staircase, Table, per_channel
from snncc_ir.nodes import Conv, Dense, Linear, Scale
from snncc_ir.semantics import fire

Array = NDArray[Any]

EXACT = 1 << 24
"""Float32 holds every integer of smaller magnitude."""

SUMMABLE = EXACT >> 2
"""Drives below this stay exact in float32 when up to four of them are added."""


class DriveMaps:
    """Applies linear nodes to batches of levels or spikes; sessions are made on first use.

    What stays well below 2^24 runs in float32; all else in numpy on int64.
    """

    def __init__(self) -> None:
        """Start without any session."""
        self._sessions: dict[str, tuple[Linear, onnxruntime.InferenceSession]] = {}

    def __call__(self, node: Linear, x: Array) -> Array:
        """Drive `[N, *drive shape]` as int64 for integers `x[N, *source shape]`."""
        return self.floats(node, x).astype(np.int64)

    def floats(self, node: Linear, x: Array) -> Array:
        """The same integers as float32 where up to four such drives add up exactly, else as int64."""
        reach = int(max(x.max(initial=0), -x.min(initial=0))) * _row_sum(node)
        if reach < SUMMABLE and isinstance(node, Conv | Dense):
            (drive,) = self._session(node).run(None, {"x": x.astype(np.float32)})
            return np.asarray(drive)
        if reach < SUMMABLE and isinstance(node, Scale):
            return np.asarray(
                x.astype(np.float32) * per_channel(node.weight.data.astype(np.float32), x.ndim - 1)
            )
        return linear.drive(node, x.astype(np.int64))

    def reals(self, node: Linear, x: Array) -> Array:
        """Drive `[N, *drive shape]` of a real network's node for real values, as float32."""
        if isinstance(node, Conv | Dense):
            (drive,) = self._session(node).run(None, {"x": x.astype(np.float32)})
            return np.asarray(drive)
        return linear.drive(node, x).astype(np.float32)

    def _session(self, node: Conv | Dense) -> onnxruntime.InferenceSession:
        known = self._sessions.get(node.name)
        if known is None or known[0] != node:
            known = (node, open_drive(node))
            self._sessions[node.name] = known
        return known[1]


class Layers:
    """Single layers for passes that go through the network with calibration images."""

    def __init__(self) -> None:
        """Start without any session."""
        self._maps = DriveMaps()

    def drive(self, node: Linear, x: Array) -> Array:
        """Drive `[N, *drive shape]` for levels `x[N, *source shape]`: exact integers, perhaps as float32."""
        return self._maps.floats(node, x)

    def real_drive(self, node: Linear, x: Array) -> Array:
        """Drive `[N, *drive shape]` of a real network's node for real values `x[N, *source shape]`."""
        return self._maps.reals(node, x)

    def fire(self, neuron: Staircase | Table, drive: Array) -> Array:
        """Levels `[N, *shape]` as int16."""
        return _look_up(neuron, drive) if isinstance(neuron, Table) else _fire(neuron, drive)


def _look_up(neuron: Table, drive: Array) -> Array:
    """Levels (int16) of a table, channel by channel."""
    if neuron.rows:
        return fire(neuron, drive.astype(np.int64)).astype(np.int16)
    table = neuron.breakpoints.data
    levels = [np.searchsorted(row, drive[:, c], side="right") for c, row in enumerate(table)]
    return (np.stack(levels, axis=1) + neuron.lo).astype(np.int16)


def _fire(neuron: Staircase, drive: Array) -> Array:
    """Levels (int16) for a drive that `floats` gave; float32 division is exact below 2^24."""
    offset = neuron.bias.spread(drive.shape[1:]) + per_channel(neuron.theta.data // 2, drive.ndim - 1)
    reach = max(drive.max(initial=0), -drive.min(initial=0)) + np.abs(offset).max()
    if drive.dtype != np.float32 or reach >= EXACT:
        return fire(neuron, drive.astype(np.int64)).astype(np.int16)
    levels = drive + offset.astype(np.float32)
    levels /= per_channel(neuron.theta.data, drive.ndim - 1).astype(np.float32)
    return np.clip(np.floor(levels, out=levels), neuron.lo, neuron.hi, out=levels).astype(np.int16)


def _row_sum(node: Linear) -> int:
    """Largest sum of |weights| into one neuron."""
    return int(np.abs(node.weight.data).reshape(node.weight.shape[0], -1).sum(axis=1).max())


def open_drive(node: Conv | Dense) -> onnxruntime.InferenceSession:
    """A session that gives the float32 drive `u` of the node for `x[N, *source shape]`."""
    values = node.weight.values.astype(np.float32)
    if isinstance(node, Conv):
        pads = [*(pad[0] for pad in node.padding), *(pad[1] for pad in node.padding)]
        operation = helper.make_node(
            "Conv",
            ["x", "w"],
            ["u"],
            strides=node.stride,
            pads=pads,
            dilations=node.dilation,
            group=node.groups,
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
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return open_session(model, spinning=False)
