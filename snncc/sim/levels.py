"""The fast engine for phased codes: one integer inference gives the levels, no time step is simulated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.sim.onnx_form import level_type, to_onnx
from snncc.sim.session import open_session
from snncc_ir.graph import Graph
from snncc_ir.nodes import Input, Readout
from snncc_ir.semantics import check_input

Array = NDArray[Any]

NUMPY_TYPES = {2: np.uint8, 3: np.int8, 5: np.int16}
"""numpy type of each ONNX integer type in use."""


class LevelEngine:
    """Levels and readout drives of an integer graph, exactly as `semantics.evaluate` gives them."""

    def __init__(self, graph: Graph, levels: tuple[str, ...] = (), threads: int = 0) -> None:
        """Prepare a session that returns the levels of the named nodes and every readout's drive."""
        self.graph = graph
        self.levels = levels
        self._outputs = [*levels, *(node.name for node in graph.of_type(Readout))]
        self._session = open_session(to_onnx(graph, levels), threads)
        self._types = {node.name: NUMPY_TYPES[level_type(graph.levels(node.name))] for node in graph.inputs}

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Values for `inputs[name][N, *shape]`: levels in a narrow integer type, drives as int64."""
        feed = {}
        for node in self.graph.inputs:
            feed[f"levels/{node.name}"] = self._levels(node, inputs[node.name])
        values = dict(zip(self._outputs, self._session.run(None, feed), strict=True))
        return {name: v.astype(np.int64) if v.dtype == np.float64 else v for name, v in values.items()}

    def _levels(self, node: Input, x: Array) -> Array:
        """Checked levels in the model's type; pixels of the right shape cannot be wrong."""
        levels = self.graph.levels(node.name)
        if x.dtype == np.uint8 and x.shape[1:] == levels.shape and (levels.lo, levels.hi) == (0, 255):
            return x
        return check_input(node, x).astype(self._types[node.name])
