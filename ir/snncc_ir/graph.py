"""The graph: an immutable, verified list of nodes in execution order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from snncc_ir.codes import Strand
from snncc_ir.errors import GraphError
from snncc_ir.inference import result_type
from snncc_ir.neurons import Analog, Quantiser
from snncc_ir.nodes import AnyNode, Input, Linear, Population, Readout
from snncc_ir.timing import Phased, Strands, Timing, check_codes, find_strands, network_window
from snncc_ir.types import Drive, Levels, Real, ValueType

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
"""What a node may be called, so that every name is safe in paths and in generated code."""

N = TypeVar("N", bound=AnyNode)


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Nodes in an order in which every source comes before its readers; building one verifies it."""

    name: str
    nodes: tuple[AnyNode, ...]
    outputs: tuple[str, ...]
    timing: Timing = Phased()

    def __post_init__(self) -> None:
        _check_names(self)
        _check_readers(self)
        _ = self.types
        _check_outputs(self)
        check_codes(self.nodes, self.timing)
        if self.is_integer:
            _ = self.strands

    @cached_property
    def by_name(self) -> dict[str, AnyNode]:
        """Every node under its name."""
        return {node.name: node for node in self.nodes}

    @cached_property
    def types(self) -> dict[str, ValueType]:
        """Type of every node's value."""
        return _infer(self.nodes)

    @cached_property
    def readers(self) -> dict[str, tuple[AnyNode, ...]]:
        """The nodes that read each node's value."""
        found: dict[str, list[AnyNode]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for source in dict.fromkeys(node.sources):
                found[source].append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    @cached_property
    def is_integer(self) -> bool:
        """True where every value is a level or a drive of levels: the program is integer."""
        return not any(isinstance(value, Real) for value in self.types.values())

    @cached_property
    def strands(self) -> dict[str, Strands]:
        """Spike train formats of every value (integer graphs only); see `timing.find_strands`."""
        return find_strands(self.nodes)

    @property
    def sent_strands(self) -> tuple[Strand, ...]:
        """The strand of every input and population."""
        return tuple(
            self.strands[node.name][0] for node in self.nodes if isinstance(node, Input | Population)
        )

    @property
    def window(self) -> int:
        """Steps of the network's window; a phased graph takes one image per window."""
        return network_window(self.sent_strands)

    @property
    def latency(self) -> int:
        """Windows from an image's first step until all outputs are known."""
        return max(self._finish(name) for name in self.outputs)

    def _finish(self, name: str) -> int:
        last = max(strand.slot for strand in self.strands[name])
        return last + 1

    def of_type(self, kind: type[N]) -> Iterator[N]:
        """The nodes of one type, in order."""
        return (node for node in self.nodes if isinstance(node, kind))

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The graph's inputs."""
        return tuple(self.of_type(Input))

    @property
    def populations(self) -> tuple[Population, ...]:
        """The graph's populations."""
        return tuple(self.of_type(Population))

    @property
    def linears(self) -> tuple[Linear, ...]:
        """The graph's linear nodes."""
        return tuple(node for node in self.nodes if isinstance(node, Linear))

    def projections(self, node: Population | Readout) -> tuple[Linear, ...]:
        """The linear nodes whose drives a population or readout adds."""
        found = (self.by_name[name] for name in node.drives)
        return tuple(projection for projection in found if isinstance(projection, Linear))

    def strand(self, name: str) -> Strand:
        """The one strand of an input or population."""
        (strand,) = self.strands[name]
        return strand

    def levels(self, name: str) -> Levels:
        """Type of a node that gives levels."""
        value = self.types[name]
        if not isinstance(value, Levels):
            raise GraphError(f"gives {value}, not levels", where=name, hint="quantize the graph first")
        return value

    @property
    def reported(self) -> tuple[str, ...]:
        """The nodes whose levels are of interest: populations, and outputs that are wiring."""
        names = (node.name for node in self.populations)
        levels = (name for name in self.outputs if isinstance(self.types[name], Levels))
        return tuple(dict.fromkeys((*names, *levels)))

    def with_nodes(self, changed: Iterable[AnyNode]) -> Graph:
        """The same graph with the nodes of the same names replaced."""
        new = {node.name: node for node in changed}
        return replace(self, nodes=tuple(new.get(node.name, node) for node in self.nodes))

    def __str__(self) -> str:
        analog = sum(isinstance(node.neuron, Analog | Quantiser) for node in self.populations)
        kind = f"{analog} real populations" if analog else f"{len(self.populations)} populations"
        return f"graph {self.name}: {len(self.nodes)} nodes, {kind}"


def _check_names(graph: Graph) -> None:
    seen: set[str] = set()
    wholes = (node.part.whole for node in graph.of_type(Population) if node.part is not None)
    for name in (graph.name, *(node.name for node in graph.nodes), *wholes):
        if not NAME.fullmatch(name):
            raise GraphError(f"name {name!r} is not a letter followed by letters, digits and underscores")
    for node in graph.nodes:
        if node.name in seen:
            raise GraphError("the name is used twice", where=node.name)
        for source in node.sources:
            if source not in seen:
                raise GraphError(f"reads {source!r}, which no earlier node gives", where=node.name)
        seen.add(node.name)


def _check_readers(graph: Graph) -> None:
    read = {source for node in graph.nodes for source in node.sources} | set(graph.outputs)
    for node in graph.nodes:
        if node.name not in read:
            raise GraphError("its value is never read and is no output", where=node.name)


def _infer(nodes: Iterable[AnyNode]) -> dict[str, ValueType]:
    types: dict[str, ValueType] = {}
    for node in nodes:
        try:
            types[node.name] = result_type(node, tuple(types[source] for source in node.sources))
        except GraphError as error:
            raise GraphError(error.what, where=node.name, hint=error.hint) from None
    return types


def _check_outputs(graph: Graph) -> None:
    if not graph.outputs or len(set(graph.outputs)) < len(graph.outputs):
        raise GraphError("a graph needs one output or more, each named once", where=graph.name)
    for name in graph.outputs:
        node = graph.by_name.get(name)
        if node is None:
            raise GraphError(f"output {name!r} is no node", where=graph.name)
        if isinstance(graph.types[name], Drive) and not isinstance(node, Readout):
            raise GraphError("an output must give levels or be a readout", where=name)
    for node in graph.nodes:
        if isinstance(node, Readout) and graph.readers[node.name]:
            raise GraphError("a readout is an output; nothing can read it", where=node.name)
