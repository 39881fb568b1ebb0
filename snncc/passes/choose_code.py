"""The spike code of every population, and with it the timing of the graph."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from snncc.passes.base import Context, Pass, option
from snncc_ir.codes import Code, Reset
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.nodes import AnyNode, Input, Population
from snncc_ir.timing import Phased, Rate, Stbif, Timing

DEFAULT_STEPS = 64


@dataclass(frozen=True)
class ChooseCode(Pass):
    """Gives every population the same code; `input` is how a phased graph sends its input."""

    name: ClassVar[str] = "choose_code"

    code: str = option("radix", "graded, radix, count, ttfs, rate or stbif")
    input: str = option("graded", "graded or another phased code; streaming codes take graded")
    steps: int = option(DEFAULT_STEPS, "time steps per image of a rate code")
    reset: str = option("subtract", "subtract or zero, for a rate code")

    def __post_init__(self) -> None:
        for value, kind in ((self.code, Code), (self.input, Code), (self.reset, Reset)):
            names = [member.value for member in kind]
            if value not in names:
                raise SnnccError(f"{value!r} is none of {', '.join(names)}", where=self.name)
        if self.steps < 1:
            raise SnnccError(f"steps must be at least 1, not {self.steps}", where=self.name)

    def apply(self, graph: Graph, context: Context) -> Graph:
        """The graph with its codes set."""
        nodes = tuple(self._coded(node) for node in graph.nodes)
        return replace(graph, nodes=nodes, timing=self._timing())

    def _coded(self, node: AnyNode) -> AnyNode:
        match node:
            case Population():
                return replace(node, code=Code(self.code))
            case Input():
                phased = Code(self.code).is_phased
                return replace(node, code=Code(self.input) if phased else Code.GRADED)
            case _:
                return node

    def _timing(self) -> Timing:
        match Code(self.code):
            case Code.RATE:
                return Rate(self.steps, Reset(self.reset))
            case Code.STBIF:
                return Stbif()
            case _:
                return Phased()
