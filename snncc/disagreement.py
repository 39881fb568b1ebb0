"""How often a compiled network decides otherwise than the network that it came from."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from snncc.frontend.calibrate import float_outputs
from snncc.frontend.load import Model
from snncc.sim.evaluate import evaluate_images
from snncc_ir.encoding import InputFormat
from snncc_ir.graph import Graph
from snncc_ir.progress import silent

BATCH = 32


def disagreement(model: Model, graph: Graph, form: InputFormat, images: NDArray[Any]) -> str:
    """One sentence on the share of `images`, as they were stored, that the two classify differently."""
    levels = (form.to_levels(images[first : first + BATCH]) for first in range(0, len(images), BATCH))
    real = float_outputs(model, (form.to_reals(batch) for batch in levels))[0]
    found = evaluate_images(graph, form, images, "levels", silent).predictions
    share = float((found != real.reshape(len(real), -1).argmax(axis=1)).mean())
    return f"decides otherwise than the float network on {share:.1%} of {len(images)} calibration images"
