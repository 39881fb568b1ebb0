"""A max-pool needs values of one scale: populations get one, what has scales of its own is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from snncc_ir.errors import GraphError
from support.quantised import compiled
from support.trained import save


def test_pooling_across_channels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], "conv"),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node("Transpose", ["r"], ["t"], "turn", perm=[0, 2, 1, 3]),
        helper.make_node("MaxPool", ["t"], ["y"], "pool", kernel_shape=[2, 1]),
    ]
    size = np.array([0.1, 1.0, 10.0]).reshape(3, 1, 1, 1)
    path = save(
        tmp_path / "m.onnx",
        nodes,
        {"w": size * rng.normal(0, 1, (3, 2, 1, 1))},
        ["N", 2, 4, 4],
        ["N", 4, 2, 4],
    )
    graph, _ = compiled(path, rng.normal(0, 1, (8, 2, 4, 4)).astype(np.float32), tmp_path)
    (relu,) = graph.populations
    assert relu.scale is not None
    assert len(set(relu.scale.data.tolist())) == 1


def test_pooling_the_input_with_others(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Clip", ["x", "low"], ["p"], "positive"),
        helper.make_node("Concat", ["p", "x"], ["c"], "join", axis=2),
        helper.make_node("MaxPool", ["c"], ["y"], "pool", kernel_shape=[2, 1]),
    ]
    path = save(
        tmp_path / "m.onnx",
        nodes,
        {"low": np.array(0.0)},
        ["N", 2, 4, 4],
        ["N", 2, 7, 4],
    )
    with pytest.raises(GraphError) as caught:
        compiled(path, rng.normal(0, 1, (8, 2, 4, 4)).astype(np.float32), tmp_path)
    assert str(caught.value) == (
        "pool: pools the input, or values that came quantised, with others of another scale; "
        "pool each of them, then join them"
    )
