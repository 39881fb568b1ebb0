"""What varies between two emitted networks: a description in JSON, and its arrays."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_backends.lava.wiring import Picked, Wiring
from snncc_ir.codes import Strand
from snncc_ir.graph import Graph
from snncc_ir.linear import pool_factors
from snncc_ir.neurons import Bias, Neuron, Staircase, Table
from snncc_ir.nodes import Conv, Dense, Input, Linear, MaxPool, Population, Readout, Scale, SumPool
from snncc_ir.tensors import Tensor, interval_bits

FORMAT = 1
"""Version of the description, which the emitted program checks."""

Array = NDArray[Any]
Plain = dict[str, Any]


def describe(graph: Graph) -> tuple[Plain, dict[str, Array]]:
    """The description of a phased integer graph, and the arrays that it names."""
    return described(Writer(graph))


def described(writer: Writer) -> tuple[Plain, dict[str, Array]]:
    """What a writer describes."""
    graph, cells = writer.graph, list(writer.cells())
    network = {
        "format": FORMAT,
        "name": graph.name,
        "window": graph.window,
        "latency": graph.latency,
        "outputs": list(graph.outputs),
        "cells": cells,
    }
    return network, dict(sorted(writer.arrays.items()))


class Writer:
    """Describes cells and collects their arrays, each under a digest of its values."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.wiring = graph, Wiring(graph)
        self.arrays: dict[str, Array] = {}

    def cells(self) -> Iterator[Plain]:
        """Sources, populations, gates and readouts in the graph's order."""
        for node in self.graph.nodes:
            match node:
                case Input():
                    yield {"kind": "source", **self._head(node.name), **self._strand(node.name)}
                case MaxPool():
                    yield self._gate(node)
                case Population():
                    yield self._population(node)
                case Readout():
                    yield self._readout(node)
                case _:
                    continue

    def _head(self, name: str) -> Plain:
        return {"name": name, "shape": list(self.graph.types[name].shape)}

    def _strand(self, name: str) -> Plain:
        return {"strand": strand_plain(self.graph.strands[name][0])}

    def _gate(self, node: MaxPool) -> Plain:
        (strand,) = self.graph.strands[node.name]
        ports: list[str] = []
        source = self.graph.types[node.source].shape
        picked = self.wiring.pick(node.source, strand) or Picked((), np.zeros(math.prod(source), np.int64))
        pick = self._pick(picked, ports)
        return {
            "kind": "gate",
            **self._head(node.name),
            **self._strand(node.name),
            "ports": ports,
            "pick": pick,
            "source": list(source),
            "kernel": list(node.kernel),
            "stride": list(node.stride),
            "padding": [list(pair) for pair in node.padding],
        }

    def _population(self, node: Population) -> Plain:
        ports: list[str] = []
        accumulators = list(self._accumulators(node, ports))
        return {
            "kind": "population",
            **self._head(node.name),
            **self._strand(node.name),
            "ports": ports,
            "accumulators": accumulators,
            "neuron": self._neuron(node.neuron),
        }

    def _readout(self, node: Readout) -> Plain:
        ports: list[str] = []
        accumulators = list(self._accumulators(node, ports))
        return {
            "kind": "readout",
            **self._head(node.name),
            "slot": self._last_slot(node),
            "scale": node.scale,
            "ports": ports,
            "accumulators": accumulators,
            "bias": self._bias(node.bias),
        }

    def _last_slot(self, node: Population | Readout) -> int:
        return max(strand.slot for strand in self.graph.strands[node.name])

    def _accumulators(self, node: Population | Readout, ports: list[str]) -> Iterator[Plain]:
        """One accumulator per projection and strand; adds the senders that it listens to to `ports`."""
        last = max(strand.slot for name in node.drives for strand in self.graph.strands[name])
        for name in node.drives:
            projection = self.graph.by_name[name]
            if not isinstance(projection, Linear):
                raise TypeError(f"{name} is no linear node")
            for strand in self.graph.strands[name]:
                picked = self.wiring.pick(projection.source, strand)
                if picked is not None:
                    yield {
                        "map": self._map(projection),
                        "strand": strand_plain(strand),
                        "delay": last - strand.slot,
                        "pick": self._pick(picked, ports),
                    }

    def _pick(self, picked: Picked, ports: list[str]) -> Plain:
        """Where to find the spikes among the in-ports."""
        ports.extend(name for name in picked.origins if name not in ports)
        numbers = [ports.index(name) for name in picked.origins]
        return {"ports": numbers, "index": None if picked.index is None else self._array(picked.index)}

    def _map(self, node: Linear) -> Plain:
        source = self.graph.types[node.source].shape
        plain = {"weight": self._tensor(node.weight), "source": list(source), **map_plain(node)}
        if isinstance(node, SumPool):
            plain["factors"] = self._array(pool_factors(node, source))
        return plain

    def _neuron(self, neuron: Neuron) -> Plain:
        match neuron:
            case Staircase(theta=theta, bias=bias):
                return {"kind": "staircase", "theta": self._tensor(theta), "bias": self._bias(bias)}
            case Table(breakpoints=breakpoints, rows=rows, columns=columns):
                classes = {"rows": list(rows), "columns": list(columns)}
                return {"kind": "table", "breakpoints": self._tensor(breakpoints), **classes}
            case _:
                raise TypeError("an analog unit sends no spikes")

    def _bias(self, bias: Bias) -> Plain:
        return {"values": self._tensor(bias.values), "rows": list(bias.rows), "columns": list(bias.columns)}

    def _tensor(self, tensor: Tensor) -> str:
        return self._array(tensor.data)

    def _array(self, values: Array) -> str:
        """Keep integers in the narrowest type that holds them, and give their key."""
        array = np.ascontiguousarray(values.astype(narrowest(values)))
        state = hashlib.sha256(f"{array.dtype.str} {array.shape} ".encode())
        state.update(array.tobytes())
        key = state.hexdigest()[:16]
        self.arrays[key] = array
        return key


def narrowest(values: Array) -> str:
    """The narrowest little-endian signed integer type that holds all values."""
    bits = interval_bits(int(values.min()), int(values.max()))
    width = next(width for width in (8, 16, 32, 64) if bits <= width)
    return f"<i{width // 8}"


def strand_plain(strand: Strand) -> Plain:
    """A strand as plain data."""
    return {
        "code": strand.code.value,
        "lo": strand.lo,
        "hi": strand.hi,
        "slot": strand.slot,
        "window": strand.window,
    }


@singledispatch
def map_plain(node: Linear) -> Plain:
    """Kind and attributes of a linear map as plain data."""
    raise TypeError(f"{type(node).__name__} is no linear node")


@map_plain.register
def _(node: Conv) -> Plain:
    return {
        "kind": "conv",
        "stride": list(node.stride),
        "padding": [list(pair) for pair in node.padding],
        "dilation": list(node.dilation),
        "groups": node.groups,
    }


@map_plain.register
def _(node: Dense) -> Plain:
    return {"kind": "dense"}


@map_plain.register
def _(node: Scale) -> Plain:
    return {"kind": "scale"}


@map_plain.register
def _(node: SumPool) -> Plain:
    return {
        "kind": "sum_pool",
        "kernel": list(node.kernel),
        "stride": list(node.stride),
        "padding": [list(pair) for pair in node.padding],
    }
