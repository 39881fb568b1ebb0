"""The width certificate: how many bits every sum, potential and comparand needs, for all inputs.

The intervals are sound for every order of arrival and tight over the box of input ranges
(ir/SPEC.md, section 8). A target with fewer bits must refuse the graph; nothing wraps silently.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch

import numpy as np

from snncc_ir.codes import Code, Reset, Strand
from snncc_ir.graph import Graph
from snncc_ir.lif import SHIFT, decayed
from snncc_ir.linear import pool_divisor
from snncc_ir.neurons import Bias, Leaky, Staircase, Table
from snncc_ir.nodes import Linear, Population, Readout, SumPool
from snncc_ir.tensors import Ints, interval_bits
from snncc_ir.timing import Phased, Rate
from snncc_ir.types import Levels

FAR = 2**62
"""Beyond every value: the limit of a case that cannot occur."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Per channel the least and the greatest value, `low[C]` and `high[C]`."""

    low: Ints
    high: Ints

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.high + other.high)

    def hull(self, other: Interval) -> Interval:
        """The smallest interval that holds both."""
        return Interval(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    @property
    def bits(self) -> int:
        """Two's complement width that holds every value of every channel."""
        return interval_bits(int(self.low.min()), int(self.high.max()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Requantised:
    """The requantisation certificate of one population that came quantised.

    `proved` channels are staircases whose breakpoints equal the imported network's for every drive that can
    occur, `tabled` ones hold these breakpoints themselves; both have its levels for all inputs.
    `approximated` ones have not, for a `reason`; of a sum of two scales `wrong_pairs` pairs of drives come
    out by a level (or more, then counted as often).
    """

    population: str
    channels: int
    proved: int
    tabled: int
    approximated: int
    wrong_pairs: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Width:
    """What one population or readout needs: `drive` for the sums, `membrane` for all that a neuron holds.

    A leaky neuron holds 64ths of a drive.
    """

    drive: Interval
    membrane: Interval

    @property
    def bits(self) -> int:
        """Width of the membrane register."""
        return self.membrane.hull(self.drive).bits


def certify_widths(graph: Graph) -> dict[str, Width]:
    """Width of every population and readout of an integer graph."""
    return {node.name: _width(graph, node) for node in graph.nodes if isinstance(node, Population | Readout)}


def _width(graph: Graph, node: Population | Readout) -> Width:
    drive = drive_interval(graph, node)
    if isinstance(node, Readout):
        return Width(drive, _readout_membrane(graph, node, drive))
    match graph.timing:
        case Phased():
            return Width(drive, _phased_membrane(node, drive, graph.strands[node.name][0]))
        case Rate(steps=steps) if isinstance(node.neuron, Leaky):
            return Width(drive, leaky_membrane(node.neuron, drive, steps))
        case Rate() as rate:
            return Width(drive, _rate_membrane(_staircase(node), drive, rate))
        case _ if isinstance(node.neuron, Table):
            return Width(drive, _table_membrane(node.neuron, drive))
        case _:
            return Width(drive, _stbif_membrane(_staircase(node), drive))


def drive_interval(graph: Graph, node: Population | Readout) -> Interval:
    """The sum of the node's drives, any partial sum included; for `rate` the drive of one step."""
    total: Interval | None = None
    for projection in graph.projections(node):
        part = _projection_interval(graph, projection)
        total = part if total is None else total + part
    if total is None:
        raise ValueError("a population without drives")
    return total


def _projection_interval(graph: Graph, projection: Linear) -> Interval:
    source = graph.levels(projection.source)
    positive, negative = weight_sums(projection, source)
    low, high = source.lo, source.hi
    if isinstance(graph.timing, Rate):
        low, high = _rate_range(graph, projection.source)
    return Interval(positive * low + negative * high, positive * high + negative * low)


def _rate_range(graph: Graph, source: str) -> tuple[int, int]:
    """Range of gain * spike over the strands of a source: L per spike, the payload of the graded input."""
    ranges = [
        (s.lo, s.hi) if s.code is Code.GRADED else (-s.top if s.lo < 0 else 0, s.top)
        for s in graph.strands[source]
    ]
    return min(low for low, _ in ranges), max(high for _, high in ranges)


@singledispatch
def weight_sums(node: Linear, source: Levels) -> tuple[Ints, Ints]:
    """Sums of the positive and of the negative weights of each output channel."""
    weight = node.weight.data.reshape(node.weight.shape[0], -1)
    return np.maximum(weight, 0).sum(axis=1), np.minimum(weight, 0).sum(axis=1)


@weight_sums.register
def _(node: SumPool, source: Levels) -> tuple[Ints, Ints]:
    weight = node.weight.data * pool_divisor(node, source.shape)
    return np.maximum(weight, 0), np.minimum(weight, 0)


def bias_interval(bias: Bias) -> Interval:
    """Least and greatest bias of each channel."""
    values = bias.values.data.reshape(bias.values.shape[0], -1)
    return Interval(values.min(axis=1), values.max(axis=1))


def _point(values: Ints) -> Interval:
    return Interval(values, values)


def _phased_membrane(node: Population, drive: Interval, strand: Strand) -> Interval:
    match node.neuron:
        case Staircase(theta=theta, bias=bias):
            start = drive + bias_interval(bias) + _point(theta.data // 2)
            return start.hull(_comparands(theta.data, strand))
        case Table():
            return _table_membrane(node.neuron, drive)
        case _:
            raise TypeError("an analog unit has no width")


def _table_membrane(neuron: Table, drive: Interval) -> Interval:
    """U itself and the breakpoints; every partial sum of `stbif` lies within the drive's interval."""
    values = neuron.breakpoints.data.reshape(neuron.breakpoints.shape[0], -1)
    return drive.hull(Interval(values.min(axis=1), values.max(axis=1)))


def _comparands(theta: Ints, strand: Strand) -> Interval:
    """The values that v is compared with: theta * m upwards, -theta * (m - 1) downwards, and the clamp."""
    match strand.code:
        case Code.COUNT:
            largest = 1
        case Code.RADIX:
            largest = max(1 << (strand.window - 1), strand.top)
        case _:
            largest = strand.top
    return Interval(theta * (-largest if strand.lo < 0 else 0), theta * largest)


def _stbif_membrane(neuron: Staircase, drive: Interval) -> Interval:
    theta = neuron.theta.data
    start = drive + bias_interval(neuron.bias) + _point(theta // 2)
    rest = bias_interval(neuron.bias) + _point(theta // 2)
    bound = Interval(start.low - theta * neuron.hi, start.high - theta * neuron.lo)
    return bound.hull(rest).hull(Interval(np.zeros_like(theta), theta))


def _rate_membrane(neuron: Staircase, drive: Interval, rate: Rate) -> Interval:
    """The extremes of v over T steps of extreme drive, partial sums in any order included."""
    theta = neuron.theta.data * max(neuron.hi, -neuron.lo)
    bias = bias_interval(neuron.bias)
    partial = drive + bias.hull(_point(np.zeros_like(theta)))
    bound = Interval(np.zeros_like(theta), theta)
    v = _point(theta // 2)
    for _ in range(rate.steps):
        bound = bound.hull(v + partial)
        v = _after_rate_step(v + drive + bias, theta, neuron.lo < 0, rate.reset)
    return bound


def leaky_membrane(neuron: Leaky, drive: Interval, steps: int) -> Interval:
    """The extremes of u and v in 64ths over T steps of extreme drive."""
    zero = _point(np.zeros_like(drive.low))
    added, bias = _shifted(drive), _shifted(bias_interval(neuron.bias))
    bound = u = v = zero
    for _ in range(steps):
        current = _decayed(u, neuron.du + 1) + added
        potential = _decayed(v, neuron.dv) + current + bias.hull(zero)
        kept = Interval(potential.low, np.minimum(potential.high, neuron.vth << SHIFT))
        bound = bound.hull(current).hull(potential)
        wider = u.hull(current), v.hull(kept.hull(zero))
        if _same(u, wider[0]) and _same(v, wider[1]):
            break
        u, v = wider
    return bound


def _shifted(interval: Interval) -> Interval:
    return Interval(interval.low << SHIFT, interval.high << SHIFT)


def _decayed(interval: Interval, decay: int) -> Interval:
    """Decay keeps the order of numbers."""
    return Interval(decayed(interval.low, decay), decayed(interval.high, decay))


def _same(one: Interval, other: Interval) -> bool:
    return bool((one.low == other.low).all() and (one.high == other.high).all())


def _after_rate_step(v: Interval, theta: Ints, signed: bool, reset: Reset) -> Interval:
    """What v becomes once its neuron has fired or not: the hull of each case that can occur."""
    zero = np.zeros_like(theta)
    floor = np.maximum(v.low, 0) if signed else v.low
    cases = [(floor, np.minimum(v.high, theta - 1))]
    spent = (zero, zero) if reset is Reset.ZERO else (np.maximum(v.low - theta, 0), v.high - theta)
    cases.append((np.where(v.high >= theta, spent[0], FAR), spent[1]))
    if signed:
        cases.append((np.where(v.low < 0, v.low + theta, FAR), np.minimum(v.high, -1) + theta))
    lows = [np.where(low <= high, low, FAR) for low, high in cases]
    highs = [np.where(low <= high, high, -FAR) for low, high in cases]
    return Interval(np.minimum.reduce(lows), np.maximum.reduce(highs))


def _readout_membrane(graph: Graph, node: Readout, drive: Interval) -> Interval:
    bias = bias_interval(node.bias)
    if not isinstance(graph.timing, Rate):
        return (drive + bias).hull(drive)
    zero = _point(np.zeros_like(bias.low))
    last, before = drive + bias.hull(zero), (drive + bias).hull(zero)
    earlier = graph.timing.steps - 1
    return Interval(before.low * earlier + last.low, before.high * earlier + last.high)


def _staircase(node: Population) -> Staircase:
    if not isinstance(node.neuron, Staircase):
        raise TypeError("streaming codes need staircase neurons")
    return node.neuron
