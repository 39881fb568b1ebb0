"""A max-pool over values whose levels differ in scale has no right answer, and is refused."""

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
    with pytest.raises(GraphError) as caught:
        compiled(path, rng.normal(0, 1, (8, 2, 4, 4)).astype(np.float32), tmp_path)
    assert str(caught.value) == (
        "pool: pools values whose levels differ in scale; pool along height and width alone"
    )
