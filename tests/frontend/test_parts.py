"""Split, Gather, Tile, Expand, DepthToSpace and SpaceToDepth against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_models import Net, assert_agrees

from snncc.frontend.check import check
from snncc_ir.nodes import Concat, Conv, Repeat, Slice


def split(net: Net, source: str, sizes: list[int], axis: int) -> list[str]:
    """A Split whose sizes are where the opset has them."""
    if net.opset >= 13:
        first = net.node("Split", source, np.array(sizes), outputs=len(sizes), axis=axis)
    else:
        first = net.node("Split", source, outputs=len(sizes), axis=axis, split=sizes)
    return [first, *(f"{first}_{index}" for index in range(1, len(sizes)))]


@pytest.mark.parametrize("opset", [11, 13, 18])
@pytest.mark.parametrize("axis", [1, 2, -1])
def test_split(tmp_path: Path, opset: int, axis: int) -> None:
    net = Net(6, 6, 6, opset=opset)
    one, two, three = split(net, net.node("Relu", "x"), [1, 2, 3], axis)
    outputs = [net.node("Relu", part) for part in (one, three, two)]
    assert_agrees(net, tmp_path, *outputs)


def test_a_split_convolution_is_one_convolution_per_part(tmp_path: Path) -> None:
    net = Net(2, 6, 6, opset=18)
    first = net.node("Split", net.conv("x", 2, 5), outputs=2, axis=1, num_outputs=2)
    last = net.node(
        "Concat",
        net.node("Relu", first),
        net.node("Clip", f"{first}_1", np.float32(0), np.float32(1)),
        axis=1,
    )
    lowered = assert_agrees(net, tmp_path, last)
    assert [conv.weight.shape[0] for conv in lowered.graph.of_type(Conv)] == [3, 2]
    assert not list(lowered.graph.of_type(Slice))


def test_a_split_without_sizes(tmp_path: Path) -> None:
    net = Net(6, 4, opset=11)
    first = net.node("Split", net.node("Relu", "x"), outputs=3, axis=1)
    assert_agrees(net, tmp_path, net.node("Add", first, f"{first}_2"))


@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_gather(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    draw = data.draw
    net = Net(4, 5, 3)
    axis = draw(st.integers(1, 3))
    size = net.shape[axis - 1]
    shape = draw(st.sampled_from(((), (1,), (3,), (2, 2))))
    count = int(np.prod(shape))
    indices = np.array(draw(st.lists(st.integers(-size, size - 1), min_size=count, max_size=count)))
    picked = net.node("Gather", net.node("Relu", "x"), indices.reshape(shape), axis=axis)
    assert_agrees(net, tmp_path_factory.mktemp("net"), net.node("Relu", net.node("Neg", picked)))


def test_a_range_of_indices_is_a_slice(tmp_path: Path) -> None:
    net = Net(6, 4)
    lowered = assert_agrees(
        net, tmp_path, net.node("Gather", net.node("Relu", "x"), np.array([1, 3, 5]), axis=1)
    )
    (node,) = lowered.graph.of_type(Slice)
    assert (node.start, node.stop, node.step) == ((1, 0), (6, 4), (2, 1))
    assert not list(lowered.graph.of_type(Concat))


@pytest.mark.parametrize(
    ("op", "argument"),
    [("Expand", [1, 3, 4, 5]), ("Tile", [1, 1, 4, 1]), ("Tile", [1, 2, 1, 3]), ("Expand", [1, 1, 1])],
)
def test_repeats(tmp_path: Path, op: str, argument: list[int]) -> None:
    net = Net(3, 1, 5)
    last = net.node(op, net.node("Relu", "x"), np.array(argument))
    lowered = assert_agrees(net, tmp_path, net.node("Relu", net.node("Neg", last)))
    assert bool(list(lowered.graph.of_type(Repeat))) == (argument[-2:] in ([4, 5], [4, 1]))


@pytest.mark.parametrize("mode", ["edge", "reflect", "wrap"])
def test_padding_with_the_values_own_positions(tmp_path: Path, mode: str) -> None:
    net = Net(2, 4, 5, opset=19)
    padded = net.node("Pad", net.node("Relu", "x"), np.array([0, 0, 2, 1, 0, 0, 1, 3]), mode=mode)
    assert_agrees(net, tmp_path, net.node("Relu", net.conv(padded, 2, 3)))


def test_too_many_ranges(tmp_path: Path) -> None:
    net = Net(70)
    last = net.node("Gather", "x", np.arange(70)[::-1].copy(), axis=1)
    assert check(net.load(tmp_path, net.node("Relu", last))).verdicts[0].reason == (
        "picks 70 separate ranges of an axis; at most 64 are supported, use Slice"
    )


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space(tmp_path: Path, mode: str) -> None:
    net = Net(2, 3, 4)
    last = net.node("DepthToSpace", net.conv("x", 2, 12), blocksize=2, mode=mode)
    assert_agrees(net, tmp_path, last)


def test_space_to_depth(tmp_path: Path) -> None:
    net = Net(2, 4, 6)
    assert_agrees(
        net, tmp_path, net.node("Relu", net.conv(net.node("SpaceToDepth", "x", blocksize=2), 8, 3, 1))
    )


@pytest.mark.parametrize(
    ("op", "arguments", "attributes", "reason"),
    [
        ("Split", [np.array([1, 1])], {"axis": 1}, "parts [1, 1] are not 2 parts of 3"),
        ("Pad", [np.array([0, 0, 4, 0, 0, 0, 0, 0])], {"mode": "reflect"},
         "mode reflect pads an axis of 4 by 4; pad by less"),
        ("Split", [], {"axis": 0}, "splits the batch; split another axis"),
        ("Gather", [np.array(7)], {"axis": 1}, "index 7 is outside an axis of 3"),
        ("Gather", [np.array(0)], {"axis": 0}, "picks images of the batch; pick along another axis"),
        ("Tile", [np.array([2, 1, 1, 1])], {}, "repeats the batch; repeat other axes alone"),
        ("Tile", [np.array([1, 99, 1, 1])], {}, "repeats an axis 99 times; at most 64 times is supported"),
        ("Expand", [np.array([2, 1, 3, 4, 4])], {},
         "1x3x4x4 does not expand to [2, 1, 3, 4, 4]; keep the number of axes"),
        ("SpaceToDepth", [], {"blocksize": 3}, "3x4x4 does not fall into blocks of 3x3"),
    ],
)  # fmt: skip
def test_refused_parts(
    tmp_path: Path, op: str, arguments: list[np.ndarray], attributes: dict[str, int], reason: str
) -> None:
    net = Net(3, 4, 4)
    last = net.node(op, "x", *arguments, outputs=2 if op == "Split" else 1, **attributes)
    assert check(net.load(tmp_path, net.node("Relu", last))).verdicts[0].reason == reason


def test_constants_behind_functions_of_calculus_are_folded(tmp_path: Path) -> None:
    """BatchNormalization spelled out, as some exporters do: gamma / sqrt(variance + epsilon)."""
    net = Net(3, 4, 4, opset=19)
    variance = net.node("Pow", net.node("Abs", np.array([-0.5, 1.0, 2.0])), np.float32(2))
    root = net.node("Reciprocal", net.node("Sqrt", net.node("Add", variance, np.float32(1e-3))))
    factor = net.node("Reshape", net.node("Exp", net.node("Neg", root)), np.array([1, 3, 1, 1]))
    bounds = net.node("CastLike", np.array(6), net.node("Tanh", np.array(0.5)))
    signal = net.node("Mul", net.conv("x", 3, 3), factor)
    shift = net.node("Where", net.node("Equal", np.arange(3), np.array(1)), np.float32(1), np.float32(-1))
    tiled = net.node("Tile", net.node("Reshape", shift, np.array([3, 1, 1])), np.array([1, 2, 2]))
    last = net.node("Clip", net.node("Add", signal, tiled), np.float32(0), bounds)
    lowered = assert_agrees(net, tmp_path, last)
    assert len(lowered.graph.linears) == 1


@pytest.mark.parametrize("opset", [10, 13])
def test_reversed_slices(tmp_path: Path, opset: int) -> None:
    net = Net(4, 5, opset=opset)
    bounds = [np.array(part) for part in ([-1, 4], [-(2**40), 0], [1, 2], [-1, -2])]
    assert_agrees(net, tmp_path, net.node("Neg", net.node("Slice", net.node("Relu", "x"), *bounds)))
