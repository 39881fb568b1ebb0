"""What learns: an integer graph whose numbers are variables."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

from snncc_ir.graph import Graph
from snncc_ir.tensors import Reals

Array = NDArray[Any]


class Learner(Protocol):
    """The numbers of a graph as one vector of variables without units, 0 where the graph is as it was."""

    rates: Reals
    """`[V]`, by which the learning rate of each variable is multiplied."""

    def start(self) -> Reals:
        """The variables `[V]` of the graph as it is."""

    def graph(self, vector: Reals) -> Graph:
        """The integer graph for other values, all roundings made; for `start()` the same function."""

    def gradient(self, vector: Reals, levels: Array, labels: Array | None) -> tuple[float, Reals]:
        """Mean loss of input levels `[N, *shape]` of classes `labels[N]`, and its gradient `[V]`.

        Roundings pass the gradient straight through.
        """
