"""What was compiled, population by population: sizes, codes and what the certificates bound."""

from __future__ import annotations

from typing import Any

import numpy as np

from snncc_ir.certificates import certify_widths
from snncc_ir.graph import Graph
from snncc_ir.nodes import AnyNode, Input, Population, Readout
from snncc_ir.streaming import settle_bound
from snncc_ir.timing import Rate, Stbif
from snncc_ir.types import Levels

COLUMNS = ("node", "neurons", "levels", "code", "weights", "drive", "membrane")
"""What a row of the table holds."""


def summary(graph: Graph) -> list[dict[str, Any]]:
    """Inputs, populations and readouts as they are compiled: sizes, codes and certified widths."""
    widths = certify_widths(graph)
    rows = []
    for node in graph.nodes:
        if not isinstance(node, Input | Population | Readout):
            continue
        value, width = graph.types[node.name], widths.get(node.name)
        rows.append(
            {
                "name": node.name,
                "kind": type(node).__name__.lower(),
                "origin": list(node.origin),
                "neurons": int(np.prod(value.shape)),
                "levels": [value.lo, value.hi] if isinstance(value, Levels) else None,
                "code": None if isinstance(node, Readout) else node.code.value,
                "weight_bits": _weight_bits(graph, node),
                "drive": None if width is None else [int(width.drive.low.min()), int(width.drive.high.max())],
                "membrane_bits": None if width is None else width.bits,
            }
        )
    return rows


def _weight_bits(graph: Graph, node: AnyNode) -> int | None:
    """The widest of the weights into a node; multipliers of skips and pools included."""
    if not isinstance(node, Population | Readout):
        return None
    return max(projection.weight.bits or 0 for projection in graph.projections(node))


def rows(graph: Graph) -> list[list[str]]:
    """The same as a table for people."""
    found = []
    for row in summary(graph):
        levels, drive = (
            "-" if row[key] is None else "{}..{}".format(*row[key]) for key in ("levels", "drive")
        )
        bits = ("-" if row[key] is None else f"{row[key]} bits" for key in ("weight_bits", "membrane_bits"))
        weights, membrane = bits
        found.append([row["name"], str(row["neurons"]), levels, row["code"] or "-", weights, drive, membrane])
    return found


def timing_note(graph: Graph) -> str:
    """What the graph's timing promises."""
    match graph.timing:
        case Rate(steps=steps):
            return f"rate over {steps} steps: approximate, however long it runs"
        case Stbif():
            return f"stbif: exact once silent, after at most {settle_bound(graph)} steps"
        case _:
            return f"phased: exact after {graph.latency * graph.window} steps"
