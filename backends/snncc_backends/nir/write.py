"""The bytes of a NIR file."""

from __future__ import annotations

import io
from collections.abc import Mapping

import nir

from snncc_backends.nir.translate import translate
from snncc_ir.graph import Graph


def nir_file(graph: Graph, notes: Mapping[str, str]) -> tuple[bytes, int]:
    """The NIR file (HDF5) of a `rate` graph, and its number of nodes.

    Raises TargetError where the graph has no NIR form.
    """
    translated, buffer = translate(graph, notes), io.BytesIO()
    nir.write(buffer, translated)
    return buffer.getvalue(), len(translated.nodes)
