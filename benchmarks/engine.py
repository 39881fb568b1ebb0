"""The native engine's speed: the share of the int8 peak it reaches, and ONNX Runtime beside it.

    python benchmarks/engine.py peak                networks of random weights, batch 64 and 1, one thread
    python benchmarks/engine.py networks DATA       trained networks; ONNX Runtime in float32 and int8 (QDQ)

The peak is measured in the same run: the kernels' own product instruction on registers. Times are processor
time of one thread, medians of interleaved rounds; ours count spikes and synaptic operations. `peak` exits 1
where the VGG-9 or the wide ResNet shape reaches less than 70 % of the AVX-512 peak at batch 64.
"""

from __future__ import annotations

import argparse
import ctypes
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from snncc import artefact, dataset
from snncc.driver import compile_model
from snncc.options import CompileOptions, PixelScaling
from snncc.sim.native.levels import NativeEngine
from snncc.sim.native.library import native
from snncc_ir.costs import Counter
from snncc_ir.encoding import format_of
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import (
    AnyNode,
    Conv,
    Dense,
    Input,
    MaxPool,
    Population,
    Readout,
    Reshape,
    Scale,
    SumPool,
)
from snncc_ir.tensors import Tensor
from snncc_ir.types import Levels

GOAL = 0.70
PEAK_ROUNDS = 10**7
TOP = 15


@dataclass
class Net:
    """Grows a network of random 8-bit weights and 4-bit levels, layer behind layer."""

    rng: np.random.Generator
    nodes: list[AnyNode] = field(default_factory=list)
    source: str = "x"
    channels: int = 3

    def weights(self, *shape: int) -> Tensor:
        """Normal with a deviation of 28."""
        values = np.clip(np.rint(self.rng.normal(0, 28, shape)), -127, 127)
        return Tensor.integer(values.astype(np.int64), 8)

    def convolve(self, name: str, channels: int, stride: int = 1, kernel: int = 3) -> str:
        """A convolution of the newest value, padded so that it keeps its size."""
        pad = (kernel // 2, kernel // 2)
        weight = self.weights(channels, self.channels, kernel, kernel)
        node = Conv(name=name, source=self.source, weight=weight, stride=(stride, stride), padding=(pad, pad))
        self.nodes.append(node)
        return name

    def fire(self, name: str, channels: int, fan_in: int, *drives: str) -> None:
        """A population whose drives come from `fan_in` levels."""
        step = max(1, int(28 * math.sqrt(fan_in) * 0.75))
        neuron = Staircase(
            theta=Tensor.integer([step] * channels),
            bias=Bias(values=Tensor.integer([0] * channels)),
            lo=0,
            hi=TOP,
        )
        self.nodes.append(Population(name=name, drives=drives, neuron=neuron))
        self.source, self.channels = name, channels

    def layer(self, name: str, channels: int, stride: int = 1) -> None:
        """Convolution and population."""
        fan_in = 9 * self.channels * (64 if self.source == "x" else 1)
        self.fire(name, channels, fan_in, self.convolve(f"{name}c", channels, stride))

    def graph(self, name: str, size: int, hidden: int = 0) -> Graph:
        """The network with dense layers on its newest value of `size` x `size` positions."""
        width = self.channels * size * size
        self.nodes.append(Reshape(name="flat", source=self.source, shape=(width,)))
        self.source = "flat"
        if hidden:
            self.nodes.append(Dense(name="h", source="flat", weight=self.weights(hidden, width)))
            self.fire("ph", hidden, width, "h")
            width = hidden
        self.nodes.append(Dense(name="o", source=self.source, weight=self.weights(10, width)))
        self.nodes.append(Readout(name="y", drives=("o",), bias=Bias(values=Tensor.integer([0] * 10))))
        x = Input(name="x", type=Levels((3, 32, 32), 0, 255))
        return Graph(name=name, nodes=(x, *self.nodes), outputs=("y",))


def vgg9() -> Graph:
    """Seven convolutions of 64 to 256 channels and two dense layers, 32 x 32 pixels."""
    net = Net(np.random.default_rng(0))
    for stage, layers in enumerate(((64, 64), (128, 128), (256, 256, 256))):
        for index, channels in enumerate(layers):
            net.layer(f"p{stage}{index}", channels)
        net.nodes.append(MaxPool(name=f"m{stage}", source=net.source, kernel=(2, 2), stride=(2, 2)))
        net.source = f"m{stage}"
    return net.graph("vgg9", 4, hidden=1024)


def resnet(width: int, blocks: int) -> Graph:
    """Three stages of residual blocks, 32 x 32 pixels."""
    net = Net(np.random.default_rng(0))
    net.layer("p", width)
    for stage in range(3):
        channels = width << stage
        for block in range(blocks):
            name, shortcut, before = f"s{stage}b{block}", net.source, net.channels
            stride = 2 if stage and not block else 1
            net.layer(f"{name}a", channels, stride)
            main = net.convolve(f"{name}bc", channels)
            if stride == 2:
                net.source, net.channels = shortcut, before
                skip = net.convolve(f"{name}s", channels, 2, kernel=1)
            else:
                skip = f"{name}s"
                multipliers = Tensor.integer(net.rng.integers(1, 2000, channels), 12)
                net.nodes.append(Scale(name=skip, source=shortcut, weight=multipliers))
            net.fire(f"{name}b", channels, 18 * channels, main, skip)
    ones = Tensor.integer([1] * net.channels, 2)
    net.nodes.append(SumPool(name="g", source=net.source, kernel=(8, 8), weight=ones))
    net.fire("pg", net.channels, 64 * 4, "g")
    return net.graph(f"resnet{width}", 1)


def products(graph: Graph) -> int:
    """Multiplications of convolutions and dense layers per image."""
    total = 0
    for node in graph.linears:
        if isinstance(node, Conv | Dense):
            positions = graph.types[node.name].shape[1:]
            total += node.weight.data.size * math.prod(positions)
    return total


def measure_peak() -> float:
    """Products per second of the kernels' own instruction; 0 where they have no such loop."""
    found = native()
    peak = found.library.snncc_peak
    peak.argtypes, peak.restype = (ctypes.c_char_p, ctypes.c_int64), ctypes.c_uint64
    peak(found.kernels.encode(), PEAK_ROUNDS // 10)
    start = time.process_time()
    made = peak(found.kernels.encode(), PEAK_ROUNDS)
    return made / (time.process_time() - start)


def interleaved(runs: Sequence[Callable[[], object]], rounds: int) -> list[list[float]]:
    """Seconds of processor time of every run, taken in turn; the first round is for warming up."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds + 1):
        for run, record in zip(runs, times, strict=True):
            start = time.process_time()
            run()
            record.append(time.process_time() - start)
    return [record[1:] for record in times]


def peak() -> bool:
    """The share of the peak."""
    kernels, kept = native().kernels, True
    print(f"kernels: {kernels}")
    print("network    batch  Mproducts/image  ms/image  Gproducts/s     peak   share")
    for graph in (vgg9(), resnet(64, 2), resnet(16, 3)):
        for batch in (64, 1):
            share = peak_share(graph, batch)
            kept &= batch == 1 or graph.name == "resnet16" or kernels != "avx512" or share >= GOAL
    return kept


def peak_share(graph: Graph, batch: int) -> float:
    """Print a network's speed at one batch size, and give its share of the peak."""
    engine = NativeEngine(graph, workers=1, counter=Counter(graph))
    feed = {"x": np.random.default_rng(1).integers(0, 256, (batch, 3, 32, 32)).astype(np.uint8)}
    (times,) = interleaved([lambda: engine.run_counted(feed)], 9 if batch > 1 else 50)
    top = statistics.median(measure_peak() for _ in range(5))
    seconds, made = statistics.median(times) / batch, products(graph)
    share = made / seconds / top if top else math.nan
    speeds = f"{1e3 * seconds:9.3f} {made / seconds / 1e9:12.0f} {top / 1e9:8.0f} {share:7.1%}"
    print(f"{graph.name:10} {batch:5} {made / 1e6:16.0f} {speeds}", flush=True)
    return share


@dataclass(frozen=True)
class Trained:
    """A network of the data folder, how its pixels become its float input, and how it is compiled."""

    name: str
    file: str
    data: str
    pixels: PixelScaling | None
    reals: Callable[[np.ndarray], np.ndarray]
    binary: bool = False


def _planes(images: np.ndarray) -> np.ndarray:
    return images.transpose(0, 3, 1, 2) if images.ndim == 4 else images[:, None]


IMAGENET = (np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]))

DIGITS = Path(__file__).resolve().parents[1] / "examples" / "digits"

TRAINED = (
    Trained(
        "digits", str(DIGITS / "digits.onnx"), str(DIGITS / "digits.npz"), PixelScaling(scale=255.0),
        lambda x: _planes(x) / 255,
    ),
    Trained("resnet8", "models/resnet8_cifar10_fp32.onnx", "cifar10.npz", PixelScaling(), _planes),
    Trained(
        "resnet20", "models/resnet20_cifar10.onnx", "cifar10.npz",
        PixelScaling(scale=255.0, mean=tuple(IMAGENET[0]), std=tuple(IMAGENET[1])),
        lambda x: (_planes(x) / 255 - IMAGENET[0][:, None, None]) / IMAGENET[1][:, None, None],
    ),
    Trained(
        "mobilenet", "models/mobilenet_like_cifar10.onnx", "cifar10.npz", PixelScaling(scale=255.0),
        lambda x: _planes(x) / 255,
    ),
    Trained(
        "cnv w1a1", "models/cnv_w1a1_cifar10.onnx", "cifar10.npz", None,
        lambda x: np.rint((2 * _planes(x) / 255 - 1) * 128) / 128, binary=True,
    ),
)  # fmt: skip


class Samples(CalibrationDataReader):
    """Calibration images for ONNX Runtime's quantiser, one by one."""

    def __init__(self, name: str, images: np.ndarray) -> None:
        self.feeds = ({name: image[None]} for image in images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next one, or None."""
        return next(self.feeds, None)


def session(model: Path) -> onnxruntime.InferenceSession:
    """One thread, quiet."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def networks(data: Path) -> bool:
    """The trained networks, with ONNX Runtime in the same rounds."""
    print("ms/image, processor time of one thread; ratios are ONNX Runtime's times over ours")
    print("network    batch     ours  float32     int8   float32/ours  int8/ours  images/s")
    for net in TRAINED:
        found = dataset.load(data / net.data)
        reals = np.ascontiguousarray(net.reals(found.images[:64]), dtype=np.float32)
        with tempfile.TemporaryDirectory() as folder:
            graph = compiled(data, net, Path(folder) / "a.snncc", reals)
            theirs = session(data / net.file)
            name = theirs.get_inputs()[0].name
            quantised = Path(folder) / "int8.onnx"
            quantize_static(
                str(data / net.file), str(quantised), Samples(name, reals), quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, per_channel=True,
            )  # fmt: skip
            int8 = session(quantised)
        form = format_of(graph.inputs[0])
        given = found.images[:64] if net.pixels else reals
        levels = form.to_levels(dataset.fit(given, form.levels.shape, found.path) if net.pixels else given)
        levels = np.ascontiguousarray(levels)
        engine = NativeEngine(graph, workers=1, counter=Counter(graph))
        for batch in batches(theirs):
            feed, real = {graph.inputs[0].name: levels[:batch]}, {name: reals[:batch]}
            times = interleaved(
                [
                    lambda: engine.run_counted(feed),  # noqa: B023 (runs in this round)
                    lambda: theirs.run(None, real),  # noqa: B023
                    lambda: int8.run(None, real),  # noqa: B023
                ],
                9 if batch > 1 else 60,
            )
            own, single, eight = (1e3 * statistics.median(one) / batch for one in times)
            print(
                f"{net.name:10} {batch:5} {own:8.3f} {single:8.3f} {eight:8.3f} {single / own:14.2f} "
                f"{eight / own:10.2f} {1e3 / own:9.0f}",
                flush=True,
            )
    return True


def batches(network: onnxruntime.InferenceSession) -> tuple[int, ...]:
    """64 and 1; networks of a fixed batch take that one alone."""
    size = network.get_inputs()[0].shape[0]
    return (size,) if isinstance(size, int) else (64, 1)


def compiled(data: Path, net: Trained, out: Path, reals: np.ndarray) -> Graph:
    """The network with default options (4-bit levels), calibrated; a binary one needs none."""
    calibration = data / net.data
    if net.pixels is None:
        calibration = out.parent / "reals.npz"
        np.savez(calibration, images=reals)
    options = CompileOptions(
        output=out, target="sim", calibrate=calibration, **({"pixels": net.pixels} if net.pixels else {})
    )
    compile_model(data / net.file, options)
    return artefact.read(out).graph


def main() -> int:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("peak", "networks"))
    parser.add_argument("data", type=Path, nargs="?", default=Path())
    chosen = parser.parse_args()
    return 0 if (peak() if chosen.what == "peak" else networks(chosen.data)) else 1


if __name__ == "__main__":
    sys.exit(main())
