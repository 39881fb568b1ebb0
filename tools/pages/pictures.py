"""Draw the pictures of docs/pictures from executions of the reference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_ir.codes import Code, Reset, magnitude
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import Dense, Input, Population, Readout
from snncc_ir.semantics import evaluate
from snncc_ir.spiking import run_phased
from snncc_ir.streaming import run_streaming
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Phased, Rate, Stbif, Timing
from snncc_ir.types import Levels

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "pictures"

TOP = 15
LEVEL = 11
THETA = 6
RATE_STEPS = 15

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #222; }
.small { font-size: 11px; fill: #666; }
.spike { stroke: #1463b8; stroke-width: 3; fill: none; }
.none { stroke: #999; stroke-width: 1; fill: none; }
.line { stroke: #1463b8; stroke-width: 2; fill: none; }
.other { stroke: #c1440e; stroke-width: 1.5; stroke-dasharray: 5 3; fill: none; }
.box { fill: #1463b822; stroke: none; }
.paper { fill: #fff; }
"""


class Picture:
    """An SVG of fixed size, built piece by piece."""

    def __init__(self, title: str, width: int, height: int) -> None:
        """An empty picture with a white ground."""
        self.title, self.width, self.height = title, width, height
        self.parts = [f'<rect class="paper" width="{width}" height="{height}"/>']

    def text(self, x: float, y: float, content: str, kind: str = "", anchor: str = "start") -> None:
        """Words at a place."""
        name = f' class="{kind}"' if kind else ""
        self.parts.append(f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{name}>{content}</text>')

    def line(self, kind: str, points: Iterable[tuple[float, float]]) -> None:
        """A line through points."""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        self.parts.append(f'<polyline class="{kind}" points="{path}"/>')

    def box(self, x: float, y: float, width: float, height: float) -> None:
        """A shaded field."""
        self.parts.append(f'<rect class="box" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"/>')

    def svg(self) -> str:
        """The whole file."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}" role="img">'
        )
        title, style = f"<title>{self.title}</title>", f"<style>{STYLE}</style>"
        return "\n".join([head, title, style, *self.parts, "</svg>\n"])


def neuron(theta: int = THETA, bias: int = 0) -> Staircase:
    """An unsigned neuron of 4 bits."""
    return Staircase(theta=Tensor.integer([theta]), bias=Bias(values=Tensor.integer([bias])), lo=0, hi=TOP)


def chain(code: Code, timing: Timing, layers: int = 1) -> Graph:
    """Populations of one neuron behind each other, each repeating the level of its source."""
    image = Input(name="image", type=Levels((1,), 0, TOP), scale=Tensor.real([1.0]), zero=Tensor.real([0.0]))
    nodes: list[Any] = [image]
    for layer in range(1, layers + 1):
        weight = Tensor.integer(np.array([[THETA]]), 5)
        nodes += [
            Dense(name=f"sum{layer}", source=nodes[-1].name, weight=weight),
            Population(name=f"layer{layer}", drives=(f"sum{layer}",), neuron=neuron(), code=code),
        ]
    last = Dense(name="sum", source=nodes[-1].name, weight=Tensor.integer(np.array([[1]]), 2))
    readout = Readout(name="readout", drives=("sum",), bias=Bias(values=Tensor.integer([0])))
    return Graph(name="chain", nodes=(*nodes, last, readout), outputs=("readout",), timing=timing)


def train_of(code: Code) -> NDArray[np.int64]:
    """What one neuron of level LEVEL sends, step by step."""
    if not code.is_phased:
        timing = Stbif() if code is Code.STBIF else Rate(steps=RATE_STEPS, reset=Reset.SUBTRACT)
        return run_streaming(chain(code, timing), {"image": np.array([[LEVEL]])}).trains["layer1"][:, 0, 0]
    run = run_phased(chain(code, Phased()), {"image": np.array([[[LEVEL]]])})
    return run.trains["layer1"][0, 0, :, 0]


def codes() -> str:
    """One level as spikes in each code."""
    step, left, row = 36, 92, 62
    picture = Picture(f"Level {LEVEL} of 0..{TOP} in each code", left + 16 * step + 60, row * len(Code) + 34)
    for index, code in enumerate(Code):
        base = row * (index + 1) - 8
        train = train_of(code)
        picture.text(12, base - 8, code.value)
        picture.line("none", [(left, base), (left + step * len(train), base)])
        for number, spike in enumerate(train):
            x = left + step * (number + 0.5)
            if spike:
                picture.line("spike", [(x, base), (x, base - 26)])
                picture.text(x, base - 31, _worth(code, number, int(spike)), "small", "middle")
            picture.text(x, base + 13, str(number), "small", "middle")
        picture.text(left + step * len(train) + 10, base - 8, _sum(code, train), "small")
    picture.text(left, row * len(Code) + 24, "time steps; above a spike: the levels it stands for", "small")
    return picture.svg()


def _worth(code: Code, step: int, spike: int) -> str:
    return str(spike if code is Code.GRADED else magnitude(code, 0, TOP, step))


def _sum(code: Code, train: NDArray[np.int64]) -> str:
    worth = [int(_worth(code, step, int(spike))) for step, spike in enumerate(train) if spike]
    return f"= {sum(worth)}"


def staircase() -> str:
    """The level of one neuron over its drive, beside the rectifier that it rounds."""
    drives = np.arange(-12, (TOP + 2) * THETA + 1)
    graph = _one_neuron(int(drives.min()), int(drives.max()))
    levels = evaluate(graph, {"image": drives[:, None]})["neuron"][:, 0]
    picture = Picture(f"A staircase with threshold {THETA}", 620, 330)

    def x(drive: float) -> float:
        return 60 + 4.7 * (drive + 12)

    def y(level: float) -> float:
        return 290 - 16.5 * level

    picture.line("none", [(60, y(0)), (590, y(0))])
    picture.line("none", [(x(0), 290), (x(0), 20)])
    for level in range(0, TOP + 1, 5):
        picture.text(52, y(level) + 4, str(level), "small", "end")
    for drive in range(0, int(drives.max()), 2 * THETA):
        picture.text(x(drive), 306, str(drive), "small", "middle")
    points = [(x(drive), y(level)) for drive, level in zip(drives.tolist(), levels.tolist(), strict=True)]
    picture.line("other", [points[0], (x(0), y(0)), (x(TOP * THETA), y(TOP)), points[-1]])
    picture.line("line", _steps(points))
    picture.text(330, 250, f"level n, threshold {THETA}, bias 0, levels 0..{TOP}")
    picture.text(590, 322, "drive U; dashed: the rectifier, U / theta clipped", "small", "end")
    return picture.svg()


def _one_neuron(least: int, greatest: int) -> Graph:
    return Graph(
        name="staircase",
        nodes=(
            Input(
                name="image",
                type=Levels((1,), least, greatest),
                scale=Tensor.real([1.0]),
                zero=Tensor.real([0.0]),
            ),
            Dense(name="sum", source="image", weight=Tensor.integer(np.array([[1]]), 2)),
            Population(name="neuron", drives=("sum",), neuron=neuron()),
            Dense(name="read", source="neuron", weight=Tensor.integer(np.array([[1]]), 2)),
            Readout(name="readout", drives=("read",), bias=Bias(values=Tensor.integer([0]))),
        ),
        outputs=("readout",),
    )


def _steps(points: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """The corners of a line that moves along one axis at a time."""
    last = points[0]
    yield last
    for x, y in points[1:]:
        if y != last[1]:
            yield (x, last[1])
            yield (x, y)
        last = (x, y)
    yield last


def pipeline() -> str:
    """Two images in a chain of three layers with `radix`: who sends which image when."""
    graph = chain(Code.RADIX, Phased(), layers=3)
    images = np.array([[[LEVEL], [6]]])
    run = run_phased(graph, {"image": images})
    step, left, row = 24, 84, 56
    senders = ("image", "layer1", "layer2", "layer3")
    picture = Picture(
        "Two images on their way through three layers", left + step * run.steps + 30, row * 4 + 60
    )
    for index, name in enumerate(senders):
        base = row * (index + 1)
        slot = graph.strand(name).slot
        picture.text(12, base - 6, "input" if name == "image" else name)
        picture.line("none", [(left, base), (left + step * run.steps, base)])
        for image in range(images.shape[1]):
            start = left + step * graph.window * (image + slot)
            picture.box(start, base - 40, step * graph.window, 40)
            picture.text(start + 4, base - 28, f"image {image}", "small")
            train = run.trains[name][0, image, :, 0]
            for number in np.flatnonzero(train):
                x = start + step * (int(number) + 0.5)
                picture.line("spike", [(x, base), (x, base - 22)])
    for window in range(run.steps // graph.window + 1):
        x = left + step * graph.window * window
        picture.line("none", [(x, 10), (x, row * 4 + 12)])
        picture.text(x, row * 4 + 28, str(window * graph.window), "small", "middle")
    picture.text(left, row * 4 + 48, f"time steps; one image per window of {graph.window} steps", "small")
    return picture.svg()


PICTURES = {"codes.svg": codes, "staircase.svg": staircase, "pipeline.svg": pipeline}


def main() -> None:
    """Write the pictures."""
    FOLDER.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        (FOLDER / name).write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
