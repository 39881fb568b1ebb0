"""What a backend is: something that emits files for a machine, and engines that run them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray

from snncc_ir.graph import Graph
from snncc_ir.hardware import Hardware, Stage
from snncc_ir.machine import Goal, Machine
from snncc_ir.progress import Progress

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class LayerRun:
    """Where the clock cycles `cycles[I]` of one layer went in each of I images.

    Lanes multiply in those that are not `zeros[I]` (words without a level), `waits[I]` (for the neurons of
    the outputs before) or `overhead[I]` (beginning and end). `products[I]` counts weights times levels that
    are not 0, as the network has them; there could be `most` in a cycle.
    """

    computes: str
    most: int
    cycles: Array
    zeros: Array
    waits: Array
    overhead: Array
    products: Array


@dataclass(frozen=True, kw_only=True)
class CoreRun:
    """One of several cores in a row: what it computes on how many lanes, in `cycles[I]` for each image."""

    computes: tuple[str, ...]
    lanes: int
    cycles: Array


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """What cores in a row did with I images.

    `latency[I]` is in cycles, of each image were it alone; the clock is an estimate.
    """

    cores: tuple[CoreRun, ...]
    latency: Array
    clock_mhz: float


@dataclass(frozen=True, kw_only=True)
class EngineRun:
    """What an engine computed for I images, sent back to back.

    `trains[name][I, window, *shape]` are the spikes of inputs and populations, image by image, as
    `spiking.SpikeRun` gives them, of a streaming code those of max-pools too, silent steps behind an image's
    last; `outputs[name][I, *shape]` each readout's drive plus bias; `steps` the
    number of time steps that the whole run took. An engine that computes levels and sends no spikes gives
    `levels[name][I, *shape]` of every population, or of the pool that alone reads it; one with a clock
    gives the `cycles[I]` of every image; with cores in a row (`pipeline`) those since the image before it.
    `layers` says where they went, `clock_mhz` is an estimate.
    """

    outputs: Mapping[str, Array]
    trains: Mapping[str, Array] = field(default_factory=dict)
    levels: Mapping[str, Array] = field(default_factory=dict)
    steps: int = 0
    cycles: Array | None = None
    pipeline: Pipeline | None = None
    layers: tuple[LayerRun, ...] = ()
    clock_mhz: float | None = None


class Engine(Protocol):
    """One way of executing an emitted network."""

    @property
    def name(self) -> str:
        """What `--engine` calls it."""

    def missing(self) -> str | None:
        """None where it can run here, else what is missing and how to install it."""

    def runs(self, graph: Graph) -> bool:
        """False for graphs whose emitted files hold nothing for it."""

    def run(
        self, graph: Graph, machine: Machine, inputs: Mapping[str, Array], progress: Progress
    ) -> EngineRun:
        """Emit afresh into a private folder and run images `inputs[name][I, *shape]` there."""


class Builder(Protocol):
    """Takes an emitted network to hardware by the tools that are installed."""

    @property
    def devices(self) -> tuple[str, ...]:
        """What can be built for."""

    def missing(self, stage: Stage, device: str) -> str | None:
        """None where all tools are there, else what is missing; raises TargetError for no such device."""

    def build(
        self,
        graph: Graph,
        machine: Machine,
        golden: Mapping[str, Array],
        device: str,
        stage: Stage,
        progress: Progress,
    ) -> Hardware:
        """Emit afresh into a private folder and run the tools there.

        Raises TargetError where the device is too small, ToolError where a tool fails.
        """


@dataclass(frozen=True, kw_only=True)
class Balanced:
    """A machine with cores in a row, the cycles between two images, and what that is in images per second."""

    machine: Machine
    interval: float
    images_per_second: float


class Balancer(Protocol):
    """Spreads a network over several cores in a row."""

    def balance(
        self, graph: Graph, machine: Machine, goal: Goal, images: Mapping[str, Array], progress: Progress
    ) -> Balanced:
        """The machine with the cores that meet a goal on images `images[name][I, *shape]`.

        Raises TargetError where nothing meets the goal.
        """


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

    @property
    def builder(self) -> Builder | None:
        """What takes the emitted files to hardware; None where there is nothing to build."""

    @property
    def balancer(self) -> Balancer | None:
        """What spreads networks over several cores; None where there is one core, or no choice."""

    def refusals(self, graph: Graph, machine: Machine) -> tuple[str, ...]:
        """Why the machine cannot express the graph; empty where it can."""

    def emit(self, graph: Graph, machine: Machine, golden: Mapping[str, Array]) -> dict[str, bytes]:
        """The files of the target, by path in the artefact; `golden[name][I, *shape]` are input levels."""

    def figures(self, files: Mapping[str, bytes]) -> dict[str, Any]:
        """What the target's files tell beside the graph, for the summary of a compilation."""
