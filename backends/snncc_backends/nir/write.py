"""The bytes of a NIR file."""

from __future__ import annotations

import io
from collections.abc import Mapping

import nir

from snncc_backends.nir.translate import translate
from snncc_ir.graph import Graph

NEURONS = nir.IF, nir.LIF, nir.CubaLIF


def nir_file(graph: Graph, notes: Mapping[str, str]) -> tuple[bytes, int, int]:
    """The NIR file (HDF5) of a `rate` graph, its number of nodes, and that of its neurons.

    Raises TargetError where the graph has no NIR form.
    """
    translated, buffer = translate(graph, notes), io.BytesIO()
    nir.write(buffer, translated)
    neurons = sum(node.v_threshold.size for node in translated.nodes.values() if isinstance(node, NEURONS))
    return buffer.getvalue(), len(translated.nodes), neurons
