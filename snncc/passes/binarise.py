"""Weights of one bit for a network that was trained with real ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from snncc.passes.base import Context, Pass
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.nodes import Conv, Dense, Input, Linear, Readout, Wiring
from snncc_ir.tensors import Tensor

SMALLEST_ALPHA = 1e-6
"""Least alpha of a channel as a share of the greatest: weights of nothing but 0 have no sign."""


@dataclass(frozen=True)
class Binarise(Pass):
    """Weights become alpha * sign(W) with alpha = mean |W| per output channel (XNOR-Net, 2016).

    That alpha has the least squared error. The layers that read the input or give an output keep their
    weights, as Lu and Sengupta (2020) do; so do weights that came as integers.
    """

    name: ClassVar[str] = "binarise"

    def apply(self, graph: Graph, context: Context) -> Graph:
        """The graph with one-bit weights between its first and last layers."""
        if graph.is_integer:
            raise SnnccError("runs on the real network", where=self.name, hint="put it before quantize")
        kept = {*_after_input(graph), *_before_outputs(graph)}
        chosen = [node for node in graph.linears if isinstance(node, Conv | Dense) and node.name not in kept]
        changed = [_binarised(node) for node in chosen if node.weight.scale is None]
        if changed:
            context.warn(_cost(graph, changed))
        return graph.with_nodes(changed)


def _binarised(node: Linear) -> Linear:
    weight = node.weight.data
    alpha = np.abs(weight).reshape(len(weight), -1).mean(axis=1)
    alpha = np.maximum(alpha, SMALLEST_ALPHA * (alpha.max() or 1.0))
    return replace(node, weight=Tensor.scaled(np.where(weight >= 0, 1, -1), alpha))


def _cost(graph: Graph, changed: list[Linear]) -> str:
    errors = []
    for node in changed:
        real = graph.by_name[node.name]
        if isinstance(real, Linear):
            norm = float(np.linalg.norm(real.weight.data)) or 1.0
            errors.append(float(np.linalg.norm(real.weight.data - node.weight.values)) / norm)
    return (
        f"weights of {len(changed)} layers became +-mean|W|, which is off by {min(errors):.0%} to "
        f"{max(errors):.0%} of their norm; first and last layers keep theirs"
    )


def _after_input(graph: Graph) -> Iterator[str]:
    """Linear nodes that read the input, perhaps through wiring."""
    direct = {node.name for node in graph.of_type(Input)}
    for node in graph.nodes:
        if isinstance(node, Wiring) and direct.intersection(node.sources):
            direct.add(node.name)
        if isinstance(node, Linear) and node.source in direct:
            yield node.name


def _before_outputs(graph: Graph) -> Iterator[str]:
    """Linear nodes that feed a readout or a population that is an output."""
    for node in graph.nodes:
        if isinstance(node, Readout) or node.name in graph.outputs:
            yield from node.sources
