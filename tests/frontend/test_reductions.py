"""Means, sums and greatest values over axes against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_models import Net, assert_agrees

from snncc_ir.nodes import Dense, MaxPool, Population, SumPool


def reduced(net: Net, op: str, source: str, axes: list[int], keepdims: int) -> str:
    """The reduction with its axes where the opset has them."""
    if net.opset >= (13 if op == "ReduceSum" else 18):
        return net.node(op, source, np.array(axes), keepdims=keepdims)
    return net.node(op, source, axes=axes, keepdims=keepdims)


@given(data=st.data())
@settings(deadline=None, max_examples=80)
def test_any_axes(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    draw = data.draw
    rank = draw(st.integers(1, 4))
    net = Net(*(draw(st.integers(1, 4)) for _ in range(rank)), opset=draw(st.sampled_from((11, 13, 18))))
    op = draw(st.sampled_from(("ReduceMean", "ReduceSum", "ReduceMax")))
    axes = draw(st.sets(st.integers(1, rank), min_size=1))
    keepdims = 1 if len(axes) == rank else draw(st.integers(0, 1))
    listed = [axis - rank - 1 if draw(st.booleans()) else axis for axis in axes]
    source = net.node("Relu", "x") if draw(st.booleans()) else "x"
    last = net.node("Relu", reduced(net, op, source, listed, keepdims))
    assert_agrees(net, tmp_path_factory.mktemp("net"), last)


@pytest.mark.parametrize("opset", [13, 18])
def test_means_behind_channels_are_average_pools(tmp_path: Path, opset: int) -> None:
    net = Net(3, 6, 8, opset=opset)
    lowered = assert_agrees(net, tmp_path, reduced(net, "ReduceMean", net.node("Relu", "x"), [2, 3], 0))
    (pool,) = lowered.graph.of_type(SumPool)
    assert pool.kernel == (6, 8)


def test_means_of_channels_last_fold_like_those_of_channels_first(tmp_path: Path) -> None:
    """Keras: the mean over axes 1 and 2 behind a convolution between two Transposes."""
    net = Net(6, 8, 3)
    turned = net.node("Transpose", "x", perm=[0, 3, 1, 2])
    last = net.node("Transpose", net.conv(turned, 3, 4), perm=[0, 2, 3, 1])
    mean = reduced(net, "ReduceMean", net.node("Relu", last), [1, 2], 0)
    lowered = assert_agrees(net, tmp_path, net.dense(mean, 4, 2))
    assert [type(node) for node in lowered.graph.linears][-1] is Dense
    assert len(list(lowered.graph.of_type(Population))) == 1


def test_greatest_value_is_wiring(tmp_path: Path) -> None:
    net = Net(3, 4, 5)
    lowered = assert_agrees(
        net, tmp_path, net.node("Relu", reduced(net, "ReduceMax", net.conv("x", 3, 2), [2, 3], 1))
    )
    (pool,) = lowered.graph.of_type(MaxPool)
    assert pool.kernel == (2, 3)


def test_nothing_to_reduce(tmp_path: Path) -> None:
    net = Net(3, opset=18)
    same = net.node("ReduceSum", net.node("Relu", "x"), np.array([], dtype=np.int64), noop_with_empty_axes=1)
    assert_agrees(net, tmp_path, net.dense(same, 3, 2))


def test_mean_of_several_values(tmp_path: Path) -> None:
    net = Net(3, 4, 4)
    parts = [net.conv("x", 3, 2, 1), net.conv("x", 3, 2, 1), net.conv("x", 3, 2, 1)]
    assert_agrees(net, tmp_path, net.node("Relu", net.node("Mean", *parts)))


def test_sums_of_different_shapes(tmp_path: Path) -> None:
    net = Net(3, 4, 5)
    pooled = net.node("Relu", net.conv(net.node("GlobalAveragePool", "x"), 3, 3, 1))
    column = net.node("ReduceMax", net.node("Relu", "x"), axes=[3])
    last = net.node("Relu", net.node("Add", net.node("Add", net.conv("x", 3, 3, 1), pooled), column))
    assert_agrees(net, tmp_path, last)
