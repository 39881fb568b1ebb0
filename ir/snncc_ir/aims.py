"""What a network learns, and how: the choices that users have."""

from __future__ import annotations

from enum import Enum


class Loss(Enum):
    """How far the network's outputs are from the float network's.

    `kl` compares them as class scores, `mse` as numbers; `auto` takes `kl` for readouts that are a vector
    of two values or more, `mse` for all other outputs.
    """

    AUTO = "auto"
    KL = "kl"
    MSE = "mse"


class Surrogate(Enum):
    """What stands for the derivative of a population's staircase, which is 0 or does not exist.

    `straight` lets the gradient through inside the range (Esser et al. 2020). `single_step` is the surrogate
    of single-step networks (Suetake et al. 2022) for populations of the levels 0 and 1; all others keep
    `straight`.
    """

    STRAIGHT = "straight"
    SINGLE_STEP = "single_step"


class Aim(Enum):
    """What a network learns: the labels of the images, the float network's answers to them, or both."""

    LABELS = "labels"
    FLOAT = "float"
    BOTH = "both"

    @property
    def needs_labels(self) -> bool:
        """Whether images must have labels."""
        return self is not Aim.FLOAT

    @property
    def needs_model(self) -> bool:
        """Whether the float network is asked."""
        return self is not Aim.LABELS
