"""Networks whose wiring mixes channels: what a convolution or a pool reads as one channel has one scale."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_models import Net

from snncc.dataset import real_format
from snncc.frontend.calibrate import calibrate
from snncc.frontend.load import load
from snncc.frontend.lower import lower
from snncc.passes.balance import Balance
from snncc.passes.base import Context
from snncc.passes.quantize import Quantize
from snncc.passes.shared_scales import shared_scales
from snncc.sim.drives import Layers
from snncc_ir.errors import GraphError
from snncc_ir.neurons import Analog
from snncc_ir.nodes import Population
from snncc_ir.tensors import Tensor
from support.bounds import differences
from support.quantised import compiled

KINDS = ("conv", "signed", "rows", "tall", "turned", "blocks", "pooled", "shuffled", "mean", "refold")


class Mixing(Net):
    """A network that grows by layers which mix channels, from an image of C x H x W on."""

    def __init__(self, seed: int) -> None:
        super().__init__(2, 4, 4, seed=seed)
        self.size = (4, 4, 4)
        self.joined = False  # a pool over trains of different delays is refused
        self.last = self.node("Relu", self.uneven("x", 2, 4))

    def uneven(self, source: str, inputs: int, outputs: int) -> str:
        """A convolution whose channels differ in scale by powers of four."""
        weight = self.weights(outputs, inputs, 3, 3) * 4.0 ** np.arange(outputs).reshape(-1, 1, 1, 1)
        return self.node("Conv", source, weight, self.random.normal(0, 0.2, outputs), pads=[1] * 4)

    def grow(self, kind: str) -> None:
        """Append one layer."""
        channels, height, width = self.size
        match kind:
            case "conv":
                self.last = self.node("Relu", self.uneven(self.last, channels, 3))
                self.size, self.joined = (3, height, width), False
            case "signed":
                self.last = self.uneven(self.last, channels, 2)
                self.size, self.joined = (2, height, width), False
            case "rows" if height <= 8:
                other = self.node("Relu", self.uneven(self.last, channels, channels))
                self.last = self.node("Concat", self.last, other, axis=2)
                self.size, self.joined = (channels, 2 * height, width), True
            case "tall" if channels % 2 == 0:
                self._reshape(channels // 2, 2 * height, width)
            case "turned":
                self.last = self.node("Transpose", self.last, perm=[0, 2, 3, 1])
                self.size = (height, width, channels)
            case "blocks" if channels % 4 == 0:
                self.last = self.node("DepthToSpace", self.last, blocksize=2)
                self.size = (channels // 4, 2 * height, 2 * width)
            case "pooled" if not self.joined:
                self.last = self.node("Transpose", self.last, perm=[0, 2, 1, 3])
                self.last = self.node("MaxPool", self.last, kernel_shape=[min(2, channels), 1])
                self.size = (height, channels - min(2, channels) + 1, width)
            case "shuffled" if channels % 2 == 0:
                self._reshape(2, channels // 2, height * width)
                self.last = self.node("Transpose", self.last, perm=[0, 2, 1, 3])
                self.size = (channels // 2, 2, height * width)
            case "mean":
                self.last = self.node("AveragePool", self.last, kernel_shape=[1, min(2, width)])
                self.size = (channels, height, width - min(2, width) + 1)
            case "refold":
                self._reshape(1, channels, height * width)

    def _reshape(self, *size: int) -> None:
        self.last = self.node("Reshape", self.last, np.array([0, *size], dtype=np.int64))
        self.size = (size[0], size[1], size[2])


def grown(layers: list[str], seed: int) -> tuple[Mixing, str]:
    """The network and its output: a convolution over whatever the layers gave."""
    net = Mixing(seed)
    for layer in layers:
        net.grow(layer)
    return net, net.conv(net.last, net.size[0], 2, kernel=1)


@settings(max_examples=60)
@given(
    layers=st.lists(st.sampled_from(KINDS), min_size=1, max_size=6),
    seed=st.integers(0, 2**16),
    more=st.sampled_from(["choose_code", "correct_bias;choose_code"]),
)
def test_mixed_channels_compile_and_stay_close(layers: list[str], seed: int, more: str) -> None:
    net, output = grown(layers, seed)
    images = net.images(12)
    with tempfile.TemporaryDirectory() as name:
        path = net.save(Path(name), output)
        graph, form = compiled(path, images, Path(name), more)
        real = lower(load(path)).graph
    for group in shared_scales(real).groups:
        scales = [_population(graph.by_name[name]).scale for name in group]
        found = {
            float(scale.data[c])
            for scale, channels in zip(scales, group.values(), strict=True)
            if scale
            for c in channels
        }
        assert len(found) == 1
    if more == "choose_code":  # bias correction moves biases further than their rounding
        found_differences = differences(real, graph, form, images.astype(np.float64))
        assert {key: item.excess for key, item in found_differences.items() if item.excess > 0} == {}


def _population(node: object) -> Population:
    assert isinstance(node, Population)
    return node


def test_what_is_not_mixed_keeps_scales_of_its_own(tmp_path: Path) -> None:
    net = Mixing(0)
    real = lower(net.load(tmp_path, net.conv(net.last, 4, 2))).graph
    assert shared_scales(real).groups == ()


def test_two_populations_in_one_group(tmp_path: Path) -> None:
    net, output = grown(["rows"], 0)
    real = lower(net.load(tmp_path, output)).graph
    names = [node.name for node in real.populations]
    found = [{name: c.tolist() for name, c in group.items()} for group in shared_scales(real).groups]
    assert found == [{names[0]: [c], names[1]: [c]} for c in range(4)]


@pytest.mark.parametrize("widths", ["{0}:8/{1}:3", "{0}:2/{1}:6"])
def test_unlike_widths_share_the_scale(tmp_path: Path, widths: str) -> None:
    net, output = grown(["signed", "rows"], 3)
    images = net.images(12)
    path = net.save(tmp_path, output)
    names = [node.name for node in lower(load(path)).graph.populations][1:3]
    more = f"balance{{widths={widths.format(*names)}}};quantize;choose_code"
    graph, _ = compiled(path, images, tmp_path, passes=more)
    first, second = (_population(graph.by_name[name]) for name in names)
    assert first.scale is not None
    assert second.scale is not None
    np.testing.assert_array_equal(first.scale.data, second.scale.data)


def test_grids_that_another_pass_has_moved_are_brought_together(tmp_path: Path) -> None:
    net, output = grown(["rows"], 0)
    images = net.images(12)
    path = net.save(tmp_path, output)
    model = load(path)
    lowered = lower(model)
    form = real_format(images, None)
    reals = [form.to_reals(form.to_levels(images))]
    context = Context(
        calibration=calibrate(model, lowered, reals, total=len(images)),
        input_format=form,
        samples=form.to_levels(images),
        layers=Layers(),
    )
    balanced = Balance().apply(lowered.graph, context)
    moved = balanced.populations[0]
    assert isinstance(moved.neuron, Analog)
    assert moved.neuron.grid is not None
    grid = replace(moved.neuron.grid, top=Tensor.real(moved.neuron.grid.top.data * [0.5, 1.0, 1.5, 3.0]))
    before = balanced.with_nodes([replace(moved, neuron=replace(moved.neuron, grid=grid))])
    after = Quantize().apply(before, context)
    first, second = (node.scale.data for node in after.populations if node.scale is not None)
    grids = [node.neuron.grid.scale for node in before.populations]  # type: ignore[union-attr]
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, np.maximum(*grids))


def test_the_input_has_a_scale_of_its_own(tmp_path: Path) -> None:
    net = Net(2, 4, 4)
    other = net.node("Relu", net.conv("x", 2, 2, pads=[1] * 4))
    joined = net.node("Concat", "x", other, axis=2)
    path = net.save(tmp_path, net.node("Conv", joined, net.weights(2, 2, 1, 1), name="last"))
    with pytest.raises(GraphError) as caught:
        compiled(path, net.images(12), tmp_path)
    assert str(caught.value) == (
        "last: its source's scale varies by position within a channel; it joins the input, or values that "
        "came quantised, with others: join them along the channels, or behind a layer each"
    )
