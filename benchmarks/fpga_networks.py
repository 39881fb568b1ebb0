"""Networks and settings for the FPGA benchmarks: two are trained, two have random weights in known shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from snncc.driver import Compiled, compile_model
from snncc.options import CompileOptions, PixelScaling

DIGITS = Path(__file__).resolve().parents[1] / "examples" / "digits"


@dataclass(frozen=True)
class Setting:
    """A network, its lanes, its code; bits of hidden levels, weights and input levels (None: the pixel's)."""

    network: str
    lanes: int
    level_bits: int
    weight_bits: int = 8
    input_bits: int | None = None
    code: str = "radix"

    def __str__(self) -> str:
        bits = f"{self.level_bits}/{self.weight_bits}/{self.input_bits or 8}"
        return f"{self.network:8} {self.code:6} {self.lanes:5} {bits:>7}"


HEADER = f"{'network':8} {'code':6} {'lanes':>5} {'l/w/i':>7}"

STEPS = 16
"""Of `rate`."""


def compiled(setting: Setting, folder: Path, chip: str = "ecp5-85k") -> Compiled:
    """The artefact of a setting, in `folder`."""
    model, images = NETWORKS[setting.network](folder)
    options = CompileOptions(
        output=folder / "network.snncc",
        target="fpga",
        machine=chip,
        lanes=setting.lanes,
        calibrate=images,
        pixels=PixelScaling(scale=255.0),
        level_bits=setting.level_bits,
        weight_bits=setting.weight_bits,
        input_bits=setting.input_bits,
        code=setting.code,
        steps=STEPS if setting.code == "rate" else CompileOptions.steps,
    )
    return compile_model(model, options)


def _lenet(folder: Path) -> tuple[Path, Path]:
    net = _Net()
    x = net.pool(net.conv("x", 1, 6, 5, pad=2))
    x = net.pool(net.conv(x, 6, 16, 5))
    x = net.add("Flatten", x)
    x = net.dense(net.dense(x, 400, 120), 120, 84)
    net.dense(x, 84, 10, relu=False)
    return net.save(folder, (1, 28, 28)), DIGITS / "digits.npz"


def _residual(folder: Path) -> tuple[Path, Path]:
    """Two residual blocks, the second of half the size, on images of 3 x 16 x 16."""
    net = _Net()
    x = net.conv("x", 3, 16, 3, pad=1)
    inner = net.conv(net.conv(x, 16, 16, 3, pad=1), 16, 16, 3, pad=1, relu=False)
    x = net.add("Relu", net.add("Add", x, inner))
    inner = net.conv(net.conv(x, 16, 32, 3, pad=1, stride=2), 32, 32, 3, pad=1, relu=False)
    x = net.add("Relu", net.add("Add", inner, net.conv(x, 16, 32, 1, stride=2, relu=False)))
    net.dense(net.add("Flatten", net.add("GlobalAveragePool", x)), 32, 10, relu=False)
    images = folder / "images.npz"
    np.savez(images, images=np.random.default_rng(0).integers(0, 256, (8, 3, 16, 16), dtype=np.uint8))
    return net.save(folder, (3, 16, 16)), images


NETWORKS: dict[str, Callable[[Path], tuple[Path, Path]]] = {
    "digits": lambda _: (DIGITS / "digits.onnx", DIGITS / "digits.npz"),
    "strided": lambda _: (DIGITS / "digits_strided.onnx", DIGITS / "digits.npz"),
    "lenet": _lenet,
    "residual": _residual,
}
"""Model and calibration images of every network, the random ones written to a folder."""


class _Net:
    """An ONNX model in the making."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(5)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, **attributes: object) -> str:
        output = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def conv(
        self, x: str, source: int, result: int, size: int, *, pad: int = 0, stride: int = 1, relu: bool = True
    ) -> str:
        weight = self._weight(self.rng.normal(size=(result, source, size, size)))
        x = self.add("Conv", x, weight, pads=[pad] * 4, strides=[stride] * 2)
        return self.add("Relu", x) if relu else x

    def pool(self, x: str) -> str:
        return self.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])

    def dense(self, x: str, source: int, result: int, *, relu: bool = True) -> str:
        x = self.add("Gemm", x, self._weight(self.rng.normal(size=(result, source))), transB=1)
        return self.add("Relu", x) if relu else x

    def _weight(self, values: NDArray[np.float64]) -> str:
        name = f"w{len(self.weights)}"
        scaled = values / np.sqrt(values[0].size)
        self.weights.append(numpy_helper.from_array(scaled.astype(np.float32), name))
        return name

    def save(self, folder: Path, shape: tuple[int, ...]) -> Path:
        (result,) = self.nodes[-1].output
        graph = helper.make_graph(
            self.nodes,
            "network",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *shape])],
            [helper.make_tensor_value_info(result, TensorProto.FLOAT, [1, 10])],
            self.weights,
        )
        file = folder / "network.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), file)
        return file
