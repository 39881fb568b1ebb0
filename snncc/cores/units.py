"""A graph as what lies on cores: groups of neurons, and what each of them reads."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from snncc.cores.axes import Axis
from snncc_ir.codes import Code, Reset
from snncc_ir.graph import Graph
from snncc_ir.linear import pool_factors, wire
from snncc_ir.machine import Core, Machine
from snncc_ir.nodes import Conv, Dense, Input, Linear, MaxPool, Population, Readout, Scale, SumPool, Wiring
from snncc_ir.pixels import bias_inputs
from snncc_ir.plan import Partial, three_axes
from snncc_ir.tensors import signed_bits
from snncc_ir.timing import Rate

Ids = NDArray[np.int32]

LEAST_DELAY_BITS = 3
"""A synapse with a delay has a field of 3 bits or more (NxTF, synapse_compression.py)."""


@dataclass(frozen=True, eq=False)
class Read:
    """A projection, or the window of a pool, into a unit.

    `elements[C, H, W]` are the neurons behind the value that is read, -1 where that is padding; output
    channel o reads the channels of group o // `outputs_per_group`. A synapse has `bits`, `copies` times.
    """

    name: str
    elements: Ids
    rows: Axis
    columns: Axis
    inputs_per_group: int
    outputs_per_group: int
    bits: int
    copies: int = 1
    same: bool = False

    @cached_property
    def padded(self) -> bool:
        """True where some of the elements are padding."""
        return bool((self.elements < 0).any())

    @cached_property
    def signature(self) -> tuple[object, ...]:
        """Equal for reads that take the same from every core."""
        key = (self.rows, self.columns, self.inputs_per_group, self.outputs_per_group, self.bits, self.copies)
        return (*key, id(self.elements) if self.padded else None)

    @property
    def used(self) -> Ids:
        """The elements at positions that any output reads."""
        return self.elements[:, self.rows.whole.positions][:, :, self.columns.whole.positions]

    @cached_property
    def least(self) -> int:
        """Neurons that are read by anything."""
        return int((self.used >= 0).sum())


@dataclass(frozen=True, eq=False)
class Unit:
    """Neurons `first`, `first + 1`, ...; each takes `compartments` of a core (0: it lies on none)."""

    name: str
    shape: tuple[int, int, int]
    first: int
    compartments: int
    reads: tuple[Read, ...] = ()

    @property
    def size(self) -> int:
        """Neurons."""
        return math.prod(self.shape)

    @property
    def selves(self) -> int:
        """Synapses of a neuron to itself, each with its two axons."""
        return max(0, self.compartments - 1)

    @property
    def signature(self) -> tuple[object, ...]:
        """Equal for units whose tiles take the same from every core."""
        return (self.shape, self.compartments, *(read.signature for read in self.reads))


@dataclass(frozen=True)
class Network:
    """Units in an order in which sources come before readers, on cores of one kind."""

    core: Core
    units: tuple[Unit, ...]
    partials: tuple[Partial, ...] = field(default=())

    @cached_property
    def by_name(self) -> dict[str, Unit]:
        """Every unit under its name."""
        return {unit.name: unit for unit in self.units}

    @property
    def neurons(self) -> int:
        """Neurons of all units."""
        last = max(self.units, key=lambda unit: unit.first)
        return last.first + last.size


def network_of(graph: Graph, machine: Machine) -> Network:
    """The units of an integer graph."""
    if machine.core is None:
        raise ValueError(f"{machine.name} has no cores")
    maker = _Maker(graph, machine, machine.core)
    for node in graph.nodes:
        maker.add(node)
    return Network(machine.core, tuple(maker.units))


class _Maker:
    """Numbers the neurons, and follows the wiring between them."""

    def __init__(self, graph: Graph, machine: Machine, core: Core) -> None:
        self.graph, self.machine, self.core = graph, machine, core
        self.units: list[Unit] = []
        self.values: dict[str, Ids] = {}
        self.first = 0
        self.biases = frozenset[str]() if machine.payload_bits.value else bias_inputs(graph)

    def add(self, node: object) -> None:
        match node:
            case Input():
                own = 0 if node.name in self.biases else self.core.input_compartments.value
                self._unit(node.name, own, ())
            case MaxPool():
                self._unit(node.name, self.core.pool_compartments.value, (self._pool(node),))
            case Wiring():
                parts = (self.values[source][None] + 1 for source in node.sources)
                self.values[node.name] = np.asarray(wire(node, *parts)[0] - 1, dtype=np.int32)
            case Population():
                self._unit(node.name, compartments_of(self.graph, node, self.core), self._reads(node))
            case Readout():
                self._unit(node.name, 1, self._reads(node))

    def _unit(self, name: str, compartments: int, reads: tuple[Read, ...]) -> None:
        shape = self.graph.types[name].shape
        unit = Unit(name, three_axes(shape), self.first, compartments, reads)
        self.values[name] = np.arange(self.first, self.first + unit.size, dtype=np.int32).reshape(shape)
        self.first += unit.size
        self.units.append(unit)

    def _reads(self, node: Population | Readout) -> tuple[Read, ...]:
        return tuple(
            self._read(node, projection)
            for projection in self.graph.projections(node)
            if projection.source not in self.biases
        )

    def _read(self, node: Population | Readout, projection: Linear) -> Read:
        read = self._mapped(projection)
        delay = delay_of(self.graph, node, projection)
        return replace(read, bits=read.bits + max(LEAST_DELAY_BITS, delay.bit_length())) if delay else read

    def _mapped(self, node: Linear) -> Read:
        source = self.graph.types[node.source].shape
        elements = self.values[node.source].reshape(three_axes(source))
        (_, height, width), (_, high, wide) = (
            three_axes(source),
            three_axes(self.graph.types[node.name].shape),
        )
        bits, copies = synapse_size(node, source, self.machine.weight_bits.value)
        match node:
            case Conv():
                outputs, inputs = node.weight.shape[:2]
                (top, _), (left, _) = node.padding
                rows = Axis(height, high, node.weight.shape[2], node.stride[0], top, node.dilation[0])
                columns = Axis(width, wide, node.weight.shape[3], node.stride[1], left, node.dilation[1])
                return Read(node.name, elements, rows, columns, inputs, outputs // node.groups, bits, copies)
            case Dense():
                outputs, inputs = node.weight.shape
                return Read(node.name, elements, Axis(1, 1), Axis(1, 1), inputs, outputs, bits, copies)
            case Scale():
                axes = Axis(height, high), Axis(width, wide)
                return Read(node.name, elements, *axes, 1, 1, bits, copies)
            case SumPool():
                pooled = tuple(
                    Axis(
                        size,
                        out,
                        kernel,
                        stride,
                        before,
                        averaged=_inside(size, out, kernel, stride, before, node),
                    )
                    for size, out, kernel, stride, (before, _) in zip(
                        (height, width), (high, wide), node.kernel, node.stride, node.padding, strict=True
                    )
                )
                return Read(node.name, elements, pooled[0], pooled[1], 1, 1, bits, copies)
            case _:
                raise TypeError(f"{type(node).__name__} is no linear node")

    def _pool(self, node: MaxPool) -> Read:
        source = self.graph.types[node.source].shape
        (_, height, width), (_, high, wide) = source, self.graph.types[node.name].shape
        (top, _), (left, _) = node.padding
        rows = Axis(height, high, node.kernel[0], node.stride[0], top, same=True)
        columns = Axis(width, wide, node.kernel[1], node.stride[1], left, same=True)
        return Read(node.name, self.values[node.source], rows, columns, 1, 1, 1, same=True)


def compartments_of(graph: Graph, node: Population, core: Core) -> int:
    """Compartments of a neuron: more where it subtracts its threshold."""
    hard = graph.timing.reset is Reset.ZERO if isinstance(graph.timing, Rate) else False
    subtracts = node.code not in (Code.GRADED, Code.TTFS) and not hard
    return core.soft_compartments.value if subtracts else 1


def _inside(size: int, outputs: int, kernel: int, stride: int, before: int, node: SumPool) -> tuple[int, ...]:
    """Taps of every output along one axis that an average counts."""
    if node.count_padding:
        return (kernel,) * outputs
    starts = [output * stride - before for output in range(outputs)]
    return tuple(min(start + kernel, size) - max(start, 0) for start in starts)


def synapse_size(node: Linear, source: tuple[int, ...], limit: int) -> tuple[int, int]:
    """Bits of a synapse and how many of them stand for one weight; a sum pool's factors are included."""
    bits = node.weight.bits or 0
    if isinstance(node, SumPool):
        factors = np.unique(pool_factors(node, (source[0], source[1], source[2])))
        bits = signed_bits(np.multiply.outer(node.weight.data.astype(np.int64), factors))
    elif isinstance(node, Scale):
        bits = signed_bits(node.weight.data.astype(np.int64))
    copies = math.ceil(bits / limit)
    return min(bits, limit), copies


def delay_of(graph: Graph, node: Population | Readout, projection: Linear) -> int:
    """Steps that a `rate` projection waits for the longest path into its reader; 0 for other codes."""
    if not isinstance(graph.timing, Rate):
        return 0
    latest = max(strand.slot for name in node.drives for strand in graph.strands[name])
    return latest - min(strand.slot for strand in graph.strands[projection.name])
