"""Networks whose output rearranges or pools levels: the same real numbers from every engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import NodeProto, helper

from snncc import artefact
from snncc.driver import compile_model
from snncc.explain import explain
from snncc.frontend.calibrate import float_outputs
from snncc.frontend.load import load
from snncc.options import CompileOptions, PixelScaling
from snncc.simulate import simulate
from snncc.verify import verify
from snncc_ir.errors import TargetError
from support.trained import pixels, save, write_data

TAILS = {
    "flatten": helper.make_node("Flatten", ["r"], ["y"], "tail"),
    "pool": helper.make_node("MaxPool", ["r"], ["y"], "tail", kernel_shape=[2, 2], strides=[2, 2]),
    "transpose": helper.make_node("Transpose", ["r"], ["y"], "tail", perm=[0, 2, 3, 1]),
    "concat": helper.make_node("Concat", ["r", "r"], ["y"], "tail", axis=1),
}
SHAPES: dict[str, list[str | int]] = {
    "flatten": ["N", 4 * 64],
    "pool": ["N", 4, 4, 4],
    "transpose": ["N", 8, 8, 4],
    "concat": ["N", 8, 8, 8],
}


def model(folder: Path, name: str) -> Path:
    """Conv and Relu with channels of very different size, then the tail."""
    rng = np.random.default_rng(3)
    size = np.array([0.01, 0.1, 1.0, 10.0]).reshape(4, 1, 1, 1)
    nodes: list[NodeProto] = [
        helper.make_node("Conv", ["x", "w"], ["c"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        TAILS[name],
    ]
    weights = {"w": size * rng.normal(0, 0.3, (4, 2, 3, 3))}
    return save(folder / f"{name}.onnx", nodes, weights, ["N", 2, 8, 8], SHAPES[name])


@pytest.mark.parametrize("name", TAILS)
def test_every_engine_gives_the_outputs_in_real_units(tmp_path: Path, name: str) -> None:
    data = write_data(tmp_path / "d.npz", pixels(20))
    source = model(tmp_path, name)
    options = {"target": "sim", "calibrate": data, "pixels": PixelScaling(scale=255.0), "level_bits": 8}
    compile_model(source, CompileOptions(output=tmp_path / "a", **options))
    (wanted,) = float_outputs(load(source), [(pixels(20) / np.float32(255)).astype(np.float32)])
    outputs = [
        next(iter(simulate(tmp_path / "a", data, engine=engine).evaluation.outputs.values()))
        for engine in ("levels", "spikes", "reference")
    ]
    np.testing.assert_array_equal(outputs[0], outputs[1])
    np.testing.assert_array_equal(outputs[0], outputs[2])
    assert np.abs(outputs[0] - wanted).max() < 0.01 * np.abs(wanted).max()
    names = artefact.read(tmp_path / "a").golden
    assert f"levels.{artefact.read(tmp_path / 'a').graph.outputs[0]}" in names
    assert verify(tmp_path / "a").equal


@pytest.mark.parametrize("code", ["rate", "stbif"])
@pytest.mark.parametrize("name", TAILS)
def test_streaming_codes_give_them_too(tmp_path: Path, name: str, code: str) -> None:
    data = write_data(tmp_path / "d.npz", pixels(6))
    options = CompileOptions(
        output=tmp_path / "a",
        target="sim",
        calibrate=data,
        pixels=PixelScaling(scale=255.0),
        code=code,
        steps=200 if code == "rate" else CompileOptions.steps,
    )
    compile_model(model(tmp_path, name), options)
    (wanted,) = float_outputs(
        load(tmp_path / f"{name}.onnx"), [(pixels(6) / np.float32(255)).astype(np.float32)]
    )
    (got,) = simulate(tmp_path / "a", data).evaluation.outputs.values()
    assert np.abs(got - wanted).max() < 0.1 * np.abs(wanted).max()
    assert verify(tmp_path / "a").equal


@pytest.mark.parametrize("code", ["radix", "rate", "stbif"])
@pytest.mark.parametrize("name", TAILS)
def test_explain_measures_the_error_that_they_have(tmp_path: Path, name: str, code: str) -> None:
    data = write_data(tmp_path / "d.npz", pixels(10))
    source = model(tmp_path, name)
    options = {"target": "sim", "calibrate": data, "pixels": PixelScaling(scale=255.0), "code": code}
    compile_model(source, CompileOptions(output=tmp_path / "a", **options))
    (wanted,) = float_outputs(load(source), [(pixels(10) / np.float32(255)).astype(np.float32)])
    (outputs,) = simulate(tmp_path / "a", data).evaluation.outputs.values()
    found = explain(tmp_path / "a", data, model_path=source).found
    assert found.total.error == pytest.approx(np.square(outputs - wanted).mean(), rel=1e-3)
    assert sum(loss.error for loss in found.parts.values()) == pytest.approx(found.total.error)


def test_lava_refuses_them_with_the_reason(tmp_path: Path) -> None:
    data = write_data(tmp_path / "d.npz", pixels(6))
    with pytest.raises(TargetError) as caught:
        compile_model(
            model(tmp_path, "pool"), CompileOptions(output=tmp_path / "a", target="lava", calibrate=data)
        )
    assert str(caught.value) == (
        "loihi2: cannot express this network: tail: the output rearranges or pools levels, "
        "which no process reports; make the layer before it the output"
    )
