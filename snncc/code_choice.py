"""Codes chosen for a machine: the levels of calibration images are measured, and priced on its cores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.cores.choice import choose_codes, offered_codes
from snncc.fit import measured_levels
from snncc.passes.cheapest_codes import CheapestCodes
from snncc.passes.pipeline import Pipeline
from snncc_ir.codes import CodeGoal
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine
from snncc_ir.selection import CodeChoice, Price

IMAGES = 64
"""Calibration images whose levels are counted."""

COLUMNS = ("population", "levels", "code", "steps")
"""What a row of the table holds."""


@dataclass(frozen=True)
class Chooser:
    """Chooses codes for one machine."""

    machine: Machine

    def __call__(self, graph: Graph, samples: NDArray[np.int64], goal: CodeGoal) -> CodeChoice:
        """The cheapest codes for the first images of `samples[N, *input shape]`."""
        (node,) = graph.inputs
        levels = measured_levels(graph, {node.name: samples[:IMAGES]})
        return choose_codes(graph, self.machine, levels, goal)


def check_choice(pipeline: Pipeline, machine: Machine) -> None:
    """Raise TargetError where a pipeline is to choose codes of which the machine has no choice."""
    if any(isinstance(step, CheapestCodes) for step in pipeline.passes):
        offered_codes(machine)


def as_plain(choice: CodeChoice) -> dict[str, Any]:
    """What `--json` prints (docs/cores.md)."""
    return {
        "goal": choice.goal.value,
        "populations": {name: code.value for name, code in choice.codes.items()},
        "estimate": asdict(choice.price),
        "reference": {"code": choice.reference.value, **asdict(choice.reference_price)},
    }


def rows(graph: Graph) -> Sequence[tuple[str, ...]]:
    """The code of every population, its levels and the steps of its window."""
    found = []
    for node in graph.populations:
        (strand,) = graph.strands[node.name]
        found.append((node.name, f"{strand.lo}..{strand.hi}", strand.code.value, str(strand.window)))
    return found


def headline(choice: CodeChoice) -> str:
    """What the choice gains, in one line."""
    price, reference = choice.price, choice.reference_price
    return (
        f"codes of least {choice.goal.value}: {_said(price)}; {choice.reference.value} everywhere: "
        f"{_said(reference)} (estimates)"
    )


def _said(price: Price) -> str:
    energy, time = price.nanojoules / 1000, price.microseconds
    return f"{energy:.2f} uJ and {time:.1f} us per image, {price.compartments} compartments"
