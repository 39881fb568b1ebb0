"""A small float network through some passes, and what it gives before and after."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from snncc.dataset import pixel_format
from snncc.frontend.calibrate import calibrate
from snncc.frontend.load import load
from snncc.frontend.lower import lower
from snncc.options import PixelScaling
from snncc.passes.base import Context
from snncc.passes.pipeline import parse
from snncc.sim.drives import Layers
from snncc.sim.training.adjoint import Adjoint
from snncc_ir.graph import Graph
from snncc_ir.nodes import Readout
from snncc_ir.semantics import evaluate
from support.trained import IMAGES, pixels, write_residual

PLAIN = PixelScaling(scale=255.0)
NORMALISED = PixelScaling(scale=255.0, mean=(0.4, 0.5), std=(0.2, 0.3))


def run(folder: Path, text: str, scaling: PixelScaling = PLAIN) -> tuple[Graph, Graph, Context]:
    """The lowered graph, the graph after the passes, and what they knew."""
    model = load(write_residual(folder / "m.onnx"))
    lowered = lower(model)
    form = pixel_format(IMAGES, 8, scaling.scale, scaling.mean, scaling.std)
    levels = form.to_levels(pixels())
    calibration = calibrate(model, lowered, [form.to_reals(levels)], total=len(levels))
    context = Context(
        calibration=calibration, input_format=form, samples=levels, layers=Layers(), adjoints=Adjoint
    )
    return lowered.graph, parse(text).run(lowered.graph, context, lambda *_: None), context


def real_outputs(graph: Graph, context: Context, levels: np.ndarray) -> np.ndarray:
    """The float network on the same images."""
    reals = context.input_format.to_reals(levels)
    return evaluate(graph, {graph.inputs[0].name: reals})[graph.outputs[0]]


def integer_outputs(graph: Graph, levels: np.ndarray) -> np.ndarray:
    """The integer network's readout in real units."""
    (readout,) = graph.of_type(Readout)
    return evaluate(graph, {graph.inputs[0].name: levels})[readout.name] * readout.scale
