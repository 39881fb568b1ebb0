"""The images that a report is made on: the user's, or the golden ones of the artefact."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.artefact import Artefact
from snncc.dataset import Data
from snncc.fit import images_among
from snncc.samples import load_images
from snncc_ir.codes import Code
from snncc_ir.encoding import InputFormat, format_of
from snncc_ir.graph import Graph
from snncc_ir.nodes import Input
from snncc_ir.timing import Phased, Rate

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Images:
    """Input levels `[N, *shape]` by input; `stored` images and `labels[N]` where the user gave some."""

    levels: dict[str, Array]
    stored: Array | None
    labels: Array | None
    form: InputFormat

    @property
    def count(self) -> int:
        """N."""
        return len(next(iter(self.levels.values())))

    def first(self, count: int) -> dict[str, Array]:
        """The levels of the first images."""
        return {name: levels[:count] for name, levels in self.levels.items()}

    def caption(self, most: int) -> str:
        """What was measured on, in words."""
        count = min(self.count, most)
        if self.stored is None:
            return f"the {count} images among the artefact's golden vectors (give others with --data)"
        return f"{count} images of the data"


def find_images(found: Artefact, data: Path | Data | None, limit: int) -> Images:
    """The first images of `data`; without, those among the golden vectors."""
    (node,) = found.graph.inputs
    form = format_of(node)
    if data is None:
        return Images(levels=images_among(found.golden), stored=None, labels=None, form=form)
    stored, labels = load_images(found, data, limit)
    levels = np.asarray(form.to_levels(np.asarray(stored)))
    return Images(levels={node.name: levels}, stored=stored, labels=labels, form=form)


def as_phased(graph: Graph, code: Code) -> Graph:
    """The same integers sent by a phased code; the input keeps its own."""
    nodes = tuple(replace(node, code=code) for node in graph.populations)
    return _retimed(graph, nodes, Phased())


def as_rate(graph: Graph, steps: int) -> Graph:
    """The same integers in classic rate neurons; GraphError where they cannot express them."""
    inputs = tuple(replace(node, code=Code.GRADED) for node in graph.inputs)
    nodes = tuple(replace(node, code=Code.RATE) for node in graph.populations)
    return _retimed(graph, (*inputs, *nodes), Rate(steps))


def _retimed(graph: Graph, changed: tuple[Any, ...], timing: Phased | Rate) -> Graph:
    new = {node.name: node for node in changed}
    return replace(graph, nodes=tuple(new.get(node.name, node) for node in graph.nodes), timing=timing)


def senders(graph: Graph) -> tuple[str, ...]:
    """The names of inputs and populations, in order."""
    return tuple(node.name for node in graph.nodes if isinstance(node, Input) or node in graph.populations)
