"""Between what users have (pixels, real numbers) and what the network takes (levels)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_ir.errors import DataError
from snncc_ir.nodes import Input
from snncc_ir.tensors import Reals
from snncc_ir.types import Levels

Array = NDArray[Any]

PIXEL_TOP = 255


@dataclass(frozen=True, kw_only=True)
class InputFormat:
    """How real inputs become levels: real = scale * (level - zero); both broadcast to the input's shape.

    `exact` is False where inputs must be rounded; `verdict` says in words what was chosen.
    """

    levels: Levels
    scale: Reals
    zero: Reals
    exact: bool
    verdict: str

    def to_levels(self, images: Array) -> Array:
        """Images `[N, *shape]` as integer levels: uint8 as pixels, anything else as real numbers."""
        return to_levels(self.levels, self.scale, self.zero, images)

    def to_reals(self, levels: Array) -> NDArray[np.float32]:
        """What the float network sees for these levels."""
        return np.asarray(self.scale * (levels - self.zero), dtype=np.float32)


def format_of(node: Input) -> InputFormat:
    """The format of an input that has been quantised."""
    if not isinstance(node.type, Levels) or node.scale is None or node.zero is None:
        raise DataError("the input has no levels yet", where=node.name)
    return InputFormat(
        levels=node.type, scale=node.scale.data, zero=node.zero.data, exact=True, verdict="as compiled"
    )


def to_levels(levels: Levels, scale: Reals, zero: Reals, images: Array) -> Array:
    """Pixels are levels already (or rounded to fewer); real numbers are divided, rounded and clipped."""
    if images.dtype == np.uint8:
        return pixel_levels(levels, images)
    if images.dtype.kind not in "fiu":
        raise DataError(f"images hold {images.dtype}, not numbers")
    if not np.isfinite(images).all():
        raise DataError("images hold NaN or infinity", hint="take those images out")
    rounded = np.rint(images / scale + zero)
    return np.clip(rounded, levels.lo, levels.hi).astype(np.int64)


def pixel_levels(levels: Levels, pixels: Array) -> Array:
    """uint8 pixels as levels 0..hi: the pixel itself where hi is 255."""
    if levels.lo < 0:
        raise DataError(
            f"pixels (uint8) do not fit the input's levels {levels.lo}..{levels.hi}",
            hint="give floating-point images in the network's own units",
        )
    if levels.hi == PIXEL_TOP:
        return pixels
    return np.rint(pixels.astype(np.float64) * levels.hi / PIXEL_TOP).astype(np.int64)
