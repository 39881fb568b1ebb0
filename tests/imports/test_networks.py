"""Networks that come quantised have, in every execution, the levels of their exact rational evaluation."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from snncc import dataset
from snncc.frontend.load import load
from snncc.frontend.lower import lower
from snncc.passes.base import Context
from snncc.passes.choose_code import ChooseCode
from snncc.passes.quantize import Quantize
from snncc.sim.drives import Layers
from snncc.sim.levels import LevelEngine
from snncc.sim.spikes import SpikeEngine
from snncc_ir.certificates import Requantised
from snncc_ir.graph import Graph
from snncc_ir.semantics import evaluate
from snncc_ir.statistics import Calibration
from support import exact_onnx
from support.quantised_models import SIDE, qdq_networks, qlinear_networks, qonnx_networks

Array = NDArray[Any]

IMAGES = 2
CODES = st.sampled_from(["radix", "count", "ttfs", "graded"])
PIXELS = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).choice(
        np.array([0, 1, 127, 128, 129, 254, 255, 60, 200], np.uint8), (IMAGES, 2, SIDE, SIDE)
    )
)


def compiled(folder: pytest.TempPathFactory, model: onnx.ModelProto) -> tuple[Graph, list[Requantised]]:
    """The integer graph on raw pixels, and its certificates."""
    path = folder.mktemp("import") / "model.onnx"
    onnx.save(model, path)
    certificates: list[Requantised] = []
    context = Context(
        calibration=Calibration(populations={}, images=0, synthetic=False),
        input_format=dataset.pixel_format((2, SIDE, SIDE), 8, 1.0, (0.0,), (1.0,)),
        samples=np.zeros((0, 2, SIDE, SIDE), dtype=np.int64),
        layers=Layers(),
        certify=certificates.append,
    )
    return Quantize().apply(lower(load(path)).graph, context), certificates


def real_output(graph: Graph, levels: Array) -> Array:
    """Output levels as exact real numbers."""
    (name,) = graph.outputs
    node = graph.by_name[name]
    while not hasattr(node, "drives"):
        node = graph.by_name[node.sources[0]]
    step = Fraction(float(node.scale.data[0]))  # type: ignore[union-attr]
    found = np.empty(levels.size, dtype=object)
    found[:] = [step * int(level) for level in levels.reshape(-1)]
    return found.reshape(levels.shape)


def check(folder: pytest.TempPathFactory, model: onnx.ModelProto, pixels: Array, code: str) -> None:
    """All channels certified; the reference, `levels` and `spikes` in a code give the exact evaluation."""
    graph, certificates = compiled(folder, model)
    assert all(row.approximated == 0 and row.proved + row.tabled == row.channels for row in certificates)
    expected = exact_onnx.evaluate(model, exact_onnx.exact(pixels))[model.graph.output[0].name]
    (name,) = graph.outputs
    feed = {graph.inputs[0].name: pixels}
    values = evaluate(graph, feed)
    assert (real_output(graph, values[name]) == expected).all()
    assert np.array_equal(LevelEngine(graph, (name,)).run(feed)[name], values[name])
    coded = ChooseCode(code=code).apply(graph, None)  # type: ignore[arg-type]
    found = SpikeEngine(coded).run(feed).levels
    for node in coded.populations:
        assert np.array_equal(found[node.name], values[node.name])


@settings(max_examples=25)
@given(model=qdq_networks(), pixels=PIXELS, code=CODES)
def test_quantise_and_dequantise_nodes(
    tmp_path_factory: pytest.TempPathFactory, model: onnx.ModelProto, pixels: Array, code: str
) -> None:
    check(tmp_path_factory, model, pixels, code)


@settings(max_examples=10)
@given(model=qlinear_networks(), pixels=PIXELS, code=CODES)
def test_qlinear_nodes(
    tmp_path_factory: pytest.TempPathFactory, model: onnx.ModelProto, pixels: Array, code: str
) -> None:
    check(tmp_path_factory, model, pixels, code)


@settings(max_examples=25)
@given(model=qonnx_networks(), pixels=PIXELS, code=CODES)
def test_qonnx_and_binary_nodes(
    tmp_path_factory: pytest.TempPathFactory, model: onnx.ModelProto, pixels: Array, code: str
) -> None:
    check(tmp_path_factory, model, pixels, code)
