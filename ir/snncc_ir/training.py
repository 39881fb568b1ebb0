"""What a pass that learns and an engine that differentiates tell each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from snncc_ir.aims import Loss, Surrogate

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What to minimise: a loss over `batch` images, by `kl` at a softmax temperature.

    It is `taught` times the distance from the float network's outputs, if there is one, plus `labelled`
    times the cross-entropy of the first output with the classes that the images have.
    `hidden` times the mean over the hidden populations of their squared error, relative to the variance of
    what they are without staircases, is added: it says more about few images than a few scores do.
    `surrogate` is how gradients pass through the staircases.
    """

    loss: Loss
    temperature: float
    batch: int
    hidden: float = 0.0
    taught: float = 1.0
    labelled: float = 0.0
    surrogate: Surrogate = Surrogate.STRAIGHT


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Arrays of a real graph by the name of their node, or the gradients of a loss by these arrays.

    `weights` have the shape of the linear node's weight; `biases` have the population's or readout's shape,
    as gradients they are one number per channel; `steps[C]` are the real values of one level.
    """

    weights: Mapping[str, Array]
    biases: Mapping[str, Array]
    steps: Mapping[str, Array]
