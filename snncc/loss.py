"""Loss against the float network on a few images, with the interval that so few images leave open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

NORMAL = 1.959964
"""Two-sided 95 % quantile of the normal distribution."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Percentage points lost against the float network on `images` images.

    With labels it is the difference of the two accuracies, without them the share of images whose first
    class differs. `low` and `high` are its 95 % confidence interval.
    """

    points: float
    low: float
    high: float
    images: int
    labelled: bool

    def as_plain(self) -> dict[str, Any]:
        """What manifests and `--json` hold."""
        return {
            "loss": round(self.points, 3),
            "interval": [round(self.low, 3), round(self.high, 3)],
            "images": self.images,
            "labelled": self.labelled,
            "text": str(self),
        }

    def __str__(self) -> str:
        kind = "points" if self.labelled else "% of predictions changed"
        return f"{self.points:.2f} {kind} ({self.low:.2f} to {self.high:.2f}) on {self.images} images"


def loss(predictions: Array, float_predictions: Array, labels: Array | None) -> Loss:
    """The loss of predictions `[N]`, against labels `[N]` where there are any."""
    count = len(predictions)
    if labels is None:
        changed = float((predictions != float_predictions).mean())
        low, high = _wilson(changed, count)
        return Loss(points=100 * changed, low=100 * low, high=100 * high, images=count, labelled=False)
    difference = (float_predictions == labels).astype(np.float64) - (predictions == labels)
    points = float(difference.mean())
    reach = NORMAL * float(np.sqrt(max(np.square(difference).mean() - points**2, 1 / count) / count))
    return Loss(
        points=100 * points,
        low=100 * (points - reach),
        high=100 * (points + reach),
        images=count,
        labelled=True,
    )


def _wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's score interval of a share of `count` trials (Wilson 1927, equation for the binomial)."""
    square = NORMAL**2 / count
    centre = (share + square / 2) / (1 + square)
    reach = NORMAL / (1 + square) * float(np.sqrt(share * (1 - share) / count + square / (4 * count)))
    return max(0.0, centre - reach), min(1.0, centre + reach)


def predictions_of(outputs: Array) -> Array:
    """The answers `[N]` of outputs `[N, ...]`."""
    return np.asarray(outputs.reshape(len(outputs), -1).argmax(axis=1))
