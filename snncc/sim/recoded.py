"""One evaluation of a data set for several codes: the answers are the same, spikes are counted for each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.sim.evaluate import Batch, Evaluation, evaluate_images
from snncc.sim.levels import LevelEngine
from snncc.sim.native.levels import NativeEngine
from snncc.sim.native.library import NativeError
from snncc_ir.costs import NO_COUNTS, Counter, Counts
from snncc_ir.encoding import InputFormat
from snncc_ir.graph import Graph
from snncc_ir.nodes import Input, Readout
from snncc_ir.progress import Progress

Array = NDArray[Any]
Levels = Mapping[str, Array]

HELD = 1 << 24
"""Levels that are held at once."""


def evaluate_codes(
    graphs: Sequence[Graph], form: InputFormat, images: Array, progress: Progress
) -> tuple[Evaluation, tuple[Counts, ...]]:
    """Run images `[N, *input shape]` once through phased graphs that differ in their codes alone.

    The evaluation is that of all of them but for its costs; the counts are those of each graph, summed over
    the images.
    """
    graph, counters = graphs[0], [Counter(each) for each in graphs]
    levels = tuple(dict.fromkeys(name for counter in counters for name in counter.values))
    engine, run = _runner(graph, levels)
    sums = [NO_COUNTS] * len(counters)

    def tally(inputs: Levels) -> Levels:
        found = {**inputs, **run(inputs)}
        sums[:] = [before + counter.count(found) for before, counter in zip(sums, counters, strict=True)]
        return {name: found[name] for name in graph.outputs}

    size = max(1, HELD // sum(math.prod(graph.types[name].shape) for name in levels))

    def batch(inputs: Levels) -> Batch:
        count = len(next(iter(inputs.values())))
        parts = [
            tally({name: values[first : first + size] for name, values in inputs.items()})
            for first in range(0, count, size)
        ]
        outputs = {name: np.concatenate([part[name] for part in parts]) for name in graph.outputs}
        return Batch(outputs, NO_COUNTS, 0)

    return evaluate_images(graph, form, images, engine, progress, batch), tuple(sums)


def _runner(graph: Graph, levels: tuple[str, ...]) -> tuple[str, Callable[[Levels], Levels]]:
    """The fastest engine, and what gives all `levels` and the outputs."""
    outputs = (name for name in graph.outputs if not isinstance(graph.by_name[name], Readout))
    wanted = tuple(dict.fromkeys((*levels, *outputs)))
    inner = tuple(name for name in wanted if not isinstance(graph.by_name[name], Input))
    try:
        return "native", NativeEngine(graph, inner).run
    except NativeError:
        return "levels", LevelEngine(graph, wanted).run
