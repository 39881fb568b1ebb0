"""The target `sim`: no chip, no files; a network that only the engines of this machine run, in any code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from snncc_backends.chips import load_machine
from snncc_ir.backend import Array, Engine
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine


@dataclass(frozen=True)
class SimBackend:
    """Takes every integer graph and emits nothing."""

    name: str = "sim"

    @property
    def machines(self) -> Mapping[str, Machine]:
        """The one machine: everything is allowed."""
        return {"any": load_machine("any")}

    @property
    def engines(self) -> tuple[Engine, ...]:
        """None beside those that every artefact has."""
        return ()

    @property
    def builder(self) -> None:
        """Nothing to build."""
        return None

    @property
    def balancer(self) -> None:
        """No choice of cores."""
        return None

    def refusals(self, graph: Graph, machine: Machine) -> tuple[str, ...]:
        """Nothing is refused."""
        return ()

    def emit(self, graph: Graph, machine: Machine, golden: Mapping[str, Array]) -> dict[str, bytes]:
        """No files."""
        return {}

    def figures(self, files: Mapping[str, bytes]) -> dict[str, Any]:
        """Nothing beside the graph."""
        return {}


backend = SimBackend()
