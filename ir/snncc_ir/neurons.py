"""What a population computes from its drive: a real unit, a staircase, or a table of breakpoints."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from snncc_ir.errors import GraphError
from snncc_ir.fields import sparse
from snncc_ir.rounding import Rounding
from snncc_ir.tensors import NEURON_BITS, Reals, Tensor
from snncc_ir.types import Shape

DECAY_TOP = 2**12 - 1
"""The greatest decay of a leaky neuron, in 4096ths."""


def per_channel(values: NDArray[Any], rank: int) -> NDArray[Any]:
    """Reshape `[C, ...]` so that axis 0 is the channel axis of a value of `rank` axes."""
    return values.reshape(values.shape[:1] + (1,) * (rank - 1))


def _check_reach(tensor: Tensor, what: str) -> None:
    if tensor.reaches(NEURON_BITS):
        raise GraphError(f"{what} {tensor.range[0]}..{tensor.range[1]} do not fit {NEURON_BITS} bits")


@dataclass(frozen=True, kw_only=True)
class Bias:
    """One bias per channel, `values[C]`; or per channel and border class, `values[C, R, S]`.

    With border classes the bias of channel c at position (y, x) is `values[c, rows[y], columns[x]]`:
    input normalisation and +-1 activations under zero padding need another bias near the border.
    """

    values: Tensor
    rows: tuple[int, ...] = ()
    columns: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        expected = 3 if self.rows or self.columns else 1
        if len(self.values.shape) != expected:
            raise GraphError(f"bias values must have {expected} axes, not {len(self.values.shape)}")
        _check_classes(self.values, self.rows, self.columns, "bias")
        _check_reach(self.values, "biases")

    def spread(self, shape: Shape) -> NDArray[Any]:
        """The bias as an array that broadcasts to a drive of `shape` (channel axis first)."""
        if self.rows:
            return _at_positions(self.values.data, self.rows, self.columns)
        return per_channel(self.values.data, len(shape))

    def check(self, shape: Shape) -> None:
        """Raise GraphError unless the bias fits a drive of `shape`."""
        channels = self.values.shape[0]
        if channels != shape[0]:
            raise GraphError(f"bias has {channels} channels, the drive {shape[0]}")
        if self.rows and (len(self.rows), len(self.columns)) != shape[1:]:
            raise GraphError(f"border classes are for {len(self.rows)}x{len(self.columns)} positions")


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The levels chosen for a real unit: `hi` (or `-lo`) levels reach the real value `top[C]`."""

    top: Tensor
    lo: int
    hi: int

    def __post_init__(self) -> None:
        if len(self.top.shape) != 1:
            raise GraphError(f"a grid's top must have 1 axis, not {len(self.top.shape)}")
        if not self.lo <= 0 <= self.hi or self.lo == self.hi:
            raise GraphError(f"grid {self.lo}..{self.hi} must contain 0 and more than one level")

    @property
    def scale(self) -> Reals:
        """Real value of one level, per channel."""
        return np.asarray(self.top.data / max(self.hi, -self.lo), dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Analog:
    """A real unit before quantisation: a = min(max(f(U + b), low), high); `grid` once it is balanced.

    f(v) = v where v >= 0 or there is no `slope`, else slope[c] * v with slope[c] >= 0 (LeakyRelu, PRelu).
    """

    bias: Bias
    low: float
    high: float
    grid: Grid | None = None
    slope: Tensor | None = sparse(None)

    def __post_init__(self) -> None:
        if math.isnan(self.low) or math.isnan(self.high) or not self.low <= 0 <= self.high:
            raise GraphError(f"a unit's range {self.low}..{self.high} must contain 0")
        if self.low == self.high:
            raise GraphError("a unit's range must contain more than one value")
        if self.slope is not None and (len(self.slope.shape) != 1 or self.slope.data.min() < 0):
            raise GraphError("slopes must be a vector of numbers >= 0")

    @property
    def ceiling(self) -> float:
        """The greatest magnitude that its values can have."""
        return max(self.high, -self.low)

    def bounds(self, scale: Reals, lo: int, hi: int) -> tuple[Reals, Reals]:
        """Least and greatest level of each channel, of those lo..hi of the real value scale[C]."""
        low, high = (np.floor(bound / scale + 0.5) for bound in (self.low, self.high))
        return np.maximum(low, lo), np.minimum(high, hi)

    def bends(self, scale: Reals, lo: int, hi: int) -> bool:
        """True where the unit, with levels lo..hi of the real value scale[C], is more than a staircase."""
        first, last = self.bounds(scale, lo, hi)
        return self.slope is not None or bool((first > lo).any() or (last < hi).any())


@dataclass(frozen=True, kw_only=True)
class Quantiser:
    """A real unit that came quantised: n = clip(round(x / step), lo, hi) with x = min(max(U + b, low), high).

    `round` is the rounding rule; the unit's value is step * n, `step[C]` > 0.
    """

    bias: Bias
    step: Tensor
    lo: int
    hi: int
    rounding: Rounding
    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        if self.step.is_integer or len(self.step.shape) != 1 or self.step.data.min() <= 0:
            raise GraphError("a quantiser's step must be a vector of positive real numbers")
        if not self.lo <= 0 <= self.hi or self.lo == self.hi:
            raise GraphError(f"grid {self.lo}..{self.hi} must contain 0 and more than one level")
        fixed = self.rounding.levels
        if fixed is not None and fixed != (self.lo, self.hi):
            raise GraphError(f"rounding {self.rounding.value} gives levels {fixed[0]}..{fixed[1]}")
        if not self.low <= 0 <= self.high:
            raise GraphError(f"a unit's range {self.low}..{self.high} must contain 0")


@dataclass(frozen=True, kw_only=True)
class Staircase:
    """The integer neuron: n = clip(floor((U + b + floor(theta/2)) / theta), lo, hi), theta[C] >= 1."""

    theta: Tensor
    bias: Bias
    lo: int
    hi: int

    def __post_init__(self) -> None:
        if not self.theta.is_integer or not self.bias.values.is_integer:
            raise GraphError("a staircase needs integer thresholds and biases")
        if len(self.theta.shape) != 1 or self.theta.range[0] < 1:
            raise GraphError("thresholds must be a vector of integers >= 1")
        _check_reach(self.theta, "thresholds")


@dataclass(frozen=True, kw_only=True)
class Table:
    """A neuron by breakpoints: `breakpoints[C, j]` is the least U whose level is at least lo + 1 + j.

    With border classes, as a bias has them, they are `breakpoints[C, R, S, j]`.
    """

    breakpoints: Tensor
    lo: int
    hi: int
    rows: tuple[int, ...] = ()
    columns: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.breakpoints.is_integer:
            raise GraphError("breakpoints must be integers")
        if self.breakpoints.shape[-1] != self.hi - self.lo:
            raise GraphError(f"a table of levels {self.lo}..{self.hi} needs {self.hi - self.lo} breakpoints")
        expected = 4 if self.rows or self.columns else 2
        if len(self.breakpoints.shape) != expected:
            raise GraphError(f"breakpoints must have {expected} axes, not {len(self.breakpoints.shape)}")
        _check_classes(self.breakpoints, self.rows, self.columns, "a table")
        if (np.diff(self.breakpoints.data, axis=-1) < 0).any():
            raise GraphError("breakpoints must not decrease")
        _check_reach(self.breakpoints, "breakpoints")

    def spread(self, shape: Shape) -> NDArray[Any]:
        """The breakpoints as an array that broadcasts to a drive of `shape` with the levels as last axis."""
        if self.rows:
            return _at_positions(self.breakpoints.data, self.rows, self.columns)
        channels, levels = self.breakpoints.shape
        return self.breakpoints.data.reshape(channels, *(1,) * (len(shape) - 1), levels)

    def check(self, shape: Shape) -> None:
        """Raise GraphError unless the table fits a drive of `shape`."""
        _check_fit(self.breakpoints, self.rows, self.columns, shape, "table")


@dataclass(frozen=True, kw_only=True)
class Leaky:
    """Loihi's neuron in 64ths of a drive (ir/SPEC.md, section 7): a rate neuron whose u and v decay.

    u keeps (4095 - du) / 4096 of itself in a step, v (4096 - dv) / 4096; it fires where v > 64 vth. The bias
    is added to v, and both start at 0.
    """

    lo: ClassVar[int] = 0
    hi: ClassVar[int] = 1

    vth: int
    bias: Bias
    du: int
    dv: int

    def __post_init__(self) -> None:
        if not self.bias.values.is_integer:
            raise GraphError("a leaky neuron needs integer biases")
        if not 0 <= self.vth < 1 << (NEURON_BITS - 1):
            raise GraphError(f"the threshold {self.vth} of a leaky neuron is negative or does not fit")
        if not 0 <= self.du <= DECAY_TOP or not 0 <= self.dv <= DECAY_TOP:
            raise GraphError(f"the decays {self.du}, {self.dv} of a leaky neuron must be 0..{DECAY_TOP}")


def _check_classes(values: Tensor, rows: tuple[int, ...], columns: tuple[int, ...], what: str) -> None:
    if bool(rows) != bool(columns):
        raise GraphError("border classes need rows and columns")
    for classes, axis in ((rows, 1), (columns, 2)):
        if classes and not 0 <= min(classes) <= max(classes) < values.shape[axis]:
            raise GraphError(f"{what} has border classes outside 0..{values.shape[axis] - 1}")


def _check_fit(
    values: Tensor, rows: tuple[int, ...], columns: tuple[int, ...], shape: Shape, what: str
) -> None:
    if values.shape[0] != shape[0]:
        raise GraphError(f"{what} of {values.shape[0]} channels does not fit {shape[0]} channels")
    if rows and (len(rows), len(columns)) != shape[1:]:
        raise GraphError(f"border classes are for {len(rows)}x{len(columns)} positions")


def _at_positions(values: NDArray[Any], rows: tuple[int, ...], columns: tuple[int, ...]) -> NDArray[Any]:
    return np.asarray(values[:, np.array(rows)][:, :, np.array(columns)])


Neuron = Analog | Quantiser | Staircase | Table | Leaky
