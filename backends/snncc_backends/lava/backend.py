"""The backend object: machines, refusals, emitted files and the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from snncc_backends.chips import load_machine
from snncc_backends.lava.engine import LavaEngine
from snncc_backends.lava.profiles import emit_files, find_refusals
from snncc_backends.lava.stock.engine import LifEngine
from snncc_ir.backend import Array, Engine
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine

CHIPS = ("loihi2", "loihi1")
"""Machine descriptions that this backend emits for; the first is the default."""


@dataclass(frozen=True)
class LavaBackend:
    """Lava processes, one per population."""

    name: str = "lava"

    @cached_property
    def machines(self) -> Mapping[str, Machine]:
        """The machines by name."""
        return {name: load_machine(name) for name in CHIPS}

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Lava itself, and our model of its LIF neuron."""
        return (LavaEngine(), LifEngine())

    @property
    def builder(self) -> None:
        """Nothing to build."""
        return None

    @property
    def balancer(self) -> None:
        """No choice of cores."""
        return None

    def refusals(self, graph: Graph, machine: Machine) -> tuple[str, ...]:
        """Why the machine cannot express the graph; empty where it can."""
        return find_refusals(graph, machine)

    def emit(self, graph: Graph, machine: Machine, golden: Mapping[str, Array]) -> dict[str, bytes]:
        """The program and its data; raises TargetError where the machine cannot express the graph."""
        refusals = self.refusals(graph, machine)
        if refusals:
            raise TargetError("; ".join(refusals))
        return emit_files(graph, machine)

    def figures(self, files: Mapping[str, bytes]) -> dict[str, Any]:
        """Nothing beside the graph."""
        return {}
