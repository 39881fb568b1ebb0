"""Networks of single-step neurons: comparisons behind BatchNorm, one time step per layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

import snncc
from snncc_ir.neurons import Staircase
from snncc_ir.nodes import Conv, Dense
from support.named_models import Writer

SIDE, IMAGES = 9, 40

Weights = NDArray[np.float32]


def on_grid(net: Writer, shape: tuple[int, ...]) -> Weights:
    return (net.random.integers(-100, 101, shape) / 128).astype(np.float32)


def real(net: Writer, shape: tuple[int, ...]) -> Weights:
    return net.random.normal(0, 0.5, shape).astype(np.float32)


def one_bit(net: Writer, shape: tuple[int, ...]) -> Weights:
    alpha = net.random.uniform(0.1, 0.3, (shape[0], 1, 1, 1))
    return (alpha * net.random.choice([-1.0, 1.0], shape)).astype(np.float32)


def step(net: Writer, value: str, weight: Weights) -> str:
    """Conv, BatchNormalization and [z >= 1], as examples/single_step writes them."""
    channels = len(weight)
    conv = net.node("Conv", value, weight, attributes={"pads": [1, 1, 1, 1], "strides": [2, 2]})
    gamma = net.random.choice([-1.0, 1.0], channels) * net.random.uniform(0.5, 2, channels)
    rest = (net.random.normal(1, 0.3, channels), net.random.normal(0, 0.3, channels))
    spread = net.random.uniform(0.5, 3, channels)
    numbers = (np.float32(array) for array in (gamma, *rest, spread))
    norm = net.node("BatchNormalization", conv, *numbers)
    return net.node(
        "Cast", net.node("GreaterOrEqual", norm, np.float32(1)), attributes={"to": TensorProto.FLOAT}
    )


def model(folder: Path, *, binary: bool) -> Path:
    net = Writer(1, SIDE, SIDE)
    hidden, outer = (one_bit, on_grid) if binary else (real, real)
    value = step(net, "x", outer(net, (6, 1, 3, 3)))
    value = step(net, value, hidden(net, (8, 6, 3, 3)))
    value = step(net, value, hidden(net, (8, 8, 3, 3)))
    flat = net.node("Flatten", value)
    scores = net.node("Gemm", flat, outer(net, (5, 32)), attributes={"transB": 1})
    onnx.save(net.proto(scores), folder / "model.onnx")
    return folder / "model.onnx"


def pixels() -> NDArray[np.uint8]:
    return np.random.default_rng(8).integers(0, 256, (IMAGES, SIDE, SIDE), dtype=np.uint8)


@pytest.mark.parametrize("binary", [False, True])
def test_every_engine_agrees_in_one_step_per_layer(tmp_path: Path, binary: bool) -> None:
    network = snncc.compile(model(tmp_path, binary=binary), tmp_path / "out", target="sim", scale=255)
    neurons = [node.neuron for node in network.graph.populations]
    assert [(n.lo, n.hi) for n in neurons if isinstance(n, Staircase)] == [(0, 1)] * 3
    bits = [node.weight.bits for node in network.graph.linears if isinstance(node, Conv | Dense)]
    assert bits == ([8, 1, 1, 8] if binary else [8, 8, 8, 8])
    assert network.verify().equal
    assert network.simulate(pixels()).evaluation.steps == 1 + 3


def test_weights_that_need_no_rounding_give_the_scores_of_the_file(tmp_path: Path) -> None:
    path = model(tmp_path, binary=True)
    network = snncc.compile(path, tmp_path / "out", target="sim", scale=255)
    run = network.simulate(pixels())
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"x": np.divide(pixels()[:, None], 255, dtype=np.float32)})
    (found,) = run.outputs.values()
    assert len(np.unique(expected, axis=0)) > IMAGES // 2
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
