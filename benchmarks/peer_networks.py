"""The networks that engines are compared on, and what each of the engines is given of them.

A network is an ONNX file with images. `write` compiles it twice, to 4-bit levels and to `rate`, quantises it
for ONNX Runtime, and lists the `rate` network's layers for the frameworks, in units of its thresholds.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from engine import TRAINED, Samples, Trained
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

from snncc import artefact, dataset
from snncc.driver import compile_model
from snncc.options import CompileOptions, PixelScaling
from snncc_ir.encoding import format_of
from snncc_ir.graph import Graph
from snncc_ir.neurons import Staircase
from snncc_ir.nodes import (
    AnyNode,
    Conv,
    Dense,
    Input,
    MaxPool,
    Pad,
    Population,
    Readout,
    Reshape,
    Scale,
    Slice,
)

Array = NDArray[Any]

STEPS = 32
IMAGES = 64
CONTRAST = 0.75
"""Of the images that networks of random weights are run on, to those that they are calibrated on. Without
biases all rates are proportional to it; at 0.75 lenet5 and vgg9 have about 0.1 spikes per neuron and step."""


@dataclass(frozen=True)
class Network:
    """A network by the ONNX file that `model` writes, and images with labels where it is trained."""

    name: str
    model: Callable[[Path], None]
    images: Array
    reals: Array
    pixels: PixelScaling | None
    labels: Array | None = None
    calibration: Array | None = None

    @property
    def calibrated_on(self) -> Array:
        """The images themselves where it has no others."""
        return (self.images if self.calibration is None else self.calibration)[:512]


# --- networks of random weights ---


@dataclass
class Layers:
    """Grows a float network of random filters; each sums to 0, so that no layer is all on or all off."""

    shape: tuple[int, int, int]
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: dict[str, Array] = field(default_factory=dict)
    value: str = "x"
    channels: int = 0

    def add(self, op: str, *sources: str, **attributes: object) -> str:
        """A node; its value is the newest one."""
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(sources), [name], name, **attributes))
        self.value = name
        return name

    def _weight(self, *shape: int) -> str:
        """Filters of a unit gain for levels around their mean."""
        values = self.rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        values -= values.mean(axis=tuple(range(1, len(shape))), keepdims=True)
        name = f"w{len(self.weights)}"
        self.weights[name] = values.astype(np.float32)
        return name

    def conv(self, channels: int, kernel: int = 3, stride: int = 1, pad: int | None = None) -> str:
        """A convolution of the newest value, which keeps its size with stride 1 and no `pad`."""
        wide = kernel // 2 if pad is None else pad
        weight = self._weight(channels, self.channels or self.shape[0], kernel, kernel)
        self.channels = channels
        return self.add("Conv", self.value, weight, strides=[stride, stride], pads=[wide] * 4)

    def fired(self, channels: int, **how: int) -> None:
        """A convolution and its Relu."""
        self.add("Relu", self.conv(channels, **how))

    def pool(self) -> None:
        """The greatest of two by two."""
        self.add("MaxPool", self.value, kernel_shape=[2, 2], strides=[2, 2])

    def block(self, channels: int, stride: int) -> None:
        """Two convolutions and what skips them."""
        source, before = self.value, self.channels
        self.fired(channels, stride=stride)
        main = self.conv(channels)
        if stride > 1:
            self.value, self.channels = source, before
            source = self.conv(channels, kernel=1, stride=stride)
        self.add("Relu", self.add("Add", main, source))

    def dense(self, inputs: int, *sizes: int) -> None:
        """Dense layers, with a Relu between them."""
        self.add("Flatten", self.value)
        for index, size in enumerate(sizes):
            if index:
                self.add("Relu", self.value)
            self.add("Gemm", self.value, self._weight(size, inputs), transB=1)
            inputs = size

    def save(self, path: Path) -> None:
        """Write the file."""
        tensors = [numpy_helper.from_array(values, name) for name, values in self.weights.items()]
        source = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *self.shape])
        result = helper.make_tensor_value_info(self.value, TensorProto.FLOAT, ["N", 10])
        graph = helper.make_graph(self.nodes, "random", [source], [result], tensors)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def lenet5(path: Path) -> None:
    """Two 5 x 5 convolutions, three dense layers, 28 x 28 pixels."""
    net = Layers((1, 28, 28))
    net.fired(6, kernel=5)
    net.pool()
    net.fired(16, kernel=5, pad=0)
    net.pool()
    net.dense(400, 120, 84, 10)
    net.save(path)


def vgg9(path: Path) -> None:
    """Seven convolutions of 64 to 256 channels, two dense layers, 32 x 32 pixels."""
    net = Layers((3, 32, 32))
    for stage in ((64, 64), (128, 128), (256, 256, 256)):
        for channels in stage:
            net.fired(channels)
        net.pool()
    net.dense(4096, 1024, 10)
    net.save(path)


def resnet18(path: Path, size: int = 32) -> None:
    """Four stages of two residual blocks, 64 to 512 channels."""
    net = Layers((3, size, size))
    net.fired(64)
    for stage in range(4):
        for block in range(2):
            net.block(64 << stage, 2 if stage and not block else 1)
    net.add("GlobalAveragePool", net.value)
    net.dense(512, 10)
    net.save(path)


def smooth(channels: int, size: int, count: int = IMAGES) -> Array:
    """Pixels `[N, C, H, W]` that vary slowly, as photographs do."""
    coarse = np.random.default_rng(1).random((count, channels, size // 4 + 1, size // 4 + 1))
    fine = coarse.repeat(4, axis=2).repeat(4, axis=3)
    mixed = sum(np.roll(fine, shift, axis=axis) for axis in (2, 3) for shift in range(4)) / 8
    return (255 * mixed[:, :, :size, :size]).astype(np.uint8)


def random_network(name: str, model: Callable[[Path], None], channels: int, size: int) -> Network:
    """A network of random weights and images of `size` x `size` pixels."""
    full = smooth(channels, size)
    images = (CONTRAST * full).astype(np.uint8)
    reals = (images / 255).astype(np.float32)
    return Network(name, model, images, reals, PixelScaling(scale=255.0), calibration=full)


RANDOM = {
    "lenet5": partial(random_network, "lenet5", lenet5, 1, 28),
    "vgg9": partial(random_network, "vgg9", vgg9, 3, 32),
    "resnet18": partial(random_network, "resnet18", resnet18, 3, 32),
}


def trained(net: Trained, data: Path) -> Network:
    """A network of the data folder."""
    found = dataset.load(data / net.data)
    reals = np.ascontiguousarray(net.reals(found.images), dtype=np.float32)
    pixels = found.images if net.pixels else reals
    return Network(net.name, partial(_copied, data / net.file), pixels, reals, net.pixels, found.labels)


def _copied(source: Path, path: Path) -> None:
    shutil.copyfile(source, path)


TRAINED_NETWORKS = {net.name: net for net in TRAINED}


# --- what the engines are given ---


def write(net: Network, folder: Path) -> None:
    """Everything that the workers read, into an empty folder."""
    net.model(folder / "float.onnx")
    np.savez(folder / "calibration.npz", images=net.calibrated_on)
    for name, more in (("levels", {}), ("rate", {"code": "rate", "steps": STEPS})):
        options = CompileOptions(
            output=folder / name, target="sim", calibrate=folder / "calibration.npz",
            **({"pixels": net.pixels} if net.pixels else {}), **more,
        )  # fmt: skip
        compile_model(folder / "float.onnx", options)
    source = onnx.load(folder / "float.onnx").graph.input[0].name
    quantize_static(
        str(folder / "float.onnx"), str(folder / "int8.onnx"), Samples(source, net.reals[:IMAGES]),
        quant_format=QuantFormat.QDQ, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        per_channel=True,
    )  # fmt: skip
    graph = artefact.read(folder / "rate").graph
    form = format_of(graph.inputs[0])
    given = net.images[:IMAGES]
    levels = form.to_levels(dataset.fit(given, form.levels.shape, folder) if net.pixels else given)
    np.savez(folder / "images.npz", levels=levels, reals=net.reals[:IMAGES])
    nodes, weights = described(graph)
    (folder / "network.json").write_text(json.dumps(nodes))
    np.savez(folder / "weights.npz", **weights)


def described(graph: Graph) -> tuple[list[dict[str, Any]], dict[str, Array]]:
    """The nodes of a `rate` network, and its weights and biases over the thresholds."""
    readers = {
        name: node for node in graph.nodes if isinstance(node, Population | Readout) for name in node.drives
    }
    nodes: list[dict[str, Any]] = []
    arrays: dict[str, Array] = {}
    for node in graph.nodes:
        nodes += _layers(graph, node)
        match node:
            case Conv() | Dense() | Scale():
                arrays[f"{node.name}.w"] = _weights(graph, node, readers[node.name])
            case Population() | Readout():
                name, values = _bias(graph, node)
                arrays[f"{name}.b"] = values
    return nodes, {name: values.astype(np.float32) for name, values in arrays.items()}


def _threshold(graph: Graph, node: Population | Readout) -> Array:
    """theta times L of every channel; a readout has none."""
    if isinstance(node, Readout):
        return np.ones(graph.types[node.name].shape[0])
    if not isinstance(node.neuron, Staircase):
        raise TypeError(f"{node.name} is no integrate-and-fire neuron")
    return node.neuron.theta.data * float(graph.strand(node.name).top)


def _weights(graph: Graph, node: Conv | Dense | Scale, reader: Population | Readout) -> Array:
    """W times L of the source over the threshold of the reader, by output channel."""
    sent = graph.strands[node.source][0]
    source = 1 if graph.strands[node.source] == graph.strands[graph.inputs[0].name] else sent.top
    values = node.weight.data.astype(np.float64) * source
    rank = 3 if isinstance(node, Scale) and len(graph.types[node.name].shape) == 3 else values.ndim
    values = values.reshape(len(values), *values.shape[1:], *[1] * (rank - values.ndim))
    return values / _threshold(graph, reader).reshape(-1, *[1] * (rank - 1))


def _bias(graph: Graph, node: Population | Readout) -> tuple[str, Array]:
    """The bias and who adds it: the first layer where it is one number per channel, else the population."""
    shape = graph.types[node.name].shape
    bias = node.bias if isinstance(node, Readout) else node.neuron.bias
    threshold = _threshold(graph, node)
    if not bias.rows and isinstance(graph.by_name[node.drives[0]], Conv | Dense):
        return node.drives[0], bias.values.data / threshold
    return node.name, bias.spread(shape) / threshold.reshape(-1, *[1] * (len(shape) - 1))


def _layers(graph: Graph, node: AnyNode) -> list[dict[str, Any]]:
    """A node as JSON; a convolution whose padding differs by side has a layer for that in front."""
    name, sources = node.name, list(node.sources)
    plain: dict[str, Any] = {"name": name, "sources": sources}
    match node:
        case Conv():
            shape = {"stride": node.stride, "dilation": node.dilation, "groups": node.groups}
            (top, bottom), (left, right) = node.padding
            if (top, left) == (bottom, right):
                return [{**plain, "op": "conv", "padding": (top, left), **shape}]
            around = {
                "name": f"{name}.pad",
                "sources": sources,
                "op": "pad",
                "amounts": (left, right, top, bottom),
            }
            return [around, {**plain, "sources": [around["name"]], "op": "conv", "padding": (0, 0), **shape}]
        case Input() | Dense() | Scale() | Population() | Readout():
            return [{**plain, "op": type(node).__name__.lower()}]
        case MaxPool(padding=((top, bottom), (left, right))) if (top, left) == (bottom, right):
            return [
                {**plain, "op": "pool", "kernel": node.kernel, "stride": node.stride, "padding": (top, left)}
            ]
        case Reshape() if len(node.shape) == 1:
            return [{**plain, "op": "reshape"}]
        case Slice():
            return [
                {**plain, "op": "slice", "places": list(zip(node.start, node.stop, node.step, strict=True))}
            ]
        case Pad() if not any(node.interior):
            return [{**plain, "op": "pad", "amounts": [n for pair in reversed(node.padding) for n in pair]}]
        case _:
            raise TypeError(f"{name}: the frameworks are given no {type(node).__name__}")
