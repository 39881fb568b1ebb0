"""Calibration sees in ONNX Runtime what the graph computes, batch by batch."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from onnx_models import Array, Net

from snncc.frontend.calibrate import calibrate, float_drives, float_outputs
from snncc.frontend.load import Model, load
from snncc.frontend.lower import Lowered, lower
from snncc_ir.errors import DataError, ModelError
from snncc_ir.semantics import evaluate


def small_net(batch: int | str = "N", opset: int = 13, target: tuple[int, ...] = (0, -1)) -> tuple[Net, str]:
    """Convolution, pooling before its activation, bounds, a dense layer and Softmax."""
    net = Net(3, 6, 6, batch=batch, opset=opset)
    pool = net.node(
        "MaxPool", net.conv("x", 3, 4, pads=[1] * 4, name="one"), kernel_shape=[2, 2], strides=[2, 2]
    )
    signal = net.node("Relu", net.node("Mul", pool, np.float32(0.5)), name="relu")
    last = net.node("Transpose", net.conv(signal, 4, 5), perm=[0, 2, 3, 1])
    signal = net.node("Clip", last, np.float32(-0.4), np.float32(0.6), name="clip")
    flat = net.node("Reshape", signal, np.array(target))
    return net, net.node("Softmax", net.dense(flat, 5, 3), axis=1)


def prepared(net: Net, output: str, folder: Path) -> tuple[Model, Lowered]:
    """The model and its graph."""
    model = load(net.save(folder, output))
    return model, lower(model)


def batches(images: Array, size: int) -> list[Array]:
    """Portions of the images."""
    return [images[at : at + size] for at in range(0, len(images), size)]


@pytest.mark.parametrize("opset", [11, 13, 18])
@pytest.mark.parametrize(
    ("batch", "target"), [("N", (0, -1)), ("N", (1, -1)), (1, (1, 5)), (4, (4, -1)), (4, (-1, 5))]
)
def test_statistics(tmp_path: Path, opset: int, batch: int | str, target: tuple[int, ...]) -> None:
    net, output = small_net(batch, opset, target)
    model, lowered = prepared(net, output, tmp_path)
    images = net.images(10)
    steps: list[tuple[int, int]] = []
    found = calibrate(
        model, lowered, batches(images, 4), total=10, progress=lambda done, total: steps.append((done, total))
    )
    assert steps == [(4, 10), (8, 10), (10, 10)]
    assert (found.images, found.synthetic) == (10, False)
    values = evaluate(lowered.graph, {lowered.graph.inputs[0].name: images})
    drives = float_drives(model, lowered, batches(images, 4), lowered.taps)
    assert set(found.populations) == set(lowered.taps) == {"relu", "clip", *lowered.graph.outputs}
    for name, seen in found.populations.items():
        by_channel = np.moveaxis(values[name], 1, -1).reshape(-1, values[name].shape[1])
        drive = np.moveaxis(drives[name], 1, -1).reshape(by_channel.shape)
        np.testing.assert_allclose(seen.low, by_channel.min(axis=0), atol=1e-4)
        np.testing.assert_allclose(seen.high, by_channel.max(axis=0), atol=1e-4)
        np.testing.assert_allclose(seen.drive_mean, drive.mean(axis=0), atol=1e-4)
        assert seen.sample.dtype == np.float32
        np.testing.assert_allclose(np.sort(seen.sample, axis=0), np.sort(by_channel, axis=0), atol=1e-4)


@pytest.mark.parametrize("rows", [1, 7, 40, 1000])
def test_samples_are_bounded_and_drawn_from_every_batch(tmp_path: Path, rows: int) -> None:
    net, output = small_net()
    model, lowered = prepared(net, output, tmp_path)
    images = net.images(20)
    found = calibrate(model, lowered, batches(images, 3), total=20, rows=rows)
    values = evaluate(lowered.graph, {lowered.graph.inputs[0].name: images})
    for name, seen in found.populations.items():
        positions = values[name][0, 0].size
        assert len(seen.sample) == min(rows, 20) * min(max(rows // 20, 1), positions)
        assert len(seen.sample) <= max(rows, 20 * positions)
        nearest = np.abs(seen.sample[:, None, 0] - values[name][:, 0].reshape(-1)).min(axis=1)
        assert nearest.max() < 1e-4


def test_same_images_give_the_same_statistics(tmp_path: Path) -> None:
    net, output = small_net()
    model, lowered = prepared(net, output, tmp_path)
    images = net.images(20)
    one, two = (calibrate(model, lowered, batches(images, 5), total=20, rows=60) for _ in range(2))
    for name in lowered.taps:
        assert (one.populations[name].sample == two.populations[name].sample).all()
        assert (one.populations[name].drive_mean == two.populations[name].drive_mean).all()


def test_float_outputs_are_those_of_the_network(tmp_path: Path) -> None:
    net, output = small_net()
    model, lowered = prepared(net, output, tmp_path)
    images = net.images(5)
    (chances,) = float_outputs(model, batches(images, 2))
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-5)
    scores = float_drives(model, lowered, batches(images, 2), lowered.graph.outputs)[lowered.graph.outputs[0]]
    exponentials = np.exp(scores)
    np.testing.assert_allclose(exponentials / exponentials.sum(axis=1, keepdims=True), chances, atol=1e-5)


def test_wrong_images(tmp_path: Path) -> None:
    net, output = small_net()
    model, lowered = prepared(net, output, tmp_path)

    def refused(images: list[Array], total: int, message: str) -> None:
        with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
            calibrate(model, lowered, images, total=total)

    refused([], 0, "there are no images to calibrate on; give one image or more")
    refused([], 3, "there are no images to calibrate on; give one image or more")
    refused(
        [np.zeros((2, 6, 6, 3))],
        2,
        "x: images of 6x6x3 do not fit the input of 3x6x6; "
        "give them as [N, *shape] in the network's own layout",
    )
    refused([np.zeros((0, 3, 6, 6))], 2, "x: a batch has no images; leave it out")
    refused(
        [np.full((2, 3, 6, 6), np.nan)],
        2,
        "relu: activations are NaN or infinite; give the images in the network's own input units",
    )


def test_network_that_onnx_runtime_refuses(tmp_path: Path) -> None:
    net = Net(4)
    net.node("Gemm", "x", net.weights(3, 4), net.weights(1, 3), transB=1)
    model = net.load(tmp_path, "t0")
    model.proto.graph.node[0].op_type = "Nothing"
    with pytest.raises(ModelError, match="ONNX Runtime refuses the model: "):
        float_outputs(model, [net.images(2)])
