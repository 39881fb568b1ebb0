"""One-bit weights of float networks, and +-alpha weights that a network brings with it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from snncc import artefact, cli
from snncc.driver import compile_model
from snncc.options import CompileOptions
from snncc.passes.pipeline import parse
from snncc.passes.published import Published
from snncc_ir.errors import SnnccError
from snncc_ir.nodes import Conv, Dense
from snncc_ir.semantics import evaluate
from support.named_models import Writer
from support.trained import pixels, write_data, write_residual


def options(folder: Path, **chosen: object) -> CompileOptions:
    return CompileOptions(  # type: ignore[arg-type]
        output=folder / "out", target="sim", calibrate=folder / "data.npz", force=True, **chosen
    )


def deep(folder: Path, *, binary: bool) -> Path:
    """Four layers; the two in the middle have weights of +-alpha, or real ones."""
    net = Writer(2, 8, 8)
    value = net.node("Relu", net.node("Conv", "x", _weights(net, (4, 2, 3, 3), binary=False)))
    for _ in range(2):
        value = net.node("Relu", net.node("Conv", value, _weights(net, (4, 4, 3, 3), binary=binary)))
    last = _weights(net, (5, 16), binary=False)
    onnx.save(
        net.proto(net.node("Gemm", net.node("Flatten", value), last, attributes={"transB": 1})),
        folder / "m.onnx",
    )
    write_data(folder / "data.npz", pixels(40, seed=1))
    return folder / "m.onnx"


def _weights(net: Writer, shape: tuple[int, ...], *, binary: bool) -> np.ndarray:
    values = net.random.normal(size=shape)
    alpha = np.linspace(0.1, 0.3, shape[0]).reshape(-1, *(1,) * (len(shape) - 1))
    return (np.sign(values) * alpha if binary else values / 9).astype(np.float32)


def test_weights_of_alpha_stay_one_bit(tmp_path: Path) -> None:
    compiled = compile_model(deep(tmp_path, binary=True), options(tmp_path))
    bits = [node.weight.bits for node in compiled.graph.linears if isinstance(node, Conv | Dense)]
    assert bits == [8, 1, 1, 8]
    assert compiled.warnings == ()


def test_weight_bits_1_binarises_and_says_what_it_costs(tmp_path: Path) -> None:
    compiled = compile_model(deep(tmp_path, binary=False), options(tmp_path, weight_bits=1))
    bits = [node.weight.bits for node in compiled.graph.linears if isinstance(node, Conv | Dense)]
    assert bits == [8, 1, 1, 8]
    (warning,) = compiled.warnings
    assert warning.startswith("weights of 2 layers became +-mean|W|, which is off by ")
    found = compiled.summary["binarised"]
    assert (found["images"], found["labelled"]) == (40, False)
    assert found["text"].endswith(" on 40 images")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["binarised"] == found
    assert compiled.summary["pipeline"].startswith(
        "binarise;balance{method=auto,level_bits=4,scope=channel};quantize{weight_bits=8"
    )


def test_the_cost_of_one_bit_weights_is_accuracy_where_there_are_labels(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = deep(tmp_path, binary=False)
    images = pixels(40, seed=1)
    reals = run_onnx(path, images.astype(np.float32))
    labels = reals.argmax(axis=1)
    labels[::4] = (labels[::4] + 1) % 5  # the float network is right on three quarters
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    arguments = ["compile", "m.onnx", "--target", "sim", "--calibrate", "data.npz", "--weight-bits", "1"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["snncc", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code in (0, None)
    (line,) = [line for line in capfd.readouterr().out.splitlines() if line.startswith("its levels")]
    found = json.loads((tmp_path / "m.snncc" / "manifest.json").read_text(encoding="utf-8"))["binarised"]
    graph = artefact.read(tmp_path / "m.snncc").graph
    (readout,) = graph.outputs
    answers = evaluate(graph, {graph.inputs[0].name: images.astype(np.int64)})[readout].argmax(axis=1)
    assert found["loss"] == pytest.approx(75 - 100 * float((answers == labels).mean()))
    assert line == f"its levels and one-bit weights lose {found['text']} that it was calibrated on"
    assert found["labelled"]


@pytest.mark.parametrize(
    "chosen", [{"code": "stbif"}, {"code": "rate", "steps": 4}, {"published": Published.LU_SENGUPTA}]
)
def test_streaming_codes_say_what_one_bit_weights_cost(tmp_path: Path, chosen: dict[str, object]) -> None:
    compiled = compile_model(deep(tmp_path, binary=False), options(tmp_path, weight_bits=1, **chosen))
    assert compiled.summary["binarised"]["images"] == 40
    bits = [node.weight.bits for node in compiled.graph.linears if isinstance(node, Conv | Dense)]
    assert bits == [8, 1, 1, 8]


def run_onnx(path: Path, images: np.ndarray) -> np.ndarray:
    """The float network's outputs."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"x": image[None]})[0] for image in images])


def test_a_one_bit_layer_fires_as_its_real_weights_do(tmp_path: Path) -> None:
    """alpha is in the thresholds: theta is s_out / (alpha * s_in), rounded."""
    compiled = compile_model(deep(tmp_path, binary=True), options(tmp_path, level_bits=8))
    first, second = compiled.graph.populations[:2]
    assert first.scale is not None
    assert second.scale is not None
    theta = second.neuron.theta.data  # type: ignore[union-attr]
    assert len(np.unique(first.scale.data)) == 1
    alpha = np.linspace(0.1, 0.3, 4).astype(np.float32)
    assert np.abs(theta - second.scale.data / (alpha * first.scale.data)).max() <= 0.5 + 1e-6 * theta.max()


def test_it_runs_before_quantize(tmp_path: Path) -> None:
    write_residual(tmp_path / "m.onnx")
    write_data(tmp_path / "data.npz", pixels())
    chosen = options(tmp_path, passes="balance;quantize;binarise;choose_code")
    with pytest.raises(SnnccError) as caught:
        compile_model(tmp_path / "m.onnx", chosen)
    assert str(caught.value) == "binarise: runs on the real network; put it before quantize"
    assert str(parse("binarise")) == "binarise"
