"""Recounts a plan synapse by synapse, and says what of it breaks a limit of the chip.

Nothing here is shared with what makes plans: populations are walked neuron by neuron and tap by tap, lists of
synapses are compared by what they reach, and axons are counted at both ends.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snncc_ir.codes import Code, Reset
from snncc_ir.graph import Graph
from snncc_ir.linear import pool_counts, pool_divisor, wire
from snncc_ir.machine import Core, Machine, Mesh
from snncc_ir.nodes import AnyNode, Conv, Dense, Input, Linear, MaxPool, Population, Readout, SumPool, Wiring
from snncc_ir.pixels import bias_inputs
from snncc_ir.plan import RESOURCES, Plan, Slice, Usage, three_axes
from snncc_ir.tensors import signed_bits
from snncc_ir.timing import Rate

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

BASE = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that powers of it are a base for sums that do not change when all targets are shifted."""


@dataclass(frozen=True)
class Synapses:
    """One entry per synapse: the element of the value that is read, the compartment reached, the weight."""

    element: Ints
    target: Ints
    weight: Ints


@dataclass(frozen=True)
class Projection:
    """Something that a unit reads: `neurons` behind each element of the value, -1 for padding.

    A weight takes `copies` synapses of `bits`; `channels` are those of a partial sum.
    """

    node: Linear | MaxPool | None
    neurons: Ints
    bits: int
    copies: int = 1
    channels: tuple[int, int] | None = None


def check_plan(graph: Graph, machine: Machine, plan: Plan) -> tuple[str, ...]:
    """Everything that is wrong with a plan; empty where it holds."""
    if machine.core is None or machine.mesh is None:
        return (f"{machine.name} has no cores",)
    unknown = (*_partials(graph, plan), *_places(plan, machine.mesh))
    if unknown:
        return unknown
    checker = _Checker(graph, machine, machine.core, plan)
    return tuple(checker.outside()) or (*checker.coverage(), *checker.usage())


def _partials(graph: Graph, plan: Plan) -> Iterator[str]:
    """Sums that are not split into each of their input channels once."""
    inputs: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for part in plan.partials:
        inputs.setdefault((part.owner, part.projection), []).append(part.inputs)
    for (owner, projection), intervals in inputs.items():
        reader, node = graph.by_name.get(owner), graph.by_name.get(projection)
        known = isinstance(reader, Population | Readout) and node in graph.projections(reader)
        if not known or not isinstance(node, Conv | Dense):
            yield f"{owner} adds no parts of {projection}"
            continue
        edges = [0, *(edge for interval in sorted(intervals) for edge in interval), node.weight.shape[1]]
        if edges[::2] != edges[1::2] or any(start >= stop for start, stop in intervals):
            yield f"{owner}: the parts of {projection} are not each of its inputs once"


def _places(plan: Plan, mesh: Mesh) -> Iterator[str]:
    if len(plan.places) != len(plan.cores):
        yield f"{len(plan.cores)} cores have {len(plan.places)} places"
    for place, number in Counter(plan.places).items():
        if number > mesh.router_cores.value:
            yield f"{place}: {number} cores at a router of {mesh.router_cores.value}"
        if not (
            0 <= place.column < mesh.columns.value and 0 <= place.row < mesh.rows.value and place.chip >= 0
        ):
            yield f"{place} is outside the mesh"


class _Checker:
    """The graph as numbered neurons, and the plan's slices of them."""

    def __init__(self, graph: Graph, machine: Machine, core: Core, plan: Plan) -> None:
        self.graph, self.machine, self.core, self.plan = graph, machine, core, plan
        self.shapes: dict[str, tuple[int, int, int]] = {}
        self.compartments: dict[str, int] = {}
        self.ids: dict[str, Ints] = {}
        self.reads: dict[str, list[Projection]] = {}
        self.neurons = self.longest = 0
        self.biases = bias_inputs(graph) if machine.payload_bits.value == 0 else frozenset[str]()
        self.parts = {(part.owner, part.projection) for part in plan.partials}
        for node in graph.nodes:
            self._walk(node)
        for part in plan.partials:
            self._split(part.name, part.projection, part.owner, part.inputs)

    def _walk(self, node: AnyNode) -> None:
        match node:
            case Input():
                is_bias = node.name in self.biases
                self._number(node.name, 0 if is_bias else self.core.input_compartments.value)
            case MaxPool():
                self._number(node.name, self.core.pool_compartments.value)
                self.reads[node.name] = [Projection(node, self.ids[node.source], 1)]
            case Wiring():
                moved = wire(node, *(self.ids[source][None] + 1 for source in node.sources))
                self.ids[node.name] = np.asarray(moved[0] - 1, dtype=np.int64)
            case Population() | Readout():
                single = isinstance(node, Readout) or not self._resets_softly(node)
                self._number(node.name, 1 if single else self.core.soft_compartments.value)
                self.reads[node.name] = [
                    Projection(linear, self.ids[linear.source], *self._bits(node, linear))
                    for linear in self.graph.projections(node)
                    if (node.name, linear.name) not in self.parts and linear.source not in self.biases
                ]

    def _number(self, name: str, compartments: int) -> None:
        shape = self.graph.types[name].shape
        self._name(name, three_axes(shape), compartments)
        self.ids[name] = self.ids[name].reshape(shape)

    def _name(self, name: str, shape: tuple[int, int, int], compartments: int) -> None:
        size = math.prod(shape)
        self.ids[name] = np.arange(self.neurons, self.neurons + size, dtype=np.int64)
        self.shapes[name], self.compartments[name] = shape, compartments
        self.neurons += size
        self.reads[name] = []

    def _split(self, name: str, projection: str, owner: str, inputs: tuple[int, int]) -> None:
        node, reader = self.graph.by_name[projection], self.graph.by_name[owner]
        if not isinstance(node, Linear) or not isinstance(reader, Population | Readout):
            raise TypeError(f"{name} is part of no projection")
        self._name(name, self.shapes[owner], 1)
        self.reads[name] = [Projection(node, self.ids[node.source], *self._bits(reader, node), inputs)]
        self.reads[owner].append(Projection(None, self.ids[name].reshape(self.shapes[owner]), 1))

    def _resets_softly(self, node: Population) -> bool:
        if isinstance(self.graph.timing, Rate):
            return self.graph.timing.reset is Reset.SUBTRACT
        return node.code in (Code.RADIX, Code.COUNT, Code.STBIF)

    def _bits(self, reader: Population | Readout, node: Linear) -> tuple[int, int]:
        """Bits of a synapse with its delay, and how many stand for one weight."""
        values = node.weight.data
        if isinstance(node, SumPool):
            shape = self.graph.types[node.source].shape
            image = (shape[0], shape[1], shape[2])
            values = np.multiply.outer(
                values, pool_divisor(node, image) // np.unique(pool_counts(node, image))
            )
        exact = node.weight.bits or 0 if isinstance(node, Conv | Dense) else signed_bits(values)
        limit = self.machine.weight_bits.value
        return min(exact, limit) + self._delay_bits(reader, node), -(-exact // limit)

    def _delay_bits(self, reader: Population | Readout, node: Linear) -> int:
        if not isinstance(self.graph.timing, Rate):
            return 0
        slots = [strand.slot for name in reader.drives for strand in self.graph.strands[name]]
        delay = max(slots) - min(strand.slot for strand in self.graph.strands[node.name])
        return max(3, delay.bit_length()) if delay else 0

    def outside(self) -> Iterator[str]:
        """Slices of what has no neurons there."""
        for item in self._slices():
            if not self.compartments.get(item.unit):
                yield f"{item.unit} has no neurons to place"
            elif not all(
                0 <= start < stop <= size
                for (start, stop), size in zip(item.box, self.shapes[item.unit], strict=True)
            ):
                yield f"{item} lies outside its population"

    def coverage(self) -> Iterator[str]:
        """Neurons that are on no core or on several."""
        times = np.zeros(self.neurons, dtype=np.int64)
        for item in self._slices():
            times[self._own(item)] += 1
        for name, number in self.compartments.items():
            wrong = int((times[self.ids[name].ravel()] != (number > 0)).sum())
            if wrong:
                yield f"{name}: {wrong} neurons are not on one core"

    def _slices(self) -> Iterator[Slice]:
        for core in self.plan.cores:
            yield from core.slices

    def _own(self, item: Slice) -> Ints:
        """The neurons of a slice, channel by channel."""
        box = tuple(slice(*axis) for axis in item.box)
        return self.ids[item.unit].reshape(self.shapes[item.unit])[box].ravel()

    def usage(self) -> Iterator[str]:
        """Cores whose usage is not what the plan says, or beyond a limit."""
        chip = np.array([place.chip for place in self.plan.places], dtype=np.int64)
        self.crossing = np.zeros(self.neurons, dtype=np.int64)
        self.leaving = np.zeros(self.neurons, dtype=np.int64)
        home = np.full(self.neurons, -1, dtype=np.int64)
        for index, core in enumerate(self.plan.cores):
            for item in core.slices:
                home[self._own(item)] = chip[index]
        counted = []
        for index, core in enumerate(self.plan.cores):
            parts = [self._slice_usage(item, home, int(chip[index])) for item in core.slices]
            counted.append([sum(column) for column in zip((0,) * len(RESOURCES), *parts, strict=True)])
        for index, core in enumerate(self.plan.cores):
            found = counted[index]
            found[3] += sum(self._output_axons(item) for item in core.slices)
            yield from self._compare(index, (found[0], found[1], found[2], found[3], found[4], found[5]))
        if self.longest > self.core.list_words.value:
            yield f"a list of {self.longest} words, the longest may have {self.core.list_words.value}"

    def _compare(self, index: int, found: Usage) -> Iterator[str]:
        limits = self.core
        most = (limits.compartments, limits.synapse_words, limits.input_axons, limits.output_axons)
        rest = (limits.populations, limits.projections)
        claimed = self.plan.cores[index].usage
        for resource, count, claim, limit in zip(RESOURCES, found, claimed, (*most, *rest), strict=True):
            if count != claim:
                yield f"core {index}: {count} {resource.value}, the plan says {claim}"
            if count > limit.value:
                yield f"core {index}: {count} {resource.value}, a core has {limit.value}"

    def _output_axons(self, item: Slice) -> int:
        own = self._own(item)
        return int((self.leaving[own] + self.crossing[own] * self.core.crossing_axons.value).sum())

    def _slice_usage(self, item: Slice, home: Ints, chip: int) -> tuple[int, int, int, int, int, int]:
        """Usage of a slice without the axons to other slices, which are noted at their neurons."""
        compartments, size = self.compartments[item.unit], item.size
        selves = size * (compartments - 1)
        words = axons = selves
        for projection in self.reads[item.unit]:
            synapses = self._synapses(projection, item)
            neurons = projection.neurons.ravel()[np.unique(synapses.element)]
            np.add.at(self.leaving, neurons, 1)
            np.add.at(self.crossing, neurons, (home[neurons] >= 0) & (home[neurons] != chip))
            axons += len(neurons)
            words += self._words(synapses, projection.bits, projection.copies)
        return size * compartments, words, axons, selves, 1, len(self.reads[item.unit])

    def _words(self, synapses: Synapses, bits: int, copies: int) -> int:
        """Words of all lists that differ."""
        if not len(synapses.element):
            return 0
        order = np.lexsort((synapses.target, synapses.element))
        element, target, weight = synapses.element[order], synapses.target[order], synapses.weight[order]
        new = np.flatnonzero(np.diff(element, prepend=-1))
        starts = np.repeat(target[new], np.diff(new, append=len(element)))
        lists = np.add.reduceat(_scatter(weight) * _power(target - starts), new)
        _, first = np.unique(lists, return_index=True)
        most = self.core.entry_synapses.value
        breaks = np.flatnonzero((np.diff(element, prepend=-1) != 0) | (np.diff(target, prepend=-2) != 1))
        entries = np.zeros(len(element), dtype=np.int64)
        entries[breaks] = -(-np.diff(breaks, append=len(element)) // most)
        count, runs = np.diff(new, append=len(element))[first], np.add.reduceat(entries, new)[first]
        head, index = self.core.entry_bits.value, self.core.index_bits.value
        dense = runs * (head + index)
        sparse = -(-count // most) * head + count * index
        long = copies * (np.minimum(dense, sparse) + count * bits) + self.core.tail_bits.value
        sizes = -(-long // self.core.word_bits.value)
        self.longest = max(self.longest, int(sizes.max()))
        return int(sizes.sum())

    def _synapses(self, projection: Projection, item: Slice) -> Synapses:
        """All synapses into a slice; compartments are numbered place by place, channels within a place."""
        (first, last), (top, bottom), (left, right) = item.box
        sides = np.arange(first, last), np.arange(top, bottom), np.arange(left, right)
        channel, row, column = (axis.ravel() for axis in np.meshgrid(*sides, indexing="ij"))
        target = ((row - top) * (right - left) + column - left) * (last - first) + channel - first
        parts = list(self._taps(projection, channel, row, column))
        element = np.concatenate([part[0].ravel() for part in parts])
        weight = np.concatenate([part[1].ravel() for part in parts])
        there = np.concatenate([part[2].ravel() for part in parts])
        targets = np.concatenate([np.broadcast_to(target, part[0].shape).ravel() for part in parts])
        there &= projection.neurons.ravel()[np.where(there, element, 0)] >= 0
        return Synapses(element[there], targets[there], weight[there])

    def _taps(
        self, projection: Projection, channel: Ints, row: Ints, column: Ints
    ) -> Iterator[tuple[Ints, Ints, NDArray[np.bool_]]]:
        """Element, weight and whether it lies inside, for each tap `[inputs, neurons]`."""
        channels, height, width = three_axes(projection.neurons.shape)
        everywhere = np.ones((1, len(channel)), dtype=bool)
        match projection.node:
            case Conv(weight=weight, stride=stride, padding=padding, dilation=dilation, groups=groups):
                outputs, inputs, *kernel = weight.shape
                member = np.arange(*(projection.channels or (0, inputs)))[:, None]
                source = channel // (outputs // groups) * inputs + member
                for i, j in np.ndindex(*kernel):
                    y = row * stride[0] + i * dilation[0] - padding[0][0]
                    x = column * stride[1] + j * dilation[1] - padding[1][0]
                    inside = (
                        (y >= 0) & (y < height) & (x >= 0) & (x < width) & np.ones(source.shape, dtype=bool)
                    )
                    number = ((channel * inputs + member) * kernel[0] + i) * kernel[1] + j
                    yield (source * height + y) * width + x, number, inside
            case Dense(weight=weight):
                source = np.arange(*(projection.channels or (0, channels)))[:, None] + 0 * channel
                yield source, source * weight.shape[0] + channel, everywhere & (source >= 0)
            case SumPool() | MaxPool() as node:
                yield from self._window(node, (height, width), channel, row, column)
            case _:
                kind = channel if projection.node else 0 * channel
                yield ((channel * height + row) * width + column)[None], kind[None], everywhere

    def _window(
        self, node: SumPool | MaxPool, image: tuple[int, int], channel: Ints, row: Ints, column: Ints
    ) -> Iterator[tuple[Ints, Ints, NDArray[np.bool_]]]:
        y, x = row * node.stride[0] - node.padding[0][0], column * node.stride[1] - node.padding[1][0]
        weight = 0 * channel
        if isinstance(node, SumPool):
            down = _counted(y, node.kernel[0], image[0], node.count_padding)
            weight = (channel * 1024 + down) * 1024 + _counted(
                x, node.kernel[1], image[1], node.count_padding
            )
        for i, j in np.ndindex(*node.kernel):
            inside = (y + i >= 0) & (y + i < image[0]) & (x + j >= 0) & (x + j < image[1])
            yield ((channel * image[0] + y + i) * image[1] + x + j)[None], weight[None], inside[None]


def _counted(start: Ints, kernel: int, size: int, padding: bool) -> Ints:
    """Taps of a window that its average counts, along one axis."""
    if padding:
        return np.full_like(start, kernel)
    return np.asarray(np.minimum(start + kernel, size) - np.maximum(start, 0))


def _scatter(numbers: Ints) -> Hashes:
    """A hash of every number (the finaliser of splitmix64)."""
    x = numbers.astype(np.uint64) + BASE
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


def _power(exponents: Ints) -> Hashes:
    """Powers of the base, modulo 2^64."""
    table = np.full(int(exponents.max(initial=0)) + 1, BASE, dtype=np.uint64)
    table[0] = 1
    return np.asarray(np.multiply.accumulate(table)[exponents])
