"""The linear nodes of a NIR file as drives, and drives as linear nodes of a graph."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from snncc_backends.nir.fields import Entries, File
from snncc_backends.nir.maps import Drive, Signal, Term, adds_bias, map_of
from snncc_backends.nir.units import NARROW, WIDE, Unit
from snncc_ir.errors import GraphError, ModelError
from snncc_ir.inference import result_type
from snncc_ir.linear import pool_factors
from snncc_ir.nodes import AnyNode, Scale, SumPool
from snncc_ir.tensors import Tensor, signed_bits, synapse_bits
from snncc_ir.types import ValueType


@dataclass(kw_only=True)
class Drives:
    """The nodes made so far, and what each node of the file gives."""

    file: File
    nodes: list[AnyNode] = field(default_factory=list)
    types: dict[str, ValueType] = field(default_factory=dict)
    values: dict[str, Signal | Drive] = field(default_factory=dict)

    def add(self, wanted: str, make: Callable[[str], AnyNode]) -> str:
        """Add a node under a name like the wanted one; its name."""
        name, number = plain(wanted, "n"), 1
        while name in self.types:
            number += 1
            name = f"{plain(wanted, 'n')[:56]}_{number}"
        node = make(name)
        try:
            self.types[name] = result_type(node, tuple(self.types[source] for source in node.sources))
        except GraphError as error:
            raise ModelError(error.what, where=wanted, hint=error.hint) from None
        self.nodes.append(node)
        return name

    def signal(self, node: Entries) -> Signal:
        """The one node that a node reads, which sends spikes."""
        found = [self.values[name] for name in self.file.sources[node.name]]
        if len(found) != 1 or not isinstance(found[0], Signal):
            raise node.refuse("must read one node that sends spikes", "put an IF between two linear nodes")
        return found[0]

    def linear(self, node: Entries) -> Drive:
        """What a linear node makes of its source."""
        sources = [self.values[name] for name in self.file.sources[node.name]]
        if len(sources) == 1 and isinstance(sources[0], Drive):
            return self._behind(node, sources[0])
        source = self.signal(node)
        shape = self.types[source.name].shape
        weight, make, bias = map_of(node, shape)
        bits = WIDE if node.kind in ("Scale", "SumPool2d") else NARROW
        term = Term(source.name, source.gain, weight, make, bits, pools=node.kind == "SumPool2d")
        probe = make(name="probe", source=source.name, weight=Tensor.integer(np.ones(weight.shape), 2))
        try:
            result = result_type(probe, (self.types[source.name],)).shape
        except GraphError as error:
            raise node.refuse(error.what, error.hint) from None
        channels = np.zeros(result[0]) if bias is None else bias
        if channels.shape != result[:1]:
            raise node.refuse(f"has {channels.size} biases for {result[0]} channels")
        return Drive(result, (term,), channels)

    def _behind(self, node: Entries, drive: Drive) -> Drive:
        """A `Scale` behind a `SumPool2d`, or what adds a bias behind anything."""
        if adds_bias(node, drive):
            bias = node.reals("bias")
            if bias.shape == drive.bias.shape:
                return replace(drive, bias=drive.bias + bias)
        if node.kind == "Scale" and len(drive.terms) == 1 and drive.terms[0].pools:
            return self._scaled(node, drive, drive.terms[0])
        raise node.refuse(
            "is a linear node behind a linear node", "multiply the two, or put an IF between them"
        )

    def _scaled(self, node: Entries, drive: Drive, term: Term) -> Drive:
        """A pool whose windows are weighed: all alike, or each by its number of taps inside the image."""
        scale = node.reals("scale")
        if scale.shape != drive.shape:
            raise node.refuse(f"its scale of shape {scale.shape} does not fit {drive.shape}")
        for count_padding in (True, False):
            make = partial(term.make, count_padding=count_padding)
            probe = make(name="probe", source=term.source, weight=Tensor.integer(np.ones(len(scale)), 2))
            result_type(probe, (self.types[term.source],))
            if not isinstance(probe, SumPool):
                continue
            weight = scale / pool_factors(probe, self.types[term.source].shape)
            if (weight == weight[:, :1, :1]).all():
                return replace(drive, terms=(replace(term, weight=weight[:, 0, 0], make=make),))
        raise node.refuse("its scale differs within a channel", "use one value per channel")

    def summed(self, node: Entries) -> Drive:
        """All that flows into a node."""
        drives = [self._as_drive(self.values[name]) for name in self.file.sources[node.name]]
        if not drives or len({drive.shape for drive in drives}) > 1:
            raise node.refuse("reads nothing, or values of different shapes")
        terms = tuple(term for drive in drives for term in drive.terms)
        return Drive(drives[0].shape, terms, np.sum([drive.bias for drive in drives], axis=0))

    def _as_drive(self, value: Signal | Drive) -> Drive:
        if isinstance(value, Drive):
            return value
        shape = self.types[value.name].shape
        term = Term(value.name, value.gain, np.ones(shape[0]), Scale, WIDE)
        return Drive(shape, (term,), np.zeros(shape[0]))

    def terms(self, node: Entries, drive: Drive, unit: Unit) -> tuple[str, ...]:
        """The linear nodes of a drive in integers of its unit."""
        names = []
        for number, term in enumerate(drive.terms):
            values = unit.integers(term.levels.values)
            bits = signed_bits(values) if term.bits == WIDE else synapse_bits(values)
            weight = Tensor.integer(values, bits)
            made = partial(term.make, source=term.source, weight=weight, origin=(node.name,))
            names.append(self.add(f"{node.name}_in{number}", lambda name, made=made: made(name=name)))  # type: ignore[misc]
        return tuple(names)


def plain(name: str, prefix: str) -> str:
    """A name as the IR has them."""
    text = re.sub(r"[^A-Za-z0-9_]", "_", name)[:60]
    return text if re.match(r"[A-Za-z]", text) else f"{prefix}_{text}"
