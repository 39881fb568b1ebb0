"""Grids and weights that a network brings with it: taken as they are, never calibrated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snncc.frontend.values import Array, Lattice, Stored
from snncc.frontend.verdicts import Reject
from snncc_ir.errors import GraphError
from snncc_ir.neurons import Bias, Quantiser
from snncc_ir.rounding import Rounding
from snncc_ir.tensors import Reals, Tensor

MOST_LEVELS = 512
"""Levels have 9 bits at most."""

WIDEST = 255
"""Greatest stored weight less its zero point: 9 bits, which become two projections."""

LONGEST_MANTISSA = 24
"""Bits of a float32's mantissa."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Quantised:
    """What a quantiser asks for: n = clip(round(x / step), lo, hi), worth step * n. `step` is [C] or [1]."""

    step: Reals
    lo: int
    hi: int
    rounding: Rounding

    def __post_init__(self) -> None:
        if not self.step.size or not np.isfinite(self.step).all() or self.step.min() <= 0:
            raise Reject("its scale is not positive")
        if not self.lo <= 0 <= self.hi or self.lo == self.hi:
            raise Reject(f"its zero point leaves levels {self.lo}..{self.hi}, which must contain 0 and more")
        if self.hi - self.lo >= MOST_LEVELS:
            raise Reject(f"levels {self.lo}..{self.hi} have more than 9 bits")

    @property
    def grid(self) -> Lattice | None:
        """The grid of the signal, where it has one for all channels."""
        step = float(self.step.flat[0])
        return Lattice(step, self.lo, self.hi) if bool((self.step == step).all()) else None

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and greatest real value."""
        step = float(self.step.max())
        return step * self.lo, step * self.hi

    def neuron(self, bias: Bias, low: float, high: float) -> Quantiser:
        """The population's neuron, for a drive kept within [low, high] first."""
        channels = bias.values.shape[0]
        if self.step.size not in (1, channels):
            raise Reject(f"its {self.step.size} scales do not fit {channels} channels")
        step = np.broadcast_to(self.step, channels)
        try:
            return Quantiser(
                bias=bias,
                step=Tensor.real(step),
                lo=self.lo,
                hi=self.hi,
                rounding=self.rounding,
                low=low,
                high=high,
            )
        except GraphError as error:
            raise Reject(error.what) from None


def dequantised(integers: Array, scale: Array, zero: Array, axis: int) -> tuple[Reals, Stored]:
    """scale * (q - zero) of a constant, exact for integers below 2^29, and the integers q - zero."""
    place = [1] * integers.ndim
    if not scale.size or zero.size not in (1, scale.size):
        raise Reject("its scales and zero points differ in number")
    if scale.size > 1:
        if (
            scale.ndim != 1
            or not -integers.ndim <= axis < integers.ndim
            or integers.shape[axis] != scale.size
        ):
            raise Reject("its scales do not fit the axis of its values (blocks are not supported)")
        place[axis] = scale.size
    factor = np.asarray(scale, dtype=np.float64).reshape(place)
    if not np.isfinite(factor).all() or factor.min() <= 0:
        raise Reject("its scale is not positive")
    offset = np.asarray(zero).astype(np.int64)
    offset = offset.reshape(place) if offset.size > 1 else offset.reshape([1] * integers.ndim)
    stored = integers.astype(np.int64) - offset
    full = np.broadcast_to(factor, integers.shape)
    return stored * full, Stored(stored, full)


def weight_tensor(values: Reals, stored: Stored | None) -> Tensor:
    """Weights `[O, ...]` as integers and a scale per output, if they came so or turn out so, else as reals.

    Weights of +-alpha per output, and others on a grid of 8-bit integers, are such without being marked.
    """
    rows = len(values)
    if stored is None:
        return _on_grid(values)
    integers, scale = stored.integers.reshape(rows, -1), stored.scale.reshape(rows, -1)
    if bool((scale != scale[:, :1]).any()) or int(np.abs(integers).max(initial=0)) > WIDEST:
        return _on_grid(values)
    return Tensor.scaled(stored.integers, scale[:, 0])


def _on_grid(values: Reals) -> Tensor:
    flat = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    found = _common_steps(flat) if flat.shape[1] > 1 else None
    if found is None:
        return Tensor.real(values)
    integers = np.rint(flat / found[:, None]).reshape(values.shape).astype(np.int64)
    return Tensor.scaled(integers, found)


def _common_steps(rows: Reals) -> Reals | None:
    """Greatest step per row of which its numbers are multiples by at most 127, where every row has one."""
    greatest = np.abs(rows).max(axis=1)
    top = np.where(greatest > 0, greatest, 1.0)
    _, exponent = np.frexp(top)
    mantissas = np.ldexp(rows, (2 * LONGEST_MANTISSA - exponent)[:, None])
    if bool((mantissas != np.rint(mantissas)).any()):
        return None
    common = np.gcd.reduce(np.abs(mantissas).astype(np.int64), axis=1)
    common = np.where(greatest > 0, common, 1)
    steps = np.where(greatest > 0, np.ldexp(common.astype(np.float64), exponent - 2 * LONGEST_MANTISSA), 1.0)
    return None if bool((greatest / steps > 127).any()) else steps
