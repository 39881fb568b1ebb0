"""What happens to each ONNX node, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """The four things that can happen to a node."""

    LOWERED = "lowered"
    FOLDED = "folded"
    APPROXIMATED = "approximated"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens to the node `name`, which applies the operator `op`."""

    name: str
    op: str
    verdict: Kind
    reason: str = ""

    @property
    def is_rejected(self) -> bool:
        """True where the node cannot be lowered."""
        return self.verdict is Kind.REJECTED

    def __str__(self) -> str:
        head = f"{self.name} ({self.op}): {self.verdict.value}"
        return f"{head}: {self.reason}" if self.reason else head


class Reject(Exception):
    """Raised by a lowering function: the node cannot be lowered, for this reason."""

    def __init__(self, reason: str) -> None:
        """Keep the reason."""
        super().__init__(reason)
        self.reason = reason
