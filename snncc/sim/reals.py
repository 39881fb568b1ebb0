"""The real-valued network with a staircase switched on in some of its populations, in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, ValueInfoProto, helper

from snncc.sim.onnx_form import Builder
from snncc.sim.onnx_wiring import OPSET
from snncc.sim.session import open_session
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog, Grid, per_channel
from snncc_ir.nodes import Input, Population, Readout

Array = NDArray[Any]

BATCH = 64
"""Images that are run together."""


class RealEngine:
    """Runs a graph before `quantize`, in float32; each population may round to a grid of its own."""

    def __init__(self, graph: Graph) -> None:
        """Prepare one session that serves every choice of grids."""
        self.graph = graph
        self._session = open_session(_RealForm(graph).model())

    def run(self, images: Array, grids: Mapping[str, Grid]) -> dict[str, Array]:
        """Readouts `[N, *shape]` for real images `[N, *input shape]`; those without a grid stay real."""
        (source,) = self.graph.inputs
        feed: dict[str, Array] = {}
        for node in self.graph.populations:
            feed |= self._staircase(node, grids.get(node.name))
        names = [node.name for node in self.graph.of_type(Readout)]
        parts = []
        for first in range(0, len(images), BATCH):
            batch = np.asarray(images[first : first + BATCH], dtype=np.float32)
            parts.append(self._session.run(None, {**feed, f"real/{source.name}": batch}))
        joined = map(np.concatenate, zip(*parts, strict=True))
        return dict(zip(names, joined, strict=True))

    def _staircase(self, node: Population, grid: Grid | None) -> dict[str, Array]:
        shape = self.graph.types[node.name].shape
        scale = np.ones(shape[0]) if grid is None else grid.scale
        lo, hi = (0, 1) if grid is None else (grid.lo, grid.hi)
        return {
            f"on/{node.name}": np.array(grid is not None),
            f"scale/{node.name}": per_channel(scale, len(shape)).astype(np.float32),
            f"lo/{node.name}": np.array(lo, dtype=np.float32),
            f"hi/{node.name}": np.array(hi, dtype=np.float32),
        }


@dataclass
class _RealForm(Builder):
    """The ONNX model, whose inputs hold the image and each population's grid."""

    def model(self) -> ModelProto:
        for node in self.graph.nodes:
            self.add(node)
        inputs = []
        for node in self.graph.inputs:
            inputs.append(_float(f"real/{node.name}", ["N", *self.graph.types[node.name].shape]))
        for population in self.graph.populations:
            shape = self.graph.types[population.name].shape
            inputs.append(helper.make_tensor_value_info(f"on/{population.name}", TensorProto.BOOL, []))
            inputs.append(_float(f"scale/{population.name}", [shape[0], *(1,) * (len(shape) - 1)]))
            inputs += [_float(f"{bound}/{population.name}", []) for bound in ("lo", "hi")]
        outputs = [
            _float(f"out/{node.name}", ["N", *self.graph.types[node.name].shape])
            for node in self.graph.of_type(Readout)
        ]
        graph = helper.make_graph(self.nodes, self.graph.name, inputs, outputs, list(self.constants.values()))
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)

    def input(self, node: Input) -> None:
        self.emit("Identity", [f"real/{node.name}"], node.name)

    def readout(self, node: Readout) -> None:
        bias = np.asarray(node.bias.spread(self.graph.types[node.name].shape))
        self.emit("Identity", [self.drive(node, bias, exact=True)], f"out/{node.name}")

    def population(self, node: Population) -> None:
        neuron = node.neuron
        if not isinstance(neuron, Analog):
            raise TypeError("the real-valued form is that of a graph before quantize")
        shape = self.graph.types[node.name].shape
        drive = self.drive(node, np.asarray(neuron.bias.spread(shape)), exact=True)
        if neuron.slope is not None:
            slope = self.constant(per_channel(neuron.slope.data, len(shape)).astype(np.float32))
            drive = self.emit("PRelu", [drive, slope])
        bounds = [self.constant(np.array(bound, dtype=np.float32)) for bound in (neuron.low, neuron.high)]
        real = self.emit("Clip", [drive, *bounds])
        steps = self.emit("Div", [real, f"scale/{node.name}"])
        nearest = self.emit("Floor", [self.emit("Add", [steps, self.constant(np.array(0.5, np.float32))])])
        level = self.emit("Clip", [nearest, f"lo/{node.name}", f"hi/{node.name}"])
        rounded = self.emit("Mul", [level, f"scale/{node.name}"])
        self.emit("Where", [f"on/{node.name}", rounded, real], node.name)


def _float(name: str, shape: list[str | int]) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
