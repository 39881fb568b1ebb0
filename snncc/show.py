"""What `snncc show` says of an artefact."""

from __future__ import annotations

from typing import Any

from snncc.artefact import Artefact
from snncc_ir.certificates import Width, certify_widths
from snncc_ir.nodes import NODE_NAMES, AnyNode, Input, Linear, Population


def describe(found: Artefact) -> dict[str, Any]:
    """Summary and nodes as plain data."""
    manifest, graph = found.manifest, found.graph
    widths = certify_widths(graph)
    summary = {
        "source": manifest["source"]["file"],
        "target": f"{manifest['target']} ({manifest['chip']})",
        "pipeline": manifest["pipeline"],
        "input": manifest["input"],
        "calibration": f"{manifest['calibration']['images']} {manifest['calibration']['kind']}",
        "outputs": ", ".join(graph.outputs),
        "membrane": f"{max(width.bits for width in widths.values())} bits at most",
    }
    return {"summary": summary, "nodes": [_node(found, node, widths) for node in graph.nodes]}


def _node(found: Artefact, node: AnyNode, widths: dict[str, Width]) -> dict[str, Any]:
    return {
        "name": node.name,
        "op": NODE_NAMES[type(node)],
        "value": str(found.graph.types[node.name]),
        "width": _width(node, widths),
        "code": node.code.value if isinstance(node, Input | Population) else "",
        "origin": list(node.origin),
    }


def _width(node: AnyNode, widths: dict[str, Width]) -> str:
    if isinstance(node, Linear):
        return f"{node.weight.bits}-bit weights"
    return f"{widths[node.name].bits}-bit membrane" if node.name in widths else ""


def rows(found: Artefact) -> list[tuple[str, ...]]:
    """One row per node."""
    nodes = describe(found)["nodes"]
    return [(n["name"], n["op"], n["value"], n["width"], n["code"], ", ".join(n["origin"])) for n in nodes]
