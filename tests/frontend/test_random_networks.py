"""Random small CNNs agree with ONNX Runtime, before and after lowering."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_models import Net, assert_agrees

from snncc.frontend.load import load
from snncc.frontend.lower import lower
from snncc_ir.errors import GraphError
from support.bounds import differences
from support.quantised import compiled

LAYERS = (
    "conv", "depthwise", "strided", "dilated", "same", "bn", "scale", "shift", "relu", "relu6", "clip",
    "maxpool", "avgpool", "ceilpool", "residual", "projection", "concat", "slice", "pad", "nhwc",
    "identity", "neg", "clamp", "leaky", "prelu", "transposed", "resize", "split", "gather", "squeeze_excite",
    "height_mean", "shuffle", "mean",
)  # fmt: skip


LONGEST = 12
"""Axes beyond this are not made longer."""


class Grown(Net):
    """A network that grows by one layer of a named kind at a time; every kind fits every image."""

    def __init__(self, shape: tuple[int, int, int], seed: int, batch: int | str) -> None:
        super().__init__(*shape, seed=seed, batch=batch)
        self.size = shape
        self.last = "x"
        self.earlier: list[tuple[str, tuple[int, int, int]]] = []

    def grow(self, kind: str) -> None:
        """Append one layer."""
        self.earlier.append((self.last, self.size))
        getattr(self, f"_{kind}")()

    def _set(self, tensor: str, *size: int) -> None:
        channels, height, width = size
        self.last, self.size = tensor, (channels, height, width)

    def _conv(self) -> None:
        channels, height, width = self.size
        self._set(self.conv(self.last, channels, 4, pads=[1] * 4), 4, height, width)

    def _depthwise(self) -> None:
        channels = self.size[0]
        self._set(self.conv(self.last, channels, channels, group=channels, pads=[1] * 4), *self.size)

    def _strided(self) -> None:
        channels, height, width = self.size
        made = self.conv(self.last, channels, 5, strides=[2, 1], pads=[0, 1, 2, 1])
        self._set(made, 5, (height - 1) // 2 + 1, width)

    def _dilated(self) -> None:
        channels, height, width = self.size
        made = self.conv(self.last, channels, 4, dilations=[2, 1], pads=[2, 1, 2, 1])
        self._set(made, 4, height, width)

    def _same(self) -> None:
        channels, height, width = self.size
        made = self.conv(self.last, channels, 3, kernel=2, strides=[2, 2], auto_pad="SAME_LOWER")
        self._set(made, 3, -(-height // 2), -(-width // 2))

    def _bn(self) -> None:
        self._set(self.batch_norm(self.last, self.size[0]), *self.size)

    def _scale(self) -> None:
        self._set(self.node("Mul", self.random.normal(0, 1, (1, self.size[0], 1, 1)), self.last), *self.size)

    def _shift(self) -> None:
        self._set(self.node("Add", self.last, self.random.normal(0, 1, (self.size[0], 1, 1))), *self.size)

    def _relu(self) -> None:
        self._set(self.node("Relu", self.last), *self.size)

    def _relu6(self) -> None:
        self._set(self.node("Clip", self.last, np.float32(0), np.float32(6)), *self.size)

    def _clip(self) -> None:
        self._set(self.node("Clip", self.last, np.float32(-0.5), np.float32(0.75)), *self.size)

    def _clamp(self) -> None:
        self._set(self.node("Min", np.float32(1), self.last), *self.size)

    def _maxpool(self) -> None:
        channels, height, width = self.size
        made = self.node("MaxPool", self.last, kernel_shape=[3, 2], strides=[1, 2], pads=[1, 0, 1, 1])
        self._set(made, channels, height, (width - 1) // 2 + 1)

    def _avgpool(self) -> None:
        channels, height, width = self.size
        made = self.node("AveragePool", self.last, kernel_shape=[2, 2], strides=[2, 1], pads=[1, 0, 0, 1])
        self._set(made, channels, (height - 1) // 2 + 1, width)

    def _ceilpool(self) -> None:
        channels, height, width = self.size
        made = self.node("MaxPool", self.last, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
        if min(height, width) < 2:
            self.nodes.pop()
            return
        self._set(made, channels, -(-height // 2), -(-width // 2))

    def _residual(self) -> None:
        same = [tensor for tensor, size in self.earlier if size == self.size]
        self._set(self.node("Add", self.last, same[0]), *self.size)

    def _projection(self) -> None:
        channels, height, width = self.size
        one = self.conv(self.last, channels, 3, pads=[1] * 4)
        two = self.conv(self.last, channels, 3, kernel=1)
        self._set(self.node("Sub", one, two), 3, height, width)

    def _concat(self) -> None:
        channels, height, width = self.size
        other = self.conv(self.last, channels, 2, kernel=1)
        self._set(self.node("Concat", other, self.last, axis=1), channels + 2, height, width)

    def _slice(self) -> None:
        channels, height, width = self.size
        bounds = ([0, 0], [2**40, -1 if width > 1 else 1], [2, 3], [2, 1])
        made = self.node("Slice", self.last, *(np.array(bound, dtype=np.int64) for bound in bounds))
        self._set(made, channels, -(-height // 2), max(width - 1, 1))

    def _pad(self) -> None:
        channels, height, width = self.size
        pads = np.array([0, 0, 1, 0, 0, 1, 0, 1], dtype=np.int64)
        self._set(self.node("Pad", self.last, pads, np.float32(0)), channels + 1, height + 1, width + 1)

    def _nhwc(self) -> None:
        last = self.node("Transpose", self.last, perm=[0, 2, 3, 1])
        shifted = self.node("Add", last, self.random.normal(0, 1, self.size[0]))
        self._set(self.node("Transpose", shifted, perm=[0, 3, 1, 2]), *self.size)

    def _identity(self) -> None:
        self._set(self.node("Identity", self.last), *self.size)

    def _neg(self) -> None:
        self._set(self.node("Neg", self.last), *self.size)

    def _leaky(self) -> None:
        self._set(self.node("LeakyRelu", self.last, alpha=0.25), *self.size)

    def _prelu(self) -> None:
        slope = self.random.uniform(0, 1.5, (self.size[0], 1, 1))
        self._set(self.node("PRelu", self.last, slope), *self.size)

    def _transposed(self) -> None:
        channels, height, width = self.size
        if height > LONGEST:
            return
        weight = self.weights(channels, 3, 3, 2)
        made = self.node("ConvTranspose", self.last, weight, strides=[2, 1], pads=[1, 0, 1, 1])
        self._set(made, 3, 2 * height - 1, width)

    def _resize(self) -> None:
        channels, height, width = self.size
        if max(height, width) > LONGEST:
            return
        scales = np.array([1, 1, 2, 1.5 if width % 2 == 0 else 1], dtype=np.float32)
        made = self.node("Resize", self.last, "", scales, mode="nearest")
        self._set(made, channels, 2 * height, width * 3 // 2 if width % 2 == 0 else width)

    def _split(self) -> None:
        channels, height, width = self.size
        if channels < 2:
            return
        sizes = np.array([channels - 1, 1])
        first = self.node("Split", self.last, sizes, outputs=2, axis=1)
        self._set(
            self.node("Concat", f"{first}_1", self.node("Relu", first), axis=1), channels, height, width
        )

    def _gather(self) -> None:
        channels, height, width = self.size
        order = np.array([channels - 1, *range(channels)])
        self._set(self.node("Gather", self.last, order, axis=1), channels + 1, height, width)

    def _squeeze_excite(self) -> None:
        """The mean of each channel added to all of its positions."""
        pooled = self.conv(self.node("GlobalAveragePool", self.last), self.size[0], self.size[0], kernel=1)
        self._set(self.node("Add", self.last, self.node("Relu", pooled)), *self.size)

    def _height_mean(self) -> None:
        channels, _, width = self.size
        self._set(self.node("ReduceMean", self.last, axes=[2], keepdims=1), channels, 1, width)

    def _shuffle(self) -> None:
        channels, height, width = self.size
        if height % 2:
            return
        made = self.node("SpaceToDepth", self.last, blocksize=2) if width % 2 == 0 else None
        if made is not None:
            self._set(made, 4 * channels, height // 2, width // 2)

    def _mean(self) -> None:
        one = self.conv(self.last, self.size[0], self.size[0], kernel=1)
        self._set(self.node("Mean", self.last, one), *self.size)

    def finish(self, end: str) -> str:
        """The head of the network."""
        if end == "pooled":
            self.last = self.node("GlobalAveragePool", self.last)
            self.size = (self.size[0], 1, 1)
        if end == "map":
            return self.conv(self.last, self.size[0], 2, kernel=1)
        target = np.array([0, -1], dtype=np.int64)
        return self.dense(self.node("Reshape", self.last, target), int(np.prod(self.size)), 3)


@given(
    layers=st.lists(st.sampled_from(LAYERS), min_size=1, max_size=8),
    seed=st.integers(0, 2**16),
    batch=st.sampled_from(["N", 1]),
    end=st.sampled_from(["flat", "pooled", "map"]),
)
def test_random_network(layers: list[str], seed: int, batch: int | str, end: str) -> None:
    net = Grown((3, 7, 6), seed, batch)
    for layer in layers:
        net.grow(layer)
    output = net.finish(end)
    with tempfile.TemporaryDirectory() as folder:
        assert_agrees(net, Path(folder), output)


@settings(max_examples=30)
@given(
    layers=st.lists(st.sampled_from(LAYERS), min_size=1, max_size=8),
    seed=st.integers(0, 2**16),
    end=st.sampled_from(["flat", "pooled", "map"]),
)
def test_random_network_quantised(layers: list[str], seed: int, end: str) -> None:
    net = Grown((3, 7, 6), seed, "N")
    for layer in layers:
        net.grow(layer)
    output = net.finish(end)
    images = net.images(12)
    with tempfile.TemporaryDirectory() as name:
        path = net.save(Path(name), output)
        try:
            graph, form = compiled(path, images, Path(name))
        except GraphError as error:
            if "pools values of different" in error.what:  # a concatenation of delays, pooled
                return
            raise
        found = differences(lower(load(path)).graph, graph, form, images.astype(np.float64))
    assert {key: item.excess for key, item in found.items() if item.excess > 0} == {}
