"""Concatenation of spikes whose parts may be in different strands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from snncc_ir.codes import Strand
from snncc_ir.linear import wire
from snncc_ir.nodes import Concat

Array = NDArray[Any]

Spikes = dict[Strand, Array]
"""Spikes of one value in one step, by strand; strands that are idle are left out."""


def join_strands(node: Concat, values: Mapping[str, Spikes], silence: Callable[[str], Array]) -> Spikes:
    """Concatenate strand by strand; a part that does not carry a strand is silent in it."""
    strands = dict.fromkeys(strand for part in node.parts for strand in values[part])
    return {
        strand: wire(node, *(values[part].get(strand, silence(part)) for part in node.parts))
        for strand in strands
    }
