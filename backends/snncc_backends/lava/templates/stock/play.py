"""Running images through a network of stock neurons, each in a network of its own.

Lava's `LIF` starts with the potential that it is made with, and its reset gives 0: a network per image starts
every neuron at half its threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from build import Built, Description, build, load
from execute import Stage, Watch, execute
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from probe.processes import Count

__all__ = ["load", "output_of", "play"]

Array = NDArray[Any]


def play(
    description: Description, inputs: Mapping[str, Array], records: Path, trains: bool, watch: Watch
) -> float:
    """Run images `inputs[name][I, ...]`; gives the seconds that the steps took."""
    images = len(next(iter(inputs.values())))
    cells = description.of_kind("population")
    outputs = set(description.network["outputs"])
    names = {cell["name"] for cell in cells if trains or cell["name"] in outputs}
    _prepare(description, images, records, names)
    seconds = 0.0
    for image in range(images):
        count = Count(watch.progress, image * description.steps_per_image)
        levels = {name: values[image].astype(np.int64) for name, values in inputs.items()}
        built = build(description, levels, image, records, names, count)
        first = next(iter(built.neurons.values()))
        seconds += execute(first, _stages(description, built), watch, records)
    return seconds


def _prepare(description: Description, images: int, records: Path, names: set[str]) -> None:
    """The files that the probes write into."""
    steps = description.network["steps"]
    for cell in description.network["cells"]:
        if cell["kind"] == "readout":
            shape, path, kind = (images, *cell["shape"]), records / f"output.{cell['name']}.npy", "<i8"
        elif cell["name"] in names:
            shape, path, kind = (images, steps, *cell["shape"]), records / f"train.{cell['name']}.npy", "i1"
        else:
            continue
        open_memmap(path, mode="w+", dtype=kind, shape=shape).flush()


def _stages(description: Description, built: Built) -> list[Stage]:
    """One step for each layer that starts a step after another, then the rest."""
    deepest = max(cell["depth"] for cell in description.of_kind("population"))
    rest = description.steps_per_image - deepest
    return [
        Stage(1 if depth < deepest else rest, _starter(description, built, depth))
        for depth in range(deepest + 1)
    ]


def _starter(description: Description, built: Built, depth: int) -> Callable[[], None]:
    """What gives the neurons of a depth their biases; those of depth 0 have them."""

    def start() -> None:
        for cell in description.of_kind("population"):
            if cell["depth"] == depth > 0:
                built.neurons[cell["name"]].bias_mant.set(built.biases[cell["name"]][0])

    return start


def output_of(cell: Mapping[str, Any], records: Path) -> Array:
    """A readout's sums over all steps, or how often each neuron of a population fired."""
    if cell["kind"] == "readout":
        return np.load(records / f"output.{cell['name']}.npy")
    return np.load(records / f"train.{cell['name']}.npy").sum(axis=1, dtype=np.int64)
