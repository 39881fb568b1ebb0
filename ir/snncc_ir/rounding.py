"""How a real drive becomes a level in a network that comes quantised: one exact threshold per level."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
        return THRESHOLDS[self](level)

    def apply(self, x: Reals) -> Reals:
        """The levels of real numbers, in floating point."""
        return APPLIED[self](x)


THRESHOLDS: Mapping[Rounding, Callable[[int], tuple[int, bool]]] = {
    Rounding.HALF_EVEN: lambda level: (2 * level - 1, level % 2 == 1),
    Rounding.HALF_ODD: lambda level: (2 * level - 1, level % 2 == 0),
    Rounding.HALF_UP: lambda level: (2 * level - 1, level <= 0),
    Rounding.HALF_DOWN: lambda level: (2 * level - 1, level > 0),
    Rounding.FLOOR: lambda level: (2 * level, False),
    Rounding.CEIL: lambda level: (2 * level - 2, True),
    Rounding.UP: lambda level: (2 * level - 2, True) if level > 0 else (2 * level, False),
    Rounding.DOWN: lambda level: (2 * level, False) if level > 0 else (2 * level - 2, True),
    Rounding.AT_LEAST: lambda level: (0, False),
    Rounding.ABOVE: lambda level: (0, True),
    Rounding.BIPOLAR: lambda level: (0, False),
    Rounding.SIGN: lambda level: (0, level > 0),
}

APPLIED: Mapping[Rounding, Callable[[Reals], Reals]] = {
    Rounding.HALF_EVEN: np.rint,
    Rounding.HALF_ODD: lambda x: np.rint(x + 1) - 1,
    Rounding.HALF_UP: lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5),
    Rounding.HALF_DOWN: lambda x: np.sign(x) * np.ceil(np.abs(x) - 0.5),
    Rounding.FLOOR: np.floor,
    Rounding.CEIL: np.ceil,
    Rounding.UP: lambda x: np.sign(x) * np.ceil(np.abs(x)),
    Rounding.DOWN: np.trunc,
    Rounding.AT_LEAST: lambda x: (x >= 0).astype(np.float64),
    Rounding.ABOVE: lambda x: (x > 0).astype(np.float64),
    Rounding.BIPOLAR: lambda x: np.where(x >= 0, 1.0, -1.0),
    Rounding.SIGN: np.sign,
}
