"""Counts of the parts of a core, and what each part costs."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TypeVar

C = TypeVar("C", bound="Counts")


@dataclass(frozen=True, kw_only=True)
class Counts:
    """A count for every part, or a factor for every part."""

    def dot(self: C, factors: C) -> float:
        """The sum of all parts, each times its factor."""
        return sum(part * factor for part, factor in zip(astuple(self), astuple(factors), strict=True))
