"""An integer graph as an ONNX model in float32 that computes the very same integers.

Float32 holds every integer below 2^24, so a population is computed in float32 exactly where its width
certificate stays below that. Where it does not, its sources' levels are split into digits that are small
enough, each digit's drive is computed in float32, and the sum is made in float64 (DESIGN, section 9).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import singledispatchmethod

import numpy as np
import onnx
from onnx import TensorProto, helper

from snncc.sim.onnx_wiring import OPSET, Array, Writer
from snncc.sim.tables import Line, find_line, table_places
from snncc_ir.certificates import drive_interval
from snncc_ir.graph import Graph
from snncc_ir.linear import pool_factors
from snncc_ir.neurons import Staircase, Table, per_channel
from snncc_ir.nodes import (
    Conv,
    Dense,
    Input,
    Linear,
    Population,
    Readout,
    Scale,
    SumPool,
)
from snncc_ir.types import Levels, Shape

EXACT = 1 << 24
"""Float32 holds every integer of smaller magnitude."""

FEW_LEVELS = 8
"""Tables of so few levels are compared one by one."""


def to_onnx(graph: Graph, levels: Iterable[str]) -> onnx.ModelProto:
    """A model with the graph's inputs (uint8, int8 or int16 levels), whose outputs are the levels of the
    named values, as integers, and the drives of the readouts, as float64.
    """
    return Builder(graph).build(tuple(levels))


def level_type(levels: Levels) -> int:
    """Narrowest ONNX integer type that holds the levels."""
    if levels.lo >= 0:
        return int(TensorProto.UINT8 if levels.hi < 256 else TensorProto.INT16)
    return int(TensorProto.INT8 if levels.lo >= -128 and levels.hi < 128 else TensorProto.INT16)


@dataclass
class Builder(Writer):
    """Writes neurons and linear maps as well."""

    def build(self, levels: tuple[str, ...]) -> onnx.ModelProto:
        for node in self.graph.nodes:
            self.add(node)
        inputs = [self._value_info(node.name, "levels", node.name) for node in self.graph.inputs]
        outputs = [self._level_output(name) for name in levels]
        outputs += [self._drive_output(node) for node in self.graph.of_type(Readout)]
        graph = helper.make_graph(self.nodes, self.graph.name, inputs, outputs, list(self.constants.values()))
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)

    def _value_info(self, node: str, prefix: str, name: str) -> onnx.ValueInfoProto:
        levels = self.graph.levels(node)
        return helper.make_tensor_value_info(f"{prefix}/{name}", level_type(levels), ["N", *levels.shape])

    def _level_output(self, name: str) -> onnx.ValueInfoProto:
        self.emit("Cast", [name], f"out/{name}", to=level_type(self.graph.levels(name)))
        return self._value_info(name, "out", name)

    def _drive_output(self, node: Readout) -> onnx.ValueInfoProto:
        shape: list[str | int | None] = ["N", *self.graph.types[node.name].shape]
        return helper.make_tensor_value_info(f"out/{node.name}", TensorProto.DOUBLE, shape)

    def input(self, node: Input) -> None:
        """Add the input as floating-point numbers."""
        self.emit("Cast", [f"levels/{node.name}"], node.name, to=TensorProto.FLOAT)

    def readout(self, node: Readout) -> None:
        """Add a readout's drive as an output."""
        bias = np.asarray(node.bias.spread(self.graph.types[node.name].shape))
        exact = self._is_narrow(node, bias)
        total = self.drive(node, bias, exact)
        if exact:
            total = self.emit("Cast", [total], to=TensorProto.DOUBLE)
        self.emit("Identity", [total], f"out/{node.name}")

    def population(self, node: Population) -> None:
        """Add a population's levels."""
        shape = self.graph.types[node.name].shape
        match node.neuron:
            case Staircase(theta=theta, bias=bias, lo=lo, hi=hi):
                offset = np.asarray(bias.spread(shape) + per_channel(theta.data // 2, len(shape)))
                exact = self._is_narrow(node, offset)
                kind = np.float32 if exact else np.float64
                v = self.drive(node, offset, exact)
                steps = self.emit("Div", [v, self.constant(per_channel(theta.data, len(shape)).astype(kind))])
                whole = self.emit("Floor", [steps])
                bounds = [self.constant(np.array(bound, dtype=kind)) for bound in (lo, hi)]
                self._to_levels(self.emit("Clip", [whole, *bounds]), node.name, exact)
            case Table():
                self._table(node, node.neuron)
            case _:
                raise TypeError("an analog unit has no integer form")

    def _to_levels(self, value: str, name: str, exact: bool) -> None:
        if exact:
            self.emit("Identity", [value], name)
        else:
            self.emit("Cast", [value], name, to=TensorProto.FLOAT)

    def _table(self, node: Population, neuron: Table) -> None:
        """n = lo + the number of breakpoints that U reaches."""
        shape = self.graph.types[node.name].shape
        exact = self._is_narrow(node, np.asarray(neuron.breakpoints.data))
        drive = self.drive(node, None, exact)
        line = find_line(neuron, drive_interval(self.graph, node)) if exact else None
        if neuron.hi - neuron.lo <= FEW_LEVELS:
            level = self._counted(drive, neuron.spread(shape), neuron.lo, exact)
        elif line is None:
            level = self._searched(drive, neuron, shape, exact)
        else:
            level = self._looked_up(drive, neuron, line, shape)
        self._to_levels(level, node.name, exact=True)

    def _counted(self, drive: str, steps: Array, lo: int, exact: bool) -> str:
        total = self.constant(np.array(lo, dtype=np.float32))
        for level in np.moveaxis(steps, -1, 0):
            constant = self.constant(level.astype(np.float32 if exact else np.float64))
            reached = self.emit("GreaterOrEqual", [drive, constant])
            total = self.emit("Add", [total, self.emit("Cast", [reached], to=TensorProto.FLOAT)])
        return total

    def _looked_up(self, drive: str, neuron: Table, line: Line, shape: Shape) -> str:
        """estimate + [U >= B(estimate + 1)] - [U < B(estimate)], with breakpoints gathered from one list."""
        rank, count = len(shape), neuron.hi - neuron.lo
        slope, start = (self.constant(per_channel(values, rank)) for values in (line.slope, line.start))
        estimate = self.emit("Floor", [self.emit("Add", [self.emit("Mul", [drive, slope]), start])])
        bounds = [self.constant(np.array(bound, dtype=np.float32)) for bound in (0, count)]
        estimate = self.emit("Clip", [estimate, *bounds])
        table = neuron.breakpoints.data.reshape(-1, count).astype(np.float32)
        ends = np.full((len(table), 1), np.inf, dtype=np.float32)
        entries = self.constant(np.concatenate([-ends, table, ends], axis=1).reshape(-1))
        places = table_places(neuron, shape) * (count + 2)
        index = self.emit("Add", [self.emit("Cast", [estimate], to=TensorProto.INT32), self.constant(places)])
        at = self.emit("Gather", [entries, index])
        after = self.emit(
            "Gather", [entries, self.emit("Add", [index, self.constant(np.array(1, dtype=np.int32))])]
        )
        up = self.emit("Cast", [self.emit("GreaterOrEqual", [drive, after])], to=TensorProto.FLOAT)
        down = self.emit("Cast", [self.emit("Less", [drive, at])], to=TensorProto.FLOAT)
        level = self.emit("Sub", [self.emit("Add", [estimate, up]), down])
        return self.emit("Add", [level, self.constant(np.array(neuron.lo, dtype=np.float32))])

    def _searched(self, drive: str, neuron: Table, shape: Shape, exact: bool) -> str:
        """lo + the number of breakpoints that U reaches, by binary search in the place's row.

        A row is filled up with infinity to 2^k entries, the first of which is never read.
        """
        count = neuron.hi - neuron.lo
        bits = count.bit_length()
        table = neuron.breakpoints.data.reshape(-1, count)
        rows = np.full((len(table), 1 << bits), np.inf, dtype=np.float32 if exact else np.float64)
        rows[:, 1 : count + 1] = table
        entries = self.constant(rows.reshape(-1))
        first = self.constant(table_places(neuron, shape).astype(np.int64) << bits)
        place = first
        for bit in reversed(range(bits)):
            step = self.constant(np.array(1 << bit))
            level = self.emit("Gather", [entries, self.emit("Add", [place, step])])
            reached = self.emit("Cast", [self.emit("GreaterOrEqual", [drive, level])], to=TensorProto.INT64)
            place = self.emit("Add", [place, self.emit("Mul", [reached, step])])
        found = self.emit("Cast", [self.emit("Sub", [place, first])], to=TensorProto.FLOAT)
        return self.emit("Add", [found, self.constant(np.array(neuron.lo, dtype=np.float32))])

    # Drives.

    def _is_narrow(self, node: Population | Readout, offset: Array) -> bool:
        """True where U, U + offset and every partial sum of them stay below 2^24 in magnitude."""
        bound = drive_interval(self.graph, node)
        low, high = int(bound.low.min()), int(bound.high.max())
        reach = max(-low, high) + max(abs(int(offset.min())), abs(int(offset.max())))
        return reach < EXACT

    def drive(self, node: Population | Readout, offset: Array | None, exact: bool) -> str:
        """Sum of the projections and the offset, in float32 if `exact`, else in float64."""
        kind = np.float32 if exact else np.float64
        terms = []
        for projection in self.graph.projections(node):
            terms.append(self._narrow(projection) if exact else self._wide(projection))
        if offset is not None:  # right behind the first term: ONNX Runtime makes it a convolution's bias
            terms.insert(1, self.constant(offset.astype(kind)))
        total = terms[0]
        for term in terms[1:]:
            total = self.emit("Add", [total, term])
        return total

    def _narrow(self, projection: Linear) -> str:
        return self._project(projection, projection.source, np.float32)

    def _wide(self, projection: Linear) -> str:
        """The drive in float64, digit by digit of the source's levels."""
        if isinstance(projection, Scale):
            wide = self.emit("Cast", [projection.source], to=TensorProto.DOUBLE)
            return self._project(projection, wide, np.float64)
        if isinstance(projection, SumPool) and self._sums_are_exact(projection):
            sums = self.emit("Cast", [self._pool_sums(projection, np.float32)], to=TensorProto.DOUBLE)
            return self.emit("Mul", [sums, self.constant(self._pool_weights(projection).astype(np.float64))])
        digit_bits, digits = self._digits(projection)
        total = ""
        rest = projection.source
        for index in range(digits):
            digit, rest = self._split(rest, digit_bits) if index < digits - 1 else (rest, "")
            part = self.emit("Cast", [self._project(projection, digit, np.float32)], to=TensorProto.DOUBLE)
            weight = self.constant(np.array(float(1 << (digit_bits * index))))
            part = self.emit("Mul", [part, weight])
            total = self.emit("Add", [total, part]) if total else part
        return total

    def _digits(self, projection: Linear) -> tuple[int, int]:
        """Bits per digit and number of digits so that the drive of each digit is exact in float32."""
        levels = self.graph.levels(projection.source)
        per_unit = int(
            np.abs(projection.weight.data).reshape(projection.weight.shape[0], -1).sum(axis=1).max()
        )
        if isinstance(projection, SumPool):
            per_unit *= int(pool_factors(projection, levels.shape).max()) * int(np.prod(projection.kernel))
        digit_bits = max(1, ((EXACT - 1) // max(per_unit, 1)).bit_length() - 1)
        if per_unit << digit_bits >= EXACT:  # the highest digit of a negative level may be -2^bits
            raise OverflowError(f"the drive of {projection.name} is too wide for this engine")
        return digit_bits, -(-max(levels.hi, -levels.lo).bit_length() // digit_bits)

    def _split(self, value: str, bits: int) -> tuple[str, str]:
        """Low digit (0 .. 2^bits - 1) and the rest, by floor division; exact on negative levels too."""
        base = self.constant(np.array(float(1 << bits), dtype=np.float32))
        rest = self.emit("Floor", [self.emit("Div", [value, base])])
        return self.emit("Sub", [value, self.emit("Mul", [rest, base])]), rest

    @singledispatchmethod
    def _project(self, node: Linear, source: str, kind: type) -> str:
        raise TypeError(f"{type(node).__name__} is no linear node")

    @_project.register
    def _(self, node: Conv, source: str, kind: type) -> str:
        weight = self.constant(node.weight.data.astype(kind))
        pads = [*(pad[0] for pad in node.padding), *(pad[1] for pad in node.padding)]
        return self.emit(
            "Conv",
            [source, weight],
            strides=node.stride,
            pads=pads,
            dilations=node.dilation,
            group=node.groups,
        )

    @_project.register
    def _(self, node: Dense, source: str, kind: type) -> str:
        return self.emit("MatMul", [source, self.constant(node.weight.data.T.astype(kind))])

    @_project.register
    def _(self, node: Scale, source: str, kind: type) -> str:
        rank = len(self.graph.types[node.name].shape)
        return self.emit("Mul", [source, self.constant(per_channel(node.weight.data, rank).astype(kind))])

    @_project.register
    def _(self, node: SumPool, source: str, kind: type) -> str:
        sums = self._pool_sums(node, kind, source)
        return self.emit("Mul", [sums, self.constant(self._pool_weights(node).astype(kind))])

    def _sums_are_exact(self, node: SumPool) -> bool:
        """True where the sums of a window's levels, without any weight, stay below 2^24."""
        levels = self.graph.levels(node.source)
        return max(levels.hi, -levels.lo) * int(np.prod(node.kernel)) < EXACT

    def _pool_sums(self, node: SumPool, kind: type, source: str = "") -> str:
        channels = self.graph.types[node.source].shape[0]
        ones = self.constant(np.ones((channels, 1, *node.kernel), dtype=kind))
        pads = [*(pad[0] for pad in node.padding), *(pad[1] for pad in node.padding)]
        return self.emit(
            "Conv", [source or node.source, ones], strides=node.stride, pads=pads, group=channels
        )

    def _pool_weights(self, node: SumPool) -> Array:
        channels, height, width = self.graph.types[node.source].shape
        return np.asarray(pool_factors(node, (channels, height, width)) * per_channel(node.weight.data, 3))
