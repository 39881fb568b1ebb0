"""What a lowering function gets and gives: one node with the values of its inputs, values with a verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snncc.frontend.builder import Builder, identity_term
from snncc.frontend.onnx_nodes import Attributes, OnnxNode, words
from snncc.frontend.values import Array, Const, DriveValue, Operand, Origin, Probe, Signal, Step, Value
from snncc.frontend.verdicts import Kind, Reject
from snncc.frontend.wiring import fitted, push
from snncc_ir.nodes import Scale
from snncc_ir.tensors import Reals
from snncc_ir.types import Shape

CODE_OPERATORS = words(
    """
    Concat DepthToSpace Dropout Expand Flatten Gather GlobalMaxPool Identity MaxPool ReduceMax Reshape Resize
    Slice SpaceToDepth Split Squeeze Tile Transpose Unsqueeze Upsample
    """
)
"""Operators that treat stored integers as they treat the real values that these stand for."""


@dataclass(frozen=True, eq=False)
class Result:
    """The values of a node's outputs, and what happened to the node."""

    values: tuple[Value, ...]
    kind: Kind = Kind.LOWERED
    reason: str = ""


def lowered(*values: Value) -> Result:
    """The node became something of its own."""
    return Result(values)


def folded(value: Value, reason: str) -> Result:
    """The node vanished into what is beside it."""
    return Result((value,), Kind.FOLDED, reason)


@dataclass(frozen=True, eq=False)
class Call:
    """One node to lower: its inputs' values, the batch that shapes count with, and the graph so far."""

    node: OnnxNode
    values: tuple[Value | None, ...]
    builder: Builder
    batch: int
    opset: int
    is_tail: bool
    """True where nothing but the network's outputs and other tail nodes read the node."""
    read: frozenset[str]
    """Every tensor that something reads."""

    @property
    def takes_codes(self) -> bool:
        """True for operators that only move or compare values, which stored integers allow as well."""
        return self.node.op in CODE_OPERATORS

    @property
    def attributes(self) -> Attributes:
        """The node's attributes."""
        return self.node.attributes

    @property
    def origin(self) -> Origin:
        """The node as the origin of IR nodes."""
        return Origin.of(self.node)

    @property
    def tensor(self) -> str:
        """Name of the first output."""
        return self.node.outputs[0]

    def has(self, index: int) -> bool:
        """True where the optional input is there."""
        return index < len(self.values) and self.values[index] is not None

    def operand(self, index: int = 0) -> Operand:
        """A computed input."""
        value = self.values[index] if self.has(index) else None
        match value:
            case Signal(zero=int()) if not self.takes_codes:
                raise Reject("computes with stored integers; put DequantizeLinear before it")
            case Signal() | DriveValue():
                return value
            case _:
                raise Reject(f"input {index} is constant; a value computed from the image is needed there")

    def codes(self, index: int = 0) -> Signal:
        """A computed input that may hold stored integers."""
        value = self.values[index] if self.has(index) else None
        if not isinstance(value, Signal):
            raise Reject(f"input {index} is no quantised value")
        return value

    def constant(self, index: int, what: str) -> Array:
        """A constant input."""
        return self.stored(index, what).array

    def stored(self, index: int, what: str) -> Const:
        """A constant input with the integers it was stored as, if it came quantised."""
        if not self.has(index):
            raise Reject(f"{what} missing")
        value = self.values[index]
        if not isinstance(value, Const):
            raise Reject(f"{what} computed from the image; only constants are supported there")
        return value

    def optional(self, index: int, what: str) -> Array | None:
        """A constant input, None where it is left out."""
        return self.constant(index, what) if self.has(index) else None

    def integers(self, index: int, what: str) -> tuple[int, ...]:
        """A constant list of integers."""
        values = self.constant(index, what)
        if values.dtype.kind not in "iu" or values.ndim > 1:
            raise Reject(f"{what} no list of integers")
        return tuple(int(value) for value in values.reshape(-1))

    def fitted(self, index: int, shape: Shape) -> Reals:
        """A constant input that broadcasts to `shape`."""
        return fitted(self.constant(index, f"input {index} is"), shape, self.batch)

    def signal(self, index: int = 0) -> Signal:
        """A computed input as a signal, its padding placed."""
        return self.builder.solid(self.padded_signal(index))

    def padded_signal(self, index: int = 0) -> Signal:
        """A computed input as a signal; a drive becomes a signed population."""
        return self.as_signal(self.operand(index))

    def as_signal(self, value: Operand) -> Signal:
        """A computed value as a signal; a drive becomes a signed population."""
        return value if isinstance(value, Signal) else signed(self.builder, value)

    def wired(self, value: Operand, step: Step) -> Operand:
        """The value behind one step of wiring."""
        if isinstance(value, Signal):
            return self.builder.wire(value, step)
        return push(value, step)


def signed(builder: Builder, drive: DriveValue) -> Signal:
    """The drive as a population that passes both signs."""
    origin = Origin(f"{drive.origin.hint}_signed", drive.origin.nodes)
    return builder.fire(drive, -np.inf, np.inf, origin)


def as_drive(builder: Builder, signal: Signal, tensor: str, origin: Origin) -> DriveValue:
    """The signal itself as a drive, which the original network shows as `tensor`."""
    signal = builder.solid(signal)
    channels = signal.shape[0]
    return DriveValue(
        terms=(identity_term(signal, np.ones(channels), origin),),
        bias=np.zeros(channels),
        base=signal.shape,
        shape=signal.shape,
        probe=Probe.plain(tensor, channels),
        origin=origin,
    )


def is_scaling(drive: DriveValue) -> bool:
    """True where the drive is one signal scaled: cheap enough to be placed once per reader."""
    return len(drive.terms) == 1 and isinstance(drive.terms[0].linear, Scale)
