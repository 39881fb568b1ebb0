"""The engine's other goals: share of the peak, binary layers, one image, image sizes, start-up."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from engine import interleaved, peak_share, resnet, vgg9
from peer_networks import Network, random_network, resnet18, smooth

from snncc import artefact, dataset
from snncc.driver import compile_model
from snncc.options import CompileOptions, PixelScaling
from snncc.sim.evaluate import evaluate_images
from snncc.sim.native.levels import NativeEngine
from snncc.sim.native.streams import NativeStreamEngine
from snncc.sim.trace import every_step
from snncc_ir.costs import Counter
from snncc_ir.encoding import format_of
from snncc_ir.graph import Graph
from snncc_ir.nodes import AnyNode, Conv, Dense, Input, Population
from snncc_ir.progress import silent
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate

BATCH = 64
LONGEST = 256
"""Steps that a rate code is given to come close to the levels."""

TESTED = 1000


@dataclass(frozen=True)
class Goal:
    """A figure and what it must be: at least `goal`, or at most where `most`."""

    name: str
    value: float
    goal: float
    most: bool = False

    @property
    def met(self) -> bool:
        """Whether it is."""
        return self.value <= self.goal if self.most else self.value >= self.goal

    @property
    def row(self) -> str:
        """For the table."""
        sign = "at most" if self.most else "at least"
        return f"| {self.name} | {self.value:.3g}{'' if self.met else ' (missed)'} | {sign} {self.goal:g} |"


def goals(place: Path) -> list[Goal]:
    """All that need no peer; `place` holds the networks' folders."""
    seconds = one_image(artefact.read(place / "resnet8" / "levels").graph)
    return [
        *(
            Goal(f"share of the int8 peak, {g.name}, batch 64", peak_share(g, BATCH), 0.7)
            for g in (vgg9(), resnet(64, 2))
        ),
        Goal(
            "binary layers of cnv: as int8 / binary",
            binary_ratio(artefact.read(place / "cnv w1a1" / "levels").graph),
            3,
        ),
        Goal("ResNet-8, one image, milliseconds", 1e3 * seconds, 0.5, most=True),
        Goal("import snncc, seconds of processor time", started("-c", "import snncc"), 0.3, most=True),
        Goal("snncc --help, seconds of processor time", started("-m", "snncc", "--help"), 0.3, most=True),
    ]


def started(*arguments: str) -> float:
    """The least processor time of seven runs of a Python: what is more is the machine's."""
    taken = []
    for _ in range(7):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(taken)


def one_image(graph: Graph) -> float:
    """Seconds of processor time of one image with its counts, one thread."""
    engine = NativeEngine(graph, workers=1, counter=Counter(graph))
    (node,) = graph.inputs
    feed = {node.name: _random(node, 1)}
    (taken,) = interleaved([lambda: engine.run_counted(feed)], 60)
    return statistics.median(taken)


def _random(node: Input, count: int) -> np.ndarray:
    levels = node.type
    high = min(levels.hi, 255)
    values = np.random.default_rng(0).integers(levels.lo, high + 1, (count, *levels.shape))
    return values.astype(np.uint8 if levels.lo == 0 else np.int16)


def binary_ratio(graph: Graph) -> float:
    """Time of the layers behind the first with 8-bit weights of the same signs, over that with one bit.

    Both are the whole network's time less the first layer's; all three give the first layer's levels.
    """
    first = next(index for index, node in enumerate(graph.nodes) if isinstance(node, Population))
    name, rng = graph.nodes[first].name, np.random.default_rng(0)
    head = replace(graph, nodes=graph.nodes[: first + 1], outputs=(name,))
    rest = tuple(_widened(node, rng) for node in graph.nodes[first + 1 :])
    wide = replace(graph, nodes=(*head.nodes, *rest))
    feed = {graph.inputs[0].name: _random(graph.inputs[0], BATCH)}
    engines = [NativeEngine(form, (name,), workers=1, counter=Counter(form)) for form in (head, graph, wide)]
    taken = interleaved([partial(engine.run_counted, feed) for engine in engines], 15)
    alone, binary, eight = (statistics.median(times) for times in taken)
    return (eight - alone) / (binary - alone)


def _widened(node: AnyNode, rng: np.random.Generator) -> AnyNode:
    """One-bit weights times 2 to 127: the library looks at the values, so more bits alone change nothing."""
    if isinstance(node, Conv | Dense) and node.weight.bits == 1:
        values = node.weight.data * rng.integers(2, 128, node.weight.shape)
        return replace(node, weight=Tensor.integer(values, 8))
    return node


def sizes(place: Path, *, quick: bool) -> list[str]:
    """Images per second of one thread against the size of the images, and of `rate` against T."""
    wide = [(size, _speed(_compiled(place, size))) for size in ((32, 64) if quick else (32, 64, 128, 224))]
    rate = artefact.read(place / "vgg9" / "rate").graph
    steps = [(count, _speed(replace(rate, timing=Rate(count)))) for count in (8, 16, 32, 64)]
    return [
        "Images per second of one thread, batch 16:",
        "",
        _line("resnet18, `levels`, pixels a side", wide),
        _line("vgg9, `rate`, steps", steps),
    ]


def _line(name: str, found: Sequence[tuple[int, float]]) -> str:
    return f"- {name}: " + ", ".join(f"{at}: {speed:,.0f}" for at, speed in found)


def _compiled(place: Path, size: int) -> Graph:
    net = random_network("resnet18", partial(resnet18, size=size), 3, size)
    folder = place / f"resnet18 at {size}"
    folder.mkdir()
    net.model(folder / "float.onnx")
    np.savez(folder / "calibration.npz", images=smooth(3, size, 8))
    options = CompileOptions(
        output=folder / "levels", target="sim", calibrate=folder / "calibration.npz",
        pixels=PixelScaling(scale=255.0),
    )  # fmt: skip
    compile_model(folder / "float.onnx", options)
    return artefact.read(folder / "levels").graph


def _speed(graph: Graph) -> float:
    (node,) = graph.inputs
    batch = 16
    feed = {node.name: smooth(*node.type.shape[:2], batch)}
    if isinstance(graph.timing, Rate):
        run = partial(NativeStreamEngine(graph, workers=1, with_counts=False).run, feed)
    else:
        run = partial(NativeEngine(graph, workers=1, counter=Counter(graph)).run_counted, feed)
    (taken,) = interleaved([run], 3)
    return batch / statistics.median(taken)


def steps_needed(net: Network, folder: Path, close: float) -> tuple[float, int | None]:
    """Accuracy of `levels`, and the step from which on `rate` stays within `close` of it, up to LONGEST."""
    images, labels = net.images[:TESTED], net.labels[:TESTED] if net.labels is not None else None
    exact = artefact.read(folder / "levels").graph
    form = format_of(exact.inputs[0])
    if labels is None:
        raise ValueError(f"{net.name} has no labels")
    fitted = dataset.fit(images, form.levels.shape, folder)
    accuracy = evaluate_images(exact, form, fitted, "native", silent).accuracy(labels)
    long = replace(artefact.read(folder / "rate").graph, timing=Rate(LONGEST))
    trace = evaluate_images(long, form, fitted, "native", silent).trace
    if trace is None:
        raise ValueError(f"{net.name} has no steps")
    far = [row.step for row in every_step(trace, labels) if (row.accuracy or 0.0) < accuracy - close]
    last = max(far, default=0)
    return accuracy, last + 1 if last < LONGEST else None


def batch_of(file: Path) -> int | None:
    """The batch that an ONNX file fixes, None if any goes."""
    size = onnx.load(file, load_external_data=False).graph.input[0].type.tensor_type.shape.dim[0]
    return size.dim_value or None
