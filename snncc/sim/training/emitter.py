"""Collects the nodes of an ONNX model in float32; what no output needs is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from snncc_ir.types import Shape

Array = NDArray[Any]
Attribute = int | float | Sequence[int]

OPSET = 13


class Emitter:
    """Adds one operation after the other; every value has a name and a fixed shape.

    What was emitted before, of the same inputs, is not emitted again.
    """

    def __init__(self) -> None:
        """Start without any node."""
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._known: dict[bytes, str] = {}

    def __call__(self, operation: str, *inputs: str, **attributes: Attribute) -> str:
        """Name of the first output of a new node of the given ONNX operation."""
        node = helper.make_node(operation, list(inputs), [])
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        key, output = node.SerializeToString(deterministic=True), f"t{len(self._nodes)}"
        if key not in self._known:
            self._known[key] = output
            node.output.append(output)
            self._nodes.append(node)
        return self._known[key]

    def floats(self, values: Array | float) -> str:
        """Name of a float32 constant."""
        return self._constant(np.array(values, dtype=np.float32, order="C"))

    def integers(self, values: Array | Sequence[int]) -> str:
        """Name of an int64 constant: shapes, axes, indices."""
        return self._constant(np.array(values, dtype=np.int64, order="C"))

    def _constant(self, values: Array) -> str:
        tensor, name = numpy_helper.from_array(values), f"c{len(self._constants)}"
        key = sha256(tensor.SerializeToString(deterministic=True)).digest()
        if key not in self._known:
            self._known[key] = name
            tensor.name = name
            self._constants.append(tensor)
        return self._known[key]

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        """The same values in row-major order under another shape."""
        return self("Reshape", x, self.integers(shape))

    def total(self, x: str, axes: Sequence[int] | range) -> str:
        """Sum over `axes`, which disappear."""
        return self("ReduceSum", x, self.integers(list(axes)), keepdims=0)

    def model(self, inputs: Mapping[str, Shape], outputs: Mapping[str, str]) -> onnx.ModelProto:
        """A model whose `outputs` (name to value) are computed from float32 `inputs` (name to shape)."""
        named = [helper.make_node("Identity", [value], [name]) for name, value in outputs.items()]
        needed, used = [*named], {value for node in named for value in node.input}
        for node in reversed(self._nodes):
            if used.intersection(node.output):
                needed.append(node)
                used.update(node.input)
        graph = helper.make_graph(
            needed[::-1],
            "training",
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                for name, shape in inputs.items()
                if name in used
            ],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            [constant for constant in self._constants if constant.name in used],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
