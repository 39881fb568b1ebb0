"""What a choice of spike codes is for, and what it gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from snncc_ir.codes import Code, CodeGoal


@dataclass(frozen=True, kw_only=True)
class Price:
    """What an image costs on a chip, an estimate, and the compartments that all neurons take."""

    nanojoules: float
    microseconds: float
    compartments: int

    def key(self, goal: CodeGoal) -> tuple[float, float, float]:
        """What is compared for a goal, its own figure first."""
        match goal:
            case CodeGoal.ENERGY:
                return self.nanojoules, self.microseconds, self.compartments
            case CodeGoal.TIME:
                return self.microseconds, self.nanojoules, self.compartments
            case CodeGoal.CORES:
                return self.compartments, self.nanojoules, self.microseconds


@dataclass(frozen=True, kw_only=True)
class CodeChoice:
    """The code of every population, what that costs, and what `reference` in all of them would cost."""

    goal: CodeGoal
    codes: Mapping[str, Code]
    price: Price
    reference: Code
    reference_price: Price
