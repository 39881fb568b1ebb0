"""Small float networks as ONNX files and as lowered graphs, with images to calibrate them on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

IMAGES = (2, 8, 8)


def pixels(count: int = 40, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth random pixels `[N, 2, 8, 8]`."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 2, 4, 4))
    return np.repeat(np.repeat(coarse, 2, axis=2), 2, axis=3).astype(np.uint8)


def write_residual(path: Path, seed: int = 0) -> Path:
    """Conv, max-pool, a residual block with BatchNormalization, average pool and a dense readout."""
    rng = np.random.default_rng(seed)
    weights = {
        "w1": rng.normal(0, 0.3, (6, 2, 3, 3)),
        "b1": rng.normal(0, 0.2, 6),
        "w2": rng.normal(0, 0.2, (6, 6, 3, 3)),
        "scale": rng.uniform(0.5, 1.5, 6),
        "shift": rng.normal(0, 0.2, 6),
        "mean": rng.normal(0, 0.2, 6),
        "var": rng.uniform(0.5, 1.5, 6),
        "w3": rng.normal(0, 0.4, (5, 6)),
        "b3": rng.normal(0, 0.2, 5),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], "conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("MaxPool", ["r1"], ["m1"], "pool1", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["m1", "w2"], ["c2"], "conv2", pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c2", "scale", "shift", "mean", "var"], ["n2"], "norm2"),
        helper.make_node("Add", ["n2", "m1"], ["a2"], "add2"),
        helper.make_node("Relu", ["a2"], ["r2"], "relu2"),
        helper.make_node("GlobalAveragePool", ["r2"], ["g"], "mean"),
        helper.make_node("Flatten", ["g"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], "dense", transB=1),
    ]
    return save(path, nodes, weights, ["N", *IMAGES], ["N", 5])


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    weights: dict[str, NDArray[np.float64]],
    source: list[str | int],
    result: list[str | int],
) -> Path:
    """Write a model with one float input `x` and one output `y`."""
    tensors = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, source)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, result)],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def write_data(path: Path, images: NDArray[np.uint8], **arrays: NDArray[np.generic]) -> Path:
    """An `.npz` with images and whatever else."""
    np.savez(path, images=images, **arrays)
    return path
