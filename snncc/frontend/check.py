"""What `snncc check` shows: the verdict of every node."""

from __future__ import annotations

from dataclasses import dataclass

from snncc.frontend.load import Model
from snncc.frontend.lower import examine
from snncc.frontend.verdicts import Verdict


@dataclass(frozen=True)
class Report:
    """One verdict per ONNX node, in file order; `supported` where none is rejected."""

    verdicts: tuple[Verdict, ...]
    supported: bool


def check(model: Model) -> Report:
    """Look at every node of the model; never stops at the first problem."""
    examined = examine(model)
    return Report(examined.verdicts, examined.lowered is not None)
