"""The network as boxes: inputs, populations, pools and readouts with what their synapses are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from snncc import artefact, summary
from snncc.artefact import Artefact
from snncc.report.content import Box, Kind, Network, table
from snncc_ir.graph import Graph
from snncc_ir.nodes import NODE_NAMES, AnyNode, Conv, Input, Linear, MaxPool, Population, Readout, SumPool
from snncc_ir.types import Levels, shape_text

ORIGINS = 3
"""Names of ONNX nodes that a table shows of one node."""


def network(found: Artefact) -> Network:
    """The diagram and the table of an artefact."""
    graph = found.graph
    certificates = _certificates(found)
    boxes = [
        Box(
            name=node.name,
            kind=_kind(node),
            sources=_sources(graph, node),
            lines=tuple(_lines(graph, node, certificates)),
        )
        for node in graph.nodes
        if not isinstance(node, Linear)
    ]
    rows = tuple((*cells, _origin(graph.by_name[cells[0]])) for cells in map(tuple, summary.rows(graph)))
    listed = table((*summary.COLUMNS, "from"), rows)
    return Network(boxes=tuple(boxes), table=listed, timing=summary.timing_note(graph))


CERTIFICATE = ("proved", "tabled", "approximated")


def _certificates(found: Artefact) -> dict[str, Any]:
    """The manifest's counts of channels by population."""
    listed = found.manifest.get("requantised", [])
    if not isinstance(listed, list) or not all(map(_is_certificate, listed)):
        raise artefact.damaged(
            found.path / artefact.MANIFEST, "its entry requantised is no list of certificates"
        )
    return {row["population"]: row for row in listed}


def _is_certificate(row: object) -> bool:
    if not isinstance(row, dict) or not isinstance(row.get("population"), str):
        return False
    return all(type(row.get(name)) is int for name in CERTIFICATE)  # no isinstance: true would pass


def _kind(node: AnyNode) -> Kind:
    match node:
        case Input():
            return Kind.INPUT
        case Population():
            return Kind.POPULATION
        case Readout():
            return Kind.READOUT
        case _:
            return Kind.WIRING


def _sources(graph: Graph, node: AnyNode) -> tuple[str, ...]:
    """The values that a node reads, through its synapses."""
    if isinstance(node, Population | Readout):
        return tuple(projection.source for projection in graph.projections(node))
    return node.sources


def _lines(graph: Graph, node: AnyNode, certificates: dict[str, Any]) -> Iterator[str]:
    value = graph.types[node.name]
    size = shape_text(value.shape)
    match node:
        case Input() | Population():
            yield (
                f"{size} neurons, {node.code.value}"
                if isinstance(node, Population)
                else f"{size}, {node.code.value}"
            )
            if isinstance(value, Levels):
                yield f"levels {value.lo}..{value.hi} ({_bits(value)} bits)"
        case MaxPool():
            yield f"{_by(node.kernel)} to {size}"
        case _:
            yield size if isinstance(node, Readout) else f"{NODE_NAMES[type(node)]} to {size}"
    if isinstance(node, Population | Readout):
        for projection in graph.projections(node):
            yield f"{_synapses(projection)}, {projection.weight.bits} bits"
    if (row := certificates.get(node.name)) is not None:
        yield "channels: " + ", ".join(f"{row[name]} {name}" for name in CERTIFICATE)


def _bits(levels: Levels) -> int:
    """Bits that tell all levels apart."""
    return (levels.hi - levels.lo).bit_length()


def _by(sizes: tuple[int, ...]) -> str:
    return f"max pool {'x'.join(map(str, sizes))}"


def _synapses(node: Linear) -> str:
    match node:
        case Conv(stride=stride, groups=groups):
            kernel = "x".join(map(str, node.weight.shape[2:]))
            step = "" if stride == (1, 1) else f" / {'x'.join(map(str, stride))}"
            return f"conv {kernel}{step}" + (f" in {groups} groups" if groups > 1 else "")
        case SumPool(kernel=kernel):
            return f"average pool {'x'.join(map(str, kernel))}"
        case _:
            return NODE_NAMES[type(node)]


def _origin(node: AnyNode) -> str:
    names = node.origin[:ORIGINS]
    more = len(node.origin) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
