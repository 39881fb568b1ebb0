"""What can be switched off in a network that came quantised: saturation, and the steps of a rate code."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from snncc import dataset
from snncc.frontend.load import load
from snncc.frontend.lower import lower
from snncc.passes.base import Context
from snncc.passes.choose_code import ChooseCode
from snncc.passes.quantize import Quantize
from snncc.sim.drives import Layers
from snncc.sim.hybrid import Hybrid, Source, Switch
from snncc.sim.stairs import Cause
from snncc_ir.graph import Graph
from snncc_ir.semantics import evaluate
from snncc_ir.statistics import Calibration
from snncc_ir.streaming import run_streaming
from support.quantised_models import QONNX, SIDE, qdq_networks, qonnx_networks

PIXELS = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).integers(0, 256, (3, 2, SIDE, SIDE))
)


def both(folder: pytest.TempPathFactory, model: onnx.ModelProto, code: str = "radix") -> tuple[Graph, Graph]:
    """The network as it came, and its integers."""
    path = folder.mktemp("import") / "model.onnx"
    onnx.save(model, path)
    context = Context(
        calibration=Calibration(populations={}, images=0, synthetic=False),
        input_format=dataset.pixel_format((2, SIDE, SIDE), 8, 1.0, (0.0,), (1.0,)),
        samples=np.zeros((0, 2, SIDE, SIDE), dtype=np.int64),
        layers=Layers(),
    )
    real = lower(load(path)).graph
    integer = Quantize().apply(real, context)
    return real, ChooseCode(code=code, steps=6).apply(integer, context)


@settings(max_examples=25)
@given(model=st.one_of(qdq_networks(), qonnx_networks()), pixels=PIXELS)
def test_with_every_switch_on_it_is_the_integer_network(
    tmp_path_factory: pytest.TempPathFactory, model: onnx.ModelProto, pixels: np.ndarray
) -> None:
    real, integer = both(tmp_path_factory, model)
    hybrid = Hybrid(real, integer)
    assert {switch.cause for switch in hybrid.switches} <= {Cause.ROUNDING, Cause.SATURATION}
    found = hybrid.run(Source(pixels, pixels), frozenset(hybrid.switches))
    expected = evaluate(integer, {integer.inputs[0].name: pixels})
    for node in integer.populations:
        np.testing.assert_array_equal(found[node.name].mean, expected[node.name], err_msg=node.name)


def small(bits: int, mode: str = "ROUND") -> onnx.ModelProto:
    """x / 4 quantised to steps of 1 in 0..2^bits - 1, their sum, quantised to steps of 2."""
    nodes, constants = [], []

    def constant(value: object) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value, np.float32), f"c{len(constants)}"))
        return constants[-1].name

    def quant(source: str, step: float, result: str, signed: int = 0) -> None:
        names = [source, constant(step), constant(0), constant(bits)]
        options = {"signed": signed, "narrow": 0, "rounding_mode": mode}
        nodes.append(helper.make_node("Quant", names, [result], result, domain=QONNX, **options))

    nodes.append(helper.make_node("Mul", ["x", constant(0.25)], ["m"], "m"))
    quant("m", 1.0, "q1")
    weight = np.zeros((2, 2, 1, 1))
    weight[0], weight[1, 0] = 1, 1
    quant(constant(weight), 1.0, "w", signed=1)
    nodes.append(helper.make_node("Conv", ["q1", "w"], ["u"], "u"))
    quant("u", 2.0, "q2")
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2, SIDE, SIDE])],
        [helper.make_tensor_value_info("q2", TensorProto.FLOAT, None)],
        constants,
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid(QONNX, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


@given(pixels=PIXELS, bits=st.integers(2, 6))
@settings(max_examples=25)
def test_without_saturation_levels_go_on(
    tmp_path_factory: pytest.TempPathFactory, pixels: np.ndarray, bits: int
) -> None:
    real, integer = both(tmp_path_factory, small(bits))
    hybrid = Hybrid(real, integer)
    first, second = (node.name for node in integer.populations)
    assert {switch for switch in hybrid.switches if switch.node != "x"} == {
        Switch(first, Cause.SATURATION),
        Switch(second, Cause.SATURATION),
    }
    for off in ((first, second), (first,), (second,), ()):
        on = frozenset(switch for switch in hybrid.switches if switch.node not in off)
        values = hybrid.run(Source(pixels, pixels), on)
        top = 2**bits - 1
        one = np.rint(pixels / 4)
        one = one if first in off else np.minimum(one, top)
        two = np.rint(np.stack([one.sum(axis=1), one[:, 0]], axis=1) / 2)
        two = two if second in off else np.minimum(two, top)
        np.testing.assert_array_equal(values[first].mean, one)
        np.testing.assert_array_equal(values[second].mean, two)


@given(pixels=PIXELS)
@settings(max_examples=10)
def test_steps_are_a_loss_of_an_imported_network(
    tmp_path_factory: pytest.TempPathFactory, pixels: np.ndarray
) -> None:
    real, phased = both(tmp_path_factory, small(3, "HALF_UP"))
    _, integer = both(tmp_path_factory, small(3, "HALF_UP"), "rate")
    hybrid = Hybrid(real, integer)
    causes = {switch.cause for switch in hybrid.switches if switch.node != "x"}
    assert causes == {Cause.ROUNDING, Cause.SATURATION, Cause.TIMING}
    everything, source = frozenset(hybrid.switches), Source(pixels, pixels)
    on = hybrid.run(source, everything)
    counts = run_streaming(integer, {"x": pixels}, keep_trains=False).counts
    for node in integer.populations:
        np.testing.assert_allclose(on[node.name].mean, counts[node.name] * 7 / 6, rtol=1e-6)
    lasting = frozenset(switch for switch in everything if switch.cause is Cause.SATURATION)
    off = hybrid.run(source, lasting)
    expected = evaluate(phased, {"x": pixels})
    for node in integer.populations:
        np.testing.assert_array_equal(off[node.name].mean, expected[node.name])
