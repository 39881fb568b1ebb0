"""What a pass is and what it may know beside the graph."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from snncc_ir.certificates import Requantised
from snncc_ir.codes import CodeGoal
from snncc_ir.encoding import InputFormat
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Staircase, Table
from snncc_ir.nodes import Linear
from snncc_ir.progress import Watch, no_watch
from snncc_ir.selection import CodeChoice
from snncc_ir.statistics import Calibration
from snncc_ir.training import Objective, Parameters

Array = NDArray[Any]
T = TypeVar("T", int, float, str)


class Layers(Protocol):
    """Runs single layers on calibration images, exactly; the driver brings an engine that does."""

    def drive(self, node: Linear, x: Array) -> Array:
        """Drive `[N, *drive shape]` of a linear node for levels `x[N, *shape]`: integers of any type."""

    def fire(self, neuron: Staircase | Table, drive: Array) -> Array:
        """Levels, in a narrow integer type, of a population for a drive."""

    def real_drive(self, node: Linear, x: Array) -> Array:
        """Drive of a linear node of a real network for real values, as float32."""


def _ignore(finding: Requantised | CodeChoice | str) -> None:
    """Drop a finding that nobody asked for."""


class Trainer(Protocol):
    """Differentiates a loss by a graph's parameters."""

    def __call__(
        self, images: Array, parameters: Parameters, labels: Array | None = None
    ) -> tuple[float, Parameters]:
        """Loss for real images `[batch, *input shape]`, and its gradients.

        `labels[batch]` are their classes, where the objective asks for them.
        """


class Training(Protocol):
    """Opens trainers; the driver brings an engine that knows the float network."""

    def __call__(self, graph: Graph, objective: Objective) -> Trainer:
        """A trainer for a real graph with grids; raises GraphError where it cannot be differentiated."""


def no_training(graph: Graph, objective: Objective) -> Trainer:
    """Stands where no engine is given."""
    raise SnnccError("this needs an engine for training, and none is given", where=graph.name)


class Adjoint(Protocol):
    """Goes forth and back through a real graph, at most `batch` images at a time."""

    batch: int

    def values(self, images: Array) -> Mapping[str, Array]:
        """Activations of populations, and outputs, `[N, *shape]` for real images `[N, *input shape]`."""

    def gradients(self, images: Array, aims: Mapping[str, Array]) -> Mapping[str, Array]:
        """Gradients of the sum of `aims` times outputs by the activations `[N, *shape]` of populations.

        For real images `[N, *input shape]`; `aims[output][N, *shape]` are factors.
        """


class Adjoints(Protocol):
    """Opens real graphs; the driver brings an engine."""

    def __call__(self, graph: Graph) -> Adjoint:
        """What goes through the graph; raises GraphError where it cannot be differentiated."""


def no_adjoints(graph: Graph) -> Adjoint:
    """Stands where no engine is given."""
    raise SnnccError("this needs an engine for gradients, and none is given", where=graph.name)


class Codes(Protocol):
    """Chooses codes for a phased graph; the driver brings what knows the target's chip."""

    def __call__(self, graph: Graph, samples: NDArray[np.int64], goal: CodeGoal) -> CodeChoice:
        """The cheapest codes for images `samples[N, *input shape]`; raises TargetError without a choice."""


def no_codes(graph: Graph, samples: NDArray[np.int64], goal: CodeGoal) -> CodeChoice:
    """Stands where no chip is given."""
    raise SnnccError("this needs a chip that prices codes, and none is given", where=graph.name)


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the driver hands to every pass.

    `certify` hears of every population that came quantised, `chose` of codes, `warn` what the user should
    know.

    `samples` are calibration images as levels of the input, `[N, *input shape]`; the drive means of
    `calibration` were taken on the same images.
    """

    calibration: Calibration
    input_format: InputFormat
    samples: NDArray[np.int64]
    layers: Layers
    certify: Callable[[Requantised], None] = _ignore
    warn: Callable[[str], None] = _ignore
    chose: Callable[[CodeChoice], None] = _ignore
    training: Training = no_training
    adjoints: Adjoints = no_adjoints
    codes: Codes = no_codes
    watch: Watch = no_watch


@dataclass(frozen=True)
class Pass(ABC):
    """A frozen dataclass whose fields are the pass's options."""

    name: ClassVar[str]

    @abstractmethod
    def apply(self, graph: Graph, context: Context) -> Graph:
        """The graph after the pass."""

    def adapted(self, graph: Graph, changed: Graph, context: Context) -> Context:
        """What later passes may know, where `apply` changed the units of the graph."""
        return context

    def rescaled(self, graph: Graph, compiled: Graph) -> Graph:
        """A real network in the units in which the pass leaves it: the same function, no images needed.

        A pass that trades scale between the channels of a real network, or moves channels, does so here too;
        `snncc explain` compares what was `compiled` with the float network in this form.
        """
        return graph


def option(default: T, help_text: str) -> T:
    """A field of a pass with its help text."""
    made: T = field(default=default, metadata={"help": help_text})
    return made
