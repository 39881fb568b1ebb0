"""ConvTranspose, Resize and Upsample against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_models import Net, assert_agrees, verdict_of

from snncc.frontend.check import check
from snncc_ir.nodes import Conv, Pad, Repeat, Slice


def transposed(
    net: Net, source: str, inputs: int, outputs: int, kernel: tuple[int, ...], **attributes: Any
) -> str:
    """A ConvTranspose with random weights and bias."""
    group = int(attributes.get("group", 1))
    weight = net.weights(inputs, outputs // group, *kernel)
    return net.node("ConvTranspose", source, weight, net.random.normal(0, 0.2, outputs), **attributes)


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_conv_transpose(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    draw = data.draw
    kernel, stride, dilation, size = (
        tuple(draw(st.integers(1, top)) for _ in range(2)) for top in (4, 3, 2, 4)
    )
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    natural = [(n - 1) * s + span for n, s, span in zip(size, stride, spans, strict=True)]
    pads = [draw(st.integers(0, 3)) for _ in range(4)]
    cuts = [pads[0] + pads[2], pads[1] + pads[3]]
    pads = pads if all(cut < whole for cut, whole in zip(cuts, natural, strict=True)) else [0] * 4
    extra = [draw(st.integers(0, s - 1)) for s in stride]
    group = draw(st.sampled_from((1, 2)))
    net = Net(4, *size, seed=draw(st.integers(0, 99)))
    last = transposed(
        net, "x", 4, 2 * group, kernel, strides=stride, dilations=dilation, pads=pads,
        output_padding=extra, group=group,
    )  # fmt: skip
    lowered = assert_agrees(net, tmp_path_factory.mktemp("net"), net.node("Relu", last))
    (conv,) = lowered.graph.of_type(Conv)
    assert conv.groups == group


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "NOTSET", "VALID"])
@pytest.mark.parametrize("stride", [2, 3])
def test_auto_pad(tmp_path: Path, mode: str, stride: int) -> None:
    net = Net(2, 4, 5)
    last = transposed(net, "x", 2, 3, (4, 4), strides=[stride, stride], auto_pad=mode)
    assert_agrees(net, tmp_path, net.node("Relu", last))


@pytest.mark.parametrize("shape", [[8, 9], [7, 10], [6, 8]])
def test_output_shape(tmp_path: Path, shape: list[int]) -> None:
    net = Net(2, 3, 4)
    last = transposed(net, "x", 2, 3, (3, 3), strides=[2, 2], output_shape=shape)
    lowered = assert_agrees(net, tmp_path, net.node("Relu", last))
    assert lowered.graph.types[lowered.graph.outputs[0]].shape == (3, *shape)


def test_zeros_between_neighbours_are_wiring(tmp_path: Path) -> None:
    net = Net(2, 3, 3)
    lowered = assert_agrees(net, tmp_path, transposed(net, "x", 2, 1, (2, 2), strides=[2, 2]))
    (pad,) = lowered.graph.of_type(Pad)
    (conv,) = lowered.graph.of_type(Conv)
    assert (pad.interior, conv.padding, conv.stride) == ((0, 1, 1), ((1, 1), (1, 1)), (1, 1))


def test_scales_before_it_fold_into_its_weights(tmp_path: Path) -> None:
    net = Net(2, 3, 3)
    mean = np.array([0.3, -0.2]).reshape(1, 2, 1, 1)
    scaled = net.node("Mul", net.node("Sub", "x", mean), np.array([2.0, 3.0]).reshape(1, 2, 1, 1))
    last = transposed(net, scaled, 2, 3, (3, 3), strides=[2, 2], pads=[1, 1, 1, 1])
    lowered = assert_agrees(net, tmp_path, net.node("Relu", last))
    assert len(lowered.graph.linears) == 1


def test_pads_that_cut_everything(tmp_path: Path) -> None:
    net = Net(1, 2, 2)
    last = transposed(net, "x", 1, 1, (1, 1), pads=[1, 0, 1, 0], name="odd")
    (verdict,) = check(net.load(tmp_path, last)).verdicts
    assert verdict.reason == "its pads cut everything away"


UPSAMPLING = [
    ("asymmetric", "floor"), ("half_pixel", "round_prefer_floor"), ("half_pixel", "round_prefer_ceil"),
    ("pytorch_half_pixel", "round_prefer_floor"), ("half_pixel_symmetric", "round_prefer_floor"),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "nearest"), UPSAMPLING)
@pytest.mark.parametrize("scales", [(2, 2), (3, 1), (2, 4)])
def test_resize_by_integers_repeats(tmp_path: Path, mode: str, nearest: str, scales: tuple[int, int]) -> None:
    net = Net(3, 4, 5, opset=19)
    signal = net.node("Relu", net.conv("x", 3, 3))
    factors = np.array([1, 1, *scales], dtype=np.float32)
    attributes = {"mode": "nearest", "coordinate_transformation_mode": mode, "nearest_mode": nearest}
    last = net.node("Resize", signal, "", factors, **attributes)
    lowered = assert_agrees(net, tmp_path, net.node("Relu", net.conv(last, 3, 2)))
    (repeat,) = lowered.graph.of_type(Repeat)
    assert repeat.factors == (1, *scales)
    assert not list(lowered.graph.of_type(Slice))


MODES = ("asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners", "half_pixel_symmetric")
ROUNDINGS = ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")


@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_resize_agrees_or_is_rejected(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    draw = data.draw
    size = [draw(st.integers(1, 6)) for _ in range(2)]
    attributes = {
        "mode": "nearest",
        "coordinate_transformation_mode": draw(st.sampled_from(MODES)),
        "nearest_mode": draw(st.sampled_from(ROUNDINGS)),
    }
    net = Net(2, *size, opset=19)
    if draw(st.booleans()):
        sizes = np.array([1, 2, *(draw(st.integers(1, 9)) for _ in range(2))])
        last = net.node("Resize", "x", "", "", sizes, name="resize", **attributes)
    else:
        scale = st.sampled_from((0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 0.75, 1.3))
        scales = np.array([1, 1, draw(scale), draw(scale)], dtype=np.float32)
        scales[2:] = np.maximum(scales[2:], 1 / np.array(size))
        last = net.node("Resize", "x", "", scales, name="resize", **attributes)
    folder = tmp_path_factory.mktemp("net")
    found = {v.name: v for v in check(net.load(folder, net.node("Relu", last))).verdicts}["resize"]
    if not found.is_rejected:
        assert_agrees(net, folder, f"t{len(net.nodes) - 1}")


def test_upsample_of_opset_9(tmp_path: Path) -> None:
    net = Net(3, 4, 4, opset=9)
    scales = np.array([1, 1, 2, 3], dtype=np.float32)
    last = net.node("Relu", net.conv(net.node("Upsample", "x", scales, mode="nearest"), 3, 2))
    assert_agrees(net, tmp_path, last)


def test_resize_of_opset_10(tmp_path: Path) -> None:
    net = Net(3, 4, 4, opset=10)
    scales = np.array([1, 1, 2, 2], dtype=np.float32)
    assert_agrees(net, tmp_path, net.node("Relu", net.node("Resize", "x", scales, mode="nearest")))


def test_resize_of_an_output(tmp_path: Path) -> None:
    net = Net(3, 4, 4)
    scales = np.array([1, 1, 2, 2], dtype=np.float32)
    last = net.node("Resize", net.conv("x", 3, 2), "", scales, mode="nearest", name="up")
    assert verdict_of(assert_agrees(net, tmp_path, last), "up")[0] == "approximated"


@pytest.mark.parametrize(
    ("attributes", "scale", "reason"),
    [
        ({"mode": "linear"}, 2.0, "mode linear interpolates between neighbours, with other weights at the "
         "border; use mode nearest or ConvTranspose"),
        ({"coordinate_transformation_mode": "tf_crop_and_resize"}, 2.0,
         "coordinate_transformation_mode tf_crop_and_resize is not supported; use asymmetric or half_pixel"),
        ({"nearest_mode": "floor"}, 1 / 3,
         "the neighbours at scale 0.333333 hang on rounding; use an integer scale"),
    ],
)  # fmt: skip
def test_refused_resizes(tmp_path: Path, attributes: dict[str, str], scale: float, reason: str) -> None:
    net = Net(3, 5, 5)
    scales = np.array([1, 1, scale, scale], dtype=np.float32)
    last = net.node("Resize", "x", np.zeros(8), scales, name="up", **attributes)
    assert check(net.load(tmp_path, net.node("Relu", last))).verdicts[0].reason == reason
