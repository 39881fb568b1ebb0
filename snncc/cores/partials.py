"""Sums of more inputs than a core takes, split over several cores that send partial sums."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import ceil

import numpy as np

from snncc.cores.demand import Demands
from snncc.cores.units import Network, Read, Unit
from snncc_ir.plan import Box, Interval, Partial


def split_sums(network: Network) -> Network:
    """The network with partial sums before each unit of which one neuron needs more than a core has."""
    units: list[Unit] = []
    partials: list[Partial] = []
    first = network.neurons
    for unit in network.units:
        reads: list[Read] = []
        for read, inputs in zip(unit.reads, _all_parts(network, unit), strict=True):
            if len(inputs) == 1:
                reads.append(read)
                continue
            for number, interval in enumerate(inputs):
                part = _part(unit, read, interval, f"{unit.name}.{read.name}.{number}", first)
                first += part.size
                units.append(part)
                partials.append(Partial(part.name, read.name, unit.name, interval))
                reads.append(_sum_of(part))
        units.append(replace(unit, reads=tuple(reads)))
    return Network(network.core, tuple(units), tuple(partials))


def _all_parts(network: Network, unit: Unit) -> list[list[Interval]]:
    """The input channels of each read of a unit, in as many parts as it takes."""
    fills = [_fill(network, unit, read) for read in unit.reads]
    crowded = sum(fills) > 1
    return [
        _intervals(read.inputs_per_group, ceil(fill * len(fills)) if crowded and _splits(read) else 1)
        for read, fill in zip(unit.reads, fills, strict=True)
    ]


def _splits(read: Read) -> bool:
    return not read.same and len(read.elements) == read.inputs_per_group


def _fill(network: Network, unit: Unit, read: Read) -> float:
    """Share of a core that the synapses of one neuron take."""
    core = network.core
    words, axons, _ = Demands(network).read(read, _inner(unit))
    return max(words / core.synapse_words.value, axons / core.input_axons.value)


def _intervals(size: int, parts: int) -> list[Interval]:
    """The channels [0, size) in parts of nearly one size."""
    parts = max(1, min(parts, size))
    return list(pairwise(size * number // parts for number in range(parts + 1)))


def _part(unit: Unit, read: Read, inputs: Interval, name: str, first: int) -> Unit:
    elements = read.elements[slice(*inputs)]
    inner = replace(read, elements=elements, inputs_per_group=len(elements))
    return Unit(name, unit.shape, first, 1, (inner,))


def _sum_of(part: Unit) -> Read:
    """How a unit reads one of its partial sums: neuron by neuron, with weight 1."""
    (read,) = part.reads
    rows, columns = read.rows, read.columns
    return replace(
        read,
        name=part.name,
        elements=np.arange(part.first, part.first + part.size, dtype=np.int32).reshape(part.shape),
        rows=type(rows)(rows.size, rows.size),
        columns=type(columns)(columns.size, columns.size),
        inputs_per_group=1,
        outputs_per_group=1,
        bits=1,
        copies=1,
        same=True,
    )


def _inner(unit: Unit) -> Box:
    """A neuron that padding does not reach, if there is one."""
    channels, rows, columns = (size // 2 for size in unit.shape)
    return (channels, channels + 1), (rows, rows + 1), (columns, columns + 1)
