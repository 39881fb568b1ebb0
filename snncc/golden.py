"""Golden vectors: inputs with the integers that every engine must give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.samples import Samples
from snncc_ir.graph import Graph
from snncc_ir.nodes import Readout
from snncc_ir.semantics import evaluate
from snncc_ir.streaming import run_streaming
from snncc_ir.timing import Phased

Array = NDArray[Any]

GOLDEN_SAMPLES = 2

INPUT = "input."


def golden_vectors(graph: Graph, samples: Samples) -> dict[str, Array]:
    """Inputs with the reference's levels (signed spike counts of streaming codes) and readout drives."""
    (node,) = graph.inputs
    levels = graph.levels(node.name)
    rng = np.random.default_rng(0)
    inputs = np.concatenate(
        [
            samples.form.to_levels(np.asarray(samples.images[:GOLDEN_SAMPLES])),
            rng.integers(levels.lo, levels.hi + 1, (1, *levels.shape)),
            np.full((1, *levels.shape), levels.hi),
        ]
    )
    return {f"{INPUT}{node.name}": inputs.astype(np.int16), **reference_values(graph, inputs)}


def reference_values(graph: Graph, inputs: Array) -> dict[str, Array]:
    """`levels.NAME` of populations and wired outputs, `output.NAME` of readouts, by the reference."""
    feed = {graph.inputs[0].name: inputs}
    readouts = [node.name for node in graph.of_type(Readout)]
    if isinstance(graph.timing, Phased):
        values = evaluate(graph, feed)
        outputs = {name: values[name] for name in readouts}
    else:
        run = run_streaming(graph, feed, keep_trains=False)
        values, outputs = run.counts, {name: run.outputs[name][-1] for name in readouts}
    return {
        **{f"levels.{name}": values[name].astype(np.int32) for name in graph.reported},
        **{f"output.{name}": values for name, values in outputs.items()},
    }


def golden_inputs(golden: Mapping[str, Array]) -> dict[str, Array]:
    """The input levels `[I, *shape]` among golden vectors, by input."""
    return {name[len(INPUT) :]: values for name, values in golden.items() if name.startswith(INPUT)}
