"""What an ONNX tensor stands for while the graph is lowered: a constant, a signal or a drive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.frontend.onnx_nodes import OnnxNode
from snncc_ir.nodes import Linear, MaxPool, Pad, Pair, Repeat, Reshape, Slice, Transpose
from snncc_ir.tensors import Ints, Reals
from snncc_ir.types import Shape

Array = NDArray[Any]
UnaryWiring = MaxPool | Reshape | Transpose | Slice | Pad | Repeat


@dataclass(frozen=True, slots=True)
class Origin:
    """What an IR node is to be called after, and the ONNX nodes that it comes from."""

    hint: str
    nodes: tuple[str, ...]

    @staticmethod
    def of(node: OnnxNode) -> Origin:
        """The origin of what one ONNX node gives."""
        return Origin(node.hint, (node.name,))

    def also(self, node: OnnxNode) -> Origin:
        """The same, with a node that was folded in."""
        return self if node.name in self.nodes else Origin(self.hint, (*self.nodes, node.name))


@dataclass(frozen=True, eq=False)
class Stored:
    """The integers that a quantised constant was stored as, and what one stands for at each position."""

    integers: Ints
    scale: Reals

    def mapped(self, change: Callable[[Array], Array]) -> Stored:
        """Both behind a change of layout."""
        return Stored(change(self.integers), change(self.scale))


@dataclass(frozen=True, eq=False)
class Const:
    """A value known now; with its batch axis, if it has one, and how it was stored if it came quantised."""

    array: Array
    stored: Stored | None = None


@dataclass(frozen=True, slots=True)
class Lattice:
    """The grid of a signal that came quantised: its values are step * n with lo <= n <= hi."""

    step: float
    lo: int
    hi: int


@dataclass(frozen=True, kw_only=True)
class Signal:
    """Real activations in [low, high], given by the IR node `name`, without the batch axis.

    `pad` is zero padding not yet wired, for a convolution to take over: the input's real zero need not
    be one of its levels. `shape` includes it. `shared` signals have several readers. Where `zero` is set,
    the ONNX tensor holds the integers n + zero of the signal's `grid`, not yet its real values.
    """

    name: str
    shape: Shape
    low: float
    high: float
    shared: bool = False
    pad: tuple[Pair, ...] = ()
    grid: Lattice | None = None
    zero: int | None = None


@dataclass(frozen=True)
class Step:
    """Wiring that still has to be placed; its name and source are blank."""

    wiring: UnaryWiring
    origin: Origin = field(compare=False)


@dataclass(frozen=True, eq=False)
class Term:
    """A linear map of a signal that still has to be placed; its name and source are blank."""

    linear: Linear
    source: Signal
    origin: Origin


@dataclass(frozen=True, eq=False)
class Probe:
    """Where the original network shows a drive: gain * (the tensor, with `layout` undone) + offset.

    `layout` holds Reshape and Transpose steps from the drive's own axes to the tensor's; gain and
    offset are per channel and come from nodes that follow pending wiring.
    """

    tensor: str
    layout: tuple[Step, ...]
    gain: Reals
    offset: Reals
    copies: int = 1
    """How many channels of the drive show the tensor's only one."""

    @staticmethod
    def plain(tensor: str, channels: int, layout: tuple[Step, ...] = ()) -> Probe:
        """The tensor itself."""
        return Probe(tensor, layout, np.ones(channels), np.zeros(channels))


@dataclass(frozen=True, eq=False, kw_only=True)
class DriveValue:
    """A weighted sum that no population has taken yet, and the wiring to place after that population.

    The drive is the sum of the terms plus `bias`, [C] or the whole shape `base`; `steps` lead from
    `base` to the visible `shape`. Neurons are monotone, so they commute with max-pooling and wiring.
    """

    terms: tuple[Term, ...]
    bias: Reals
    base: Shape
    shape: Shape
    steps: tuple[Step, ...] = ()
    probe: Probe
    origin: Origin


@dataclass(frozen=True)
class Unknown:
    """The value of a node that was rejected."""


Value = Const | Signal | DriveValue | Unknown
Operand = Signal | DriveValue
