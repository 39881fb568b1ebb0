"""Networks on chips of cores: cores against the lower bound, time, placement; every plan is recounted.

    python benchmarks/cores.py DATA           the networks of DATA/models, and four made ones
    python benchmarks/cores.py --made         the made ones alone

Exits 1 where a figure that the documents state is missed, or the checker rejects a plan.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from snncc import artefact
from snncc.cores.planning import Planned, make_plan, refusals
from snncc.driver import compile_model
from snncc.fit import images_among, measure
from snncc.options import CompileOptions, PixelScaling
from snncc_backends.chips import load_machine
from snncc_ir.codes import Code, Reset
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine
from snncc_ir.neurons import Bias, Staircase, Table
from snncc_ir.nodes import AnyNode, Conv, Dense, Input, Population, Readout, Reshape, Scale
from snncc_ir.plan_check import check_plan
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate
from snncc_ir.types import Levels

Images = dict[str, np.ndarray]

STEPS = 32
MOST_CORES = {
    ("mobilenet_like_cifar10", "subtract"): 153,
    ("mobilenet_like_cifar10", "zero"): 79,
    ("plain", "zero"): 800,
}
MOST_SECONDS = {"resnet20_cifar10": 5.0, "efficientnet": 20.0, "million": 60.0}
LEAST_SAVED = {"resnet20_cifar10": 0.30}
SLACK = 0.05
GROWTH = 2.0
"""Most that the time per neuron may grow from a quarter of a million neurons to a million."""

IMAGENET = PixelScaling(scale=255.0, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
PIXELS = {
    "mnist_conv": PixelScaling(),
    "resnet8_cifar10_fp32": PixelScaling(),
    "resnet20_cifar10": IMAGENET,
}
"""How pixels were normalised; of the others: pixel / 255."""


@dataclass
class Verdict:
    """What was missed so far."""

    missed: list[str]

    def demand(self, holds: bool, what: str) -> None:
        """Note what does not hold."""
        if not holds:
            self.missed.append(what)


def networks(data: Path) -> Iterator[tuple[str, Graph, dict[str, np.ndarray]]]:
    """Every network of the folder, quantised to 4-bit levels, and images as levels of its input."""
    with tempfile.TemporaryDirectory() as folder:
        for model in sorted((data / "models").glob("*.onnx")):
            images = data / ("mnist.npz" if "mnist" in model.stem else "cifar10.npz")
            imported = "qdq" in model.stem or ("_w" in model.stem and "tfc" not in model.stem)
            out = Path(folder) / model.stem
            options = CompileOptions(
                output=out,
                target="sim",
                calibrate=None if imported else images,
                pixels=PixelScaling() if imported else PIXELS.get(model.stem, PixelScaling(scale=255.0)),
            )
            compile_model(model, options)
            found = artefact.read(out)
            yield model.stem, found.graph, images_among(found.golden)


def as_rate(graph: Graph, reset: Reset) -> Graph | None:
    """The same network as a rate network; None where it cannot be one."""
    signed = any(graph.levels(node.name).lo < 0 for node in graph.populations)
    if any(isinstance(node.neuron, Table) for node in graph.populations) or (signed and reset is Reset.ZERO):
        return None
    nodes = (
        replace(node, code=Code.RATE)
        if isinstance(node, Population)
        else replace(node, code=Code.GRADED)
        if isinstance(node, Input)
        else node
        for node in graph.nodes
    )
    return replace(graph, nodes=tuple(nodes), timing=Rate(STEPS, reset))


def measured_plan(
    graph: Graph, machine: Machine, images: dict[str, np.ndarray] | None
) -> tuple[Planned, float]:
    """A plan with measured spikes (one of each neuron without images), and the seconds that it took."""
    rates = None
    if images is not None:
        rates = dict(measure(graph, machine, images)[0].activity.spikes)
    start = time.perf_counter()
    planned = make_plan(graph, machine, rates)
    return planned, time.perf_counter() - start


def row(
    name: str, how: str, machine: Machine, graph: Graph, verdict: Verdict, images: dict | None = None
) -> float:
    """Map a network, print a line, and note what is missed; the seconds that it took."""
    planned, seconds = measured_plan(graph, machine, images)
    wrong = check_plan(graph, machine, planned.plan)
    cores, bound, placement = len(planned.plan.cores), planned.plan.bound, planned.placement
    saved = 1 - placement.hops / placement.row_major_hops if placement.row_major_hops else 0.0
    neurons = sum(unit.size for unit in planned.network.units if unit.compartments)
    print(
        f"{name:24} {machine.name} {how:9} {neurons:9} {cores:6} {bound:6} {planned.plan.chips:5} "
        f"{seconds:6.2f} "
        f"{placement.row_major_hops:13.0f} {placement.hops:13.0f} {saved:6.0%} {placement.busiest:10.0f}  "
        f"{'rejected' if wrong else 'accepted'}",
        flush=True,
    )
    label = f"{name} on {machine.name}, {how}"
    verdict.demand(not wrong, f"{label}: the checker says {wrong[:1]}")
    if images is not None:
        verdict.demand(cores <= bound + max(1, SLACK * bound), f"{label}: {cores} cores, at least {bound}")
    verdict.demand(cores <= MOST_CORES.get((name, how), cores), f"{label}: {cores} cores")
    verdict.demand(seconds <= MOST_SECONDS.get(name, 60.0), f"{label}: {seconds:.1f} s")
    verdict.demand(saved >= LEAST_SAVED.get(name, 0.0), f"{label}: placement saves {saved:.0%}")
    return seconds / neurons


class Maker:
    """Builds a network of random weights for a rate code with reset to zero."""

    def __init__(self, name: str, channels: int, size: int) -> None:
        """Start with an input image."""
        self.name, self.rng = name, np.random.default_rng(0)
        self.nodes: list[AnyNode] = [Input(name="x", type=Levels((channels, size, size), 0, 255))]
        self.last, self.channels, self.size = "x", channels, size

    def conv(self, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1, skip: str = "") -> str:
        """A convolution that keeps the size but for its stride, and a population; `skip` is added to it."""
        shape = (outputs, self.channels // groups, kernel, kernel)
        name, pad = f"c{len(self.nodes)}", kernel // 2
        self.nodes.append(
            Conv(
                name=name,
                source=self.last,
                weight=Tensor.integer(self.rng.integers(-128, 128, shape, dtype=np.int64), 8),
                stride=(stride, stride),
                padding=((pad, pad), (pad, pad)),
                groups=groups,
            )
        )
        drives = (name,)
        if skip:
            self.nodes.append(Scale(name=f"s{len(self.nodes)}", source=skip, weight=ones(outputs)))
            drives = (name, self.nodes[-1].name)
        self.channels, self.size = outputs, (self.size + 2 * pad - kernel) // stride + 1
        return self._population(drives, outputs)

    def _population(self, drives: tuple[str, ...], channels: int) -> str:
        neuron = Staircase(theta=ones(channels), bias=zeros(channels), lo=0, hi=15)
        self.last = f"p{len(self.nodes)}"
        self.nodes.append(Population(name=self.last, drives=drives, neuron=neuron, code=Code.RATE))
        return self.last

    def graph(self, classes: int) -> Graph:
        """The network, shrunk to what a dense readout can take."""
        while self.size > 4 or self.channels * self.size**2 > 4096:
            self.conv(self.channels, 3, 2, groups=self.channels)
            self.conv(min(self.channels, 256), 1)
        flat = self.channels * self.size**2
        self.nodes += [
            Reshape(name="flat", source=self.last, shape=(flat,)),
            Dense(name="fc", source="flat", weight=ones(classes, flat)),
            Readout(name="y", drives=("fc",), bias=zeros(classes)),
        ]
        return Graph(name=self.name, nodes=tuple(self.nodes), outputs=("y",), timing=Rate(STEPS, Reset.ZERO))


def ones(*shape: int) -> Tensor:
    """All ones."""
    return Tensor.integer(np.ones(shape, dtype=np.int64), 8)


def zeros(size: int) -> Bias:
    """A bias of zeros."""
    return Bias(values=Tensor.integer(np.zeros(size, dtype=np.int64), 8))


EFFICIENTNET = (
    *((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3)),
    *((6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1)),
)
"""EfficientNet-B0 (Tan and Le 2019, table 1): expansion, kernel, stride, channels and blocks by stage."""


def efficientnet(size: int) -> Graph:
    """EfficientNet-B0 for images of `size` pixels a side, with ReLU and without squeeze-and-excitation."""
    made = Maker("efficientnet", 3, size)
    made.conv(32, 3, 2)
    for expansion, kernel, stride, channels, blocks in EFFICIENTNET:
        for block in range(blocks):
            before, source = made.channels, made.last
            if expansion > 1:
                made.conv(before * expansion, 1)
            made.conv(made.channels, kernel, stride if block == 0 else 1, groups=made.channels)
            made.conv(channels, 1, skip=source if block and before == channels else "")
    made.conv(1280, 1)
    return made.graph(1000)


MOBILENET = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1))
"""Channels and stride of the blocks of the network that NxTF maps on 157 cores."""


def million(size: int) -> Graph:
    """Depthwise separable blocks: a million neurons for images of 120 pixels a side."""
    made = Maker("million", 3, size)
    made.conv(32, 3, 2)
    for channels, stride in MOBILENET:
        made.conv(made.channels, 3, stride, groups=made.channels)
        made.conv(channels, 1)
    return made.graph(10)


def plain(size: int) -> Graph:
    """Convolutions of 3 x 3 between many channels: more output axons than full cores can hold."""
    made = Maker("plain", 3, size)
    for outputs, stride in ((64, 1), (64, 1), (64, 1), (128, 2), (256, 2), (256, 2)):
        made.conv(outputs, 3, stride)
    return made.graph(1000)


def main() -> int:
    """Print the table; 1 where something is missed."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("data", type=Path, nargs="?")
    options.add_argument("--made", action="store_true")
    chosen = options.parse_args()
    if not chosen.made and chosen.data is None:
        options.error("give DATA, or --made")
    verdict = Verdict([])
    loihi, loihi2 = load_machine("loihi1"), load_machine("loihi2")
    print(
        "network                  chip   code        neurons  cores  bound chips      s     row-major        "
        "placed  saved    busiest  checker"
    )
    for name, graph, images in networks(chosen.data) if chosen.data else ():
        for reset in Reset:
            rate = as_rate(graph, reset)
            if rate is not None and not refusals(rate, loihi):
                row(name, reset.value, loihi, rate, verdict, images)
        row(name, "radix", loihi2, graph, verdict, images)
    row("efficientnet", "zero", loihi, efficientnet(64), verdict)
    rates = [row("million", "zero", loihi, million(size), verdict) for size in (60, 120)]
    row("plain", "zero", loihi, plain(32), verdict)
    growth = rates[1] / rates[0]
    print(f"time per neuron from a quarter of a million neurons to a million: x {growth:.2f}")
    verdict.demand(growth <= GROWTH, f"time per neuron grows x {growth:.2f}")
    for text in verdict.missed:
        print(f"missed: {text}")
    return 1 if verdict.missed else 0


if __name__ == "__main__":
    sys.exit(main())
