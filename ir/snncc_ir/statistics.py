"""What calibration learns about a network: per-channel statistics of every population."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Activations of one population of C channels in the float network.

    `low` and `high` [C] are the extremes over all samples, `drive_mean` [C] is the mean of the value
    before the activation (bias included), `sample` [R, C] holds activations at R random positions.
    """

    low: Reals
    high: Reals
    drive_mean: Reals
    sample: NDArray[np.float32]

    def picked(self, channels: NDArray[np.int64]) -> Statistics:
        """Those of some channels, in the given order."""
        return Statistics(
            low=self.low[channels],
            high=self.high[channels],
            drive_mean=self.drive_mean[channels],
            sample=self.sample[:, channels],
        )


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Statistics of every population by name, and where they came from."""

    populations: Mapping[str, Statistics]
    images: int
    synthetic: bool
