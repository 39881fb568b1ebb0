"""The cheapest phased code for every population, by what an image costs on the target's chip."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from snncc.passes.base import Context, Pass, option
from snncc_ir.codes import CodeGoal
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.timing import Phased


@dataclass(frozen=True)
class CheapestCodes(Pass):
    """Changes the codes of populations, and no level; the spikes are those of the calibration images."""

    name: ClassVar[str] = "cheapest_codes"

    goal: str = option("energy", "energy, time or cores")

    def __post_init__(self) -> None:
        names = [goal.value for goal in CodeGoal]
        if self.goal not in names:
            raise SnnccError(f"goal {self.goal!r} is none of {', '.join(names)}", where=self.name)

    def apply(self, graph: Graph, context: Context) -> Graph:
        """The graph with its codes changed."""
        if not graph.is_integer:
            raise SnnccError("runs on the integer network", where=self.name, hint="put it behind quantize")
        if not isinstance(graph.timing, Phased):
            raise SnnccError(
                "chooses among phased codes",
                where=self.name,
                hint="put choose_code with one of them before it",
            )
        choice = context.codes(graph, context.samples, CodeGoal(self.goal))
        context.chose(choice)
        return graph.with_nodes(replace(node, code=choice.codes[node.name]) for node in graph.populations)
