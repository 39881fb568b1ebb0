"""The original network with statistics of its drives as outputs, so that ONNX Runtime computes them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from snncc.frontend.load import Model
from snncc.frontend.taps import Tap
from snncc_ir.nodes import Repeat, Reshape, Transpose
from snncc_ir.types import Shape

_KINDS = ("Min", "Max", "Mean")

_BLOCKS = (4, 2, 1)
"""Neighbouring positions that are picked together: one at a time would cost as much as all of the rest."""

_AXES_AS_INPUT = 18
"""Since this opset reductions take their axes as an input."""


@dataclass(frozen=True, eq=False)
class TappedModel:
    """The extended model. Its outputs are the least, greatest and mean values per channel, `[N, C]` with the
    channels of all taps side by side, and then for each tap picked positions `[N, C, B, K]`.

    Of every image `per_image` positions per channel are picked, or all where there are fewer.
    """

    proto: onnx.ModelProto
    outputs: tuple[str, ...]
    taps: Mapping[str, Tap]
    per_image: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of positions that occur."""
        return tuple(sorted({positions_of(tap) for tap in self.taps.values()}))

    def picked(self, size: int) -> int:
        """How many of `size` positions are picked."""
        return min(self.per_image, size)

    def choose(self, random: np.random.Generator) -> dict[str, NDArray[np.intp]]:
        """Inputs that pick random positions."""
        return {_chooser(size): self._choice(random, size) for size in self.sizes}

    def _choice(self, random: np.random.Generator, size: int) -> NDArray[np.intp]:
        block = _block(size, self.per_image)
        blocks, count = size // block, self.picked(size) // block
        return np.arange(size // block) if count >= blocks else random.choice(blocks, count, replace=False)


def _chooser(size: int) -> str:
    """The input that picks positions of drives with `size` of them."""
    return f"snncc/positions_{size}"


def _block(size: int, per_image: int) -> int:
    """Largest block that divides all positions and those picked."""
    picked = min(size, per_image)
    return next(block for block in _BLOCKS if size % block == 0 and picked % block == 0)


def positions_of(tap: Tap) -> int:
    """Number of positions of each of the tap's channels."""
    return math.prod(tap.shape[1:])


def tapped(model: Model, taps: Mapping[str, Tap], per_image: int) -> TappedModel:
    """The model with statistics of all taps as its outputs."""
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    del proto.graph.output[:]
    writer = _Writer(proto.graph, model.opset, per_image)
    flat = [writer.flat(f"snncc/tap_{index}", tap) for index, tap in enumerate(taps.values())]
    outputs = [writer.joined(kind, flat) for kind in _KINDS]
    outputs += [writer.picked(source, tap) for source, tap in zip(flat, taps.values(), strict=True)]
    proto.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in outputs)
    result = TappedModel(proto, tuple(outputs), dict(taps), per_image)
    for size in result.sizes:
        value = helper.make_tensor_value_info(_chooser(size), TensorProto.INT64, [None])
        proto.graph.input.append(value)
    return result


def with_outputs(model: Model, tensors: Sequence[str]) -> onnx.ModelProto:
    """The model with other tensors as its outputs."""
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    del proto.graph.output[:]
    proto.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in dict.fromkeys(tensors))
    return proto


class _Writer:
    """Appends nodes to a graph."""

    def __init__(self, graph: onnx.GraphProto, opset: int, per_image: int) -> None:
        self.per_image = per_image
        self.graph = graph
        self.opset = opset

    def flat(self, prefix: str, tap: Tap) -> str:
        """The tap's drive as float32 `[N, C, P]`, before gain and offset."""
        source = self._node("Cast", [tap.tensor], f"{prefix}/real", to=TensorProto.FLOAT)
        for index, step in enumerate(tap.undoing):
            name = f"{prefix}/undo_{index}"
            match step:
                case Reshape(shape=shape):
                    source = self._reshape(source, name, shape)
                case Transpose(axes=axes):
                    source = self._node("Transpose", [source], name, perm=[0, *(axis + 1 for axis in axes)])
                case Repeat(factors=factors):  # of axes of one position
                    times = self._constant(f"{name}/times", (1, *factors))
                    source = self._node("Tile", [source, times], name)
        return self._reshape(source, prefix, (tap.shape[0], positions_of(tap)))

    def joined(self, kind: str, sources: list[str]) -> str:
        """One reduction over the positions of every source, side by side."""
        parts = [self._reduced(kind, source, f"{source}/{kind}") for source in sources]
        return self._node("Concat", parts, f"snncc/{kind}", axis=1)

    def picked(self, source: str, tap: Tap) -> str:
        """The picked positions of a source, in blocks."""
        size = positions_of(tap)
        block = _block(size, self.per_image)
        blocks = self._reshape(source, f"{source}/blocks", (tap.shape[0], size // block, block))
        return self._node("Gather", [blocks, _chooser(size)], f"{source}/picked", axis=2)

    def _reduced(self, kind: str, source: str, result: str) -> str:
        if self.opset < _AXES_AS_INPUT:
            return self._node(f"Reduce{kind}", [source], result, axes=[2], keepdims=0)
        axes = self._constant(f"{result}/axes", (2,))
        return self._node(f"Reduce{kind}", [source, axes], result, keepdims=0)

    def _reshape(self, source: str, result: str, shape: Shape) -> str:
        """Reshape that leaves the batch axis first."""
        return self._node("Reshape", [source, self._constant(f"{result}/shape", (-1, *shape))], result)

    def _constant(self, name: str, values: Shape) -> str:
        self.graph.initializer.append(numpy_helper.from_array(np.array(values, dtype=np.int64), name))
        return name

    def _node(self, op: str, inputs: list[str], result: str, **attributes: int | list[int]) -> str:
        node = helper.make_node(op, inputs, [result], name=result)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.graph.node.append(node)
        return result
