"""What a backend is: something that emits files for a machine, and engines that run them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from snncc_ir.graph import Graph
from snncc_ir.machine import Machine
from snncc_ir.progress import Progress

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class EngineRun:
    """What an engine computed for I images, sent back to back.

    `trains[name][I, window, *shape]` are the spikes of inputs and populations, image by image, as
    `spiking.SpikeRun` gives them; `outputs[name][I, *shape]` each readout's drive plus bias; `steps` the
    number of time steps that the whole run took.
    """

    trains: Mapping[str, Array]
    outputs: Mapping[str, Array]
    steps: int


class Engine(Protocol):
    """One way of executing an emitted network."""

    @property
    def name(self) -> str:
        """What `--engine` calls it."""

    def missing(self) -> str | None:
        """None where it can run here, else what is missing and how to install it."""

    def run(
        self, graph: Graph, machine: Machine, inputs: Mapping[str, Array], progress: Progress
    ) -> EngineRun:
        """Emit afresh into a private folder and run images `inputs[name][I, *shape]` there."""


class Backend(Protocol):
    """The entry point `snncc.backends` names an object of this type."""

    @property
    def name(self) -> str:
        """What `--target` calls it."""

    @property
    def machines(self) -> Mapping[str, Machine]:
        """The machines that it emits for, by name; the first is the default."""

    @property
    def engines(self) -> tuple[Engine, ...]:
        """The engines that run what it emits."""

    def refusals(self, graph: Graph, machine: Machine) -> tuple[str, ...]:
        """Why the machine cannot express the graph; empty where it can."""

    def emit(self, graph: Graph, machine: Machine) -> dict[str, bytes]:
        """The files of the target, by path relative to the artefact."""
