"""Where the original network shows the drive of a population or a readout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_ir.linear import wire
from snncc_ir.neurons import per_channel
from snncc_ir.nodes import Repeat, Reshape, Transpose
from snncc_ir.tensors import Reals
from snncc_ir.types import Shape

Layout = tuple[Reshape | Transpose | Repeat, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Tap:
    """drive = gain * (the ONNX tensor, its layout undone) + offset; activation = clip(f(drive), low, high).

    f multiplies what is negative by `slope` [C], where there is one.

    The tensor is `[N, ...]`. `undoing` leads from its shape to `shape`, the value's own in the IR, with
    the channels on axis 1 behind the batch. Gain and offset are per channel. A readout has no bounds.
    """

    tensor: str
    undoing: Layout
    shape: Shape
    gain: Reals
    offset: Reals
    low: float
    high: float
    slope: Reals | None = None

    @property
    def is_plain(self) -> bool:
        """True where drive and tensor are the same values."""
        return bool((self.gain == 1).all() and not self.offset.any())

    def drive(self, tensor: NDArray[Any]) -> Reals:
        """The drive `[N, *shape]` that the tensor's values `[N, ...]` show."""
        for step in self.undoing:
            tensor = wire(step, tensor)
        rank = len(self.shape)
        real = np.asarray(tensor, dtype=np.float64)
        return np.asarray(real * per_channel(self.gain, rank) + per_channel(self.offset, rank))

    def activation(self, drive: NDArray[Any]) -> NDArray[Any]:
        """The activations for a drive `[N, C, ...]`, in its own type."""
        if self.slope is not None:
            slope = per_channel(self.slope.astype(drive.dtype), drive.ndim - 1)
            drive = np.where(drive < 0, drive * slope, drive)
        return np.clip(drive, self.low, self.high)
