"""A graph's wiring as ONNX nodes, whatever flows through it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import singledispatchmethod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from snncc_ir.graph import Graph
from snncc_ir.nodes import (
    AnyNode,
    Concat,
    Input,
    Linear,
    MaxPool,
    Pad,
    Population,
    Readout,
    Repeat,
    Reshape,
    Slice,
    Transpose,
)

Array = NDArray[Any]
Attribute = int | str | Sequence[int]

OPSET = 13


@dataclass
class Writer(ABC):
    """Collects the nodes and constants of an ONNX model; what is no wiring is for a subclass to write."""

    graph: Graph
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)
    count: int = 0

    def emit(self, operation: str, inputs: Sequence[str], output: str = "", **attributes: Attribute) -> str:
        """Add an ONNX node and return the name of its output."""
        self.count += 1
        output = output or f"t/{self.count}"  # no node of the graph has a slash in its name
        made = helper.make_node(operation, list(inputs), [output], f"n/{self.count}")
        made.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(made)
        return output

    def constant(self, values: Array) -> str:
        """Add a constant and return its name."""
        name = f"c/{len(self.constants)}"
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    @singledispatchmethod
    def add(self, node: AnyNode) -> None:
        """Add the ONNX nodes of one node; linear nodes are added by whoever reads them."""
        if not isinstance(node, Linear):
            raise TypeError(f"{type(node).__name__} has no form in ONNX")

    @add.register
    def _add_input(self, node: Input) -> None:
        self.input(node)

    @add.register
    def _add_max_pool(self, node: MaxPool) -> None:
        begin_end = [*(pad[0] for pad in node.padding), *(pad[1] for pad in node.padding)]
        self.emit(
            "MaxPool", [node.source], node.name, kernel_shape=node.kernel, strides=node.stride, pads=begin_end
        )

    @add.register
    def _add_concat(self, node: Concat) -> None:
        self.emit("Concat", node.parts, node.name, axis=node.axis + 1)

    @add.register
    def _add_reshape(self, node: Reshape) -> None:
        self._reshaped(node.source, node.shape, node.name)

    @add.register
    def _add_transpose(self, node: Transpose) -> None:
        self.emit("Transpose", [node.source], node.name, perm=[0, *(axis + 1 for axis in node.axes)])

    @add.register
    def _add_slice(self, node: Slice) -> None:
        axes = np.arange(1, len(node.start) + 1)
        bounds = (np.array(node.start), np.array(node.stop), axes, np.array(node.step))
        self.emit("Slice", [node.source, *map(self.constant, bounds)], node.name)

    @add.register
    def _add_pad(self, node: Pad) -> None:
        source = self._spaced(node) if any(node.interior) else node.source
        pads = np.array([0, *(pad[0] for pad in node.padding), 0, *(pad[1] for pad in node.padding)])
        self.emit("Pad", [source, self.constant(pads)], node.name)

    def _spaced(self, node: Pad) -> str:
        """Zeros behind every position of every axis, without those behind the last one."""
        shape = self.graph.types[node.source].shape
        steps = [between + 1 for between in node.interior]
        cells = self._reshaped(node.source, [n for size in shape for n in (size, 1)])
        behind = [n for between in node.interior for n in (0, between)]
        pads = np.array([*(0,) * (2 * len(shape) + 1), 0, *behind])
        grown = self.emit("Pad", [cells, self.constant(pads)])
        full = [size * step for size, step in zip(shape, steps, strict=True)]
        whole = self._reshaped(grown, full)
        stops = [(size - 1) * step + 1 for size, step in zip(shape, steps, strict=True)]
        bounds = (np.zeros(len(shape), dtype=np.int64), np.array(stops), np.arange(1, len(shape) + 1))
        return self.emit("Slice", [whole, *map(self.constant, bounds)])

    def _reshaped(self, source: str, shape: Sequence[int], output: str = "") -> str:
        return self.emit("Reshape", [source, self.constant(np.array([-1, *shape]))], output)

    @add.register
    def _add_repeat(self, node: Repeat) -> None:
        shape = self.graph.types[node.source].shape
        cells = self._reshaped(node.source, [n for size in shape for n in (size, 1)])
        times = [1, *(n for factor in node.factors for n in (1, factor))]
        grown = self.emit("Tile", [cells, self.constant(np.array(times))])
        self._reshaped(grown, self.graph.types[node.name].shape, node.name)

    @add.register
    def _add_readout(self, node: Readout) -> None:
        self.readout(node)

    @add.register
    def _add_population(self, node: Population) -> None:
        self.population(node)

    @abstractmethod
    def input(self, node: Input) -> None:
        """Add the input as floating-point numbers."""

    @abstractmethod
    def readout(self, node: Readout) -> None:
        """Add a readout as an output."""

    @abstractmethod
    def population(self, node: Population) -> None:
        """Add a population's values."""
