"""How a real drive becomes a level in a network that comes quantised: one exact threshold per level."""

from __future__ import annotations

from enum import Enum

import numpy as np

from snncc_ir.tensors import Reals


class Rounding(Enum):
    """The level of x, the drive in units of one level, before it is clipped.

    `half_up` and `half_down` round ties away from and toward zero, `up` and `down` everything. `at_least`
    and `above` are the steps [x >= 0] and [x > 0]; `bipolar` is +1 for x >= 0, else -1.
    """

    HALF_EVEN = "half_even"
    HALF_ODD = "half_odd"
    HALF_UP = "half_up"
    HALF_DOWN = "half_down"
    FLOOR = "floor"
    CEIL = "ceil"
    UP = "up"
    DOWN = "down"
    AT_LEAST = "at_least"
    ABOVE = "above"
    BIPOLAR = "bipolar"
    SIGN = "sign"

    @property
    def levels(self) -> tuple[int, int] | None:
        """The only levels of a step or sign; None where a grid chooses them."""
        match self:
            case Rounding.AT_LEAST | Rounding.ABOVE:
                return 0, 1
            case Rounding.BIPOLAR | Rounding.SIGN:
                return -1, 1
            case _:
                return None

    def threshold(self, level: int) -> tuple[int, bool]:
        """(2t, strict): the level of x is at least `level` where x > t if strict, else where x >= t."""
        even = level % 2 == 0
        match self:
            case Rounding.HALF_EVEN:
                return 2 * level - 1, not even
            case Rounding.HALF_ODD:
                return 2 * level - 1, even
            case Rounding.HALF_UP:
                return 2 * level - 1, level <= 0
            case Rounding.HALF_DOWN:
                return 2 * level - 1, level > 0
            case Rounding.FLOOR:
                return 2 * level, False
            case Rounding.CEIL:
                return 2 * level - 2, True
            case Rounding.UP:
                return (2 * level - 2, True) if level > 0 else (2 * level, False)
            case Rounding.DOWN:
                return (2 * level, False) if level > 0 else (2 * level - 2, True)
            case Rounding.AT_LEAST | Rounding.BIPOLAR:
                return 0, False
            case Rounding.ABOVE:
                return 0, True
            case Rounding.SIGN:
                return 0, level > 0

    def apply(self, x: Reals) -> Reals:
        """The levels of real numbers, in floating point."""
        match self:
            case Rounding.HALF_EVEN:
                return np.rint(x)
            case Rounding.HALF_ODD:
                return np.rint(x + 1) - 1
            case Rounding.HALF_UP:
                return np.sign(x) * np.floor(np.abs(x) + 0.5)
            case Rounding.HALF_DOWN:
                return np.sign(x) * np.ceil(np.abs(x) - 0.5)
            case Rounding.FLOOR:
                return np.floor(x)
            case Rounding.CEIL:
                return np.ceil(x)
            case Rounding.UP:
                return np.sign(x) * np.ceil(np.abs(x))
            case Rounding.DOWN:
                return np.trunc(x)
            case Rounding.AT_LEAST:
                return (x >= 0).astype(np.float64)
            case Rounding.ABOVE:
                return (x > 0).astype(np.float64)
            case Rounding.BIPOLAR:
                return np.where(x >= 0, 1.0, -1.0)
            case Rounding.SIGN:
                return np.sign(x)
