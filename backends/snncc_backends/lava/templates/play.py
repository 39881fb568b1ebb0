"""Running all images through the network, back to back, one in every window."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from build import Description, build, load, unit_of
from execute import Stage, Watch, execute
from numerics.strand import GRADED, Strand
from numpy.typing import NDArray

__all__ = ["load", "output_of", "play"]

Array = NDArray[Any]


def play(
    description: Description, inputs: Mapping[str, Array], records: Path, trains: bool, watch: Watch
) -> float:
    """Run images `inputs[name][I, ...]`; gives the seconds that the steps took."""
    images = len(next(iter(inputs.values())))
    processes = build(description, inputs, records, trains, watch.progress)
    return execute(next(iter(processes.values())), [Stage(description.steps(images))], watch, records)


def output_of(cell: Mapping[str, Any], records: Path) -> Array:
    """A readout's sums, or the levels that a population's spikes stand for."""
    if cell["kind"] == "readout":
        return np.load(records / f"output.{unit_of(cell)}.npy")[:, 0]
    strand = Strand(**cell["strand"])
    train = np.load(records / f"train.{unit_of(cell)}.npy")
    magnitudes = [1 if strand.code == GRADED else strand.magnitude(step) for step in range(strand.window)]
    return np.einsum("iw...,w->i...", train.astype(np.int64), np.array(magnitudes))
