"""Write ir/vectors/*.json: tiny networks with every integer that an implementation must give.

    python tools/make_vectors.py [FOLDER]

The numbers come from the reference semantics; ir/vectors/README.md says what they mean.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snncc_ir.codes import PHASED_CODES, Code, Reset
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Neuron, Staircase, Table
from snncc_ir.nodes import AnyNode, Concat, Conv, Dense, Input, MaxPool, Population, Readout, Scale, SumPool
from snncc_ir.plain import graph_to_plain, tensors_of
from snncc_ir.semantics import evaluate
from snncc_ir.spiking import run_phased
from snncc_ir.streaming import run_streaming
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Phased, Rate, Stbif, Timing
from snncc_ir.types import Levels

FOLDER = Path(__file__).parent.parent / "ir" / "vectors"
FORMAT = 1
WIDTH = 150

Array = NDArray[Any]
Plain = dict[str, Any]
Codes = Mapping[str, Code]
Images = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Net:
    """A network, images `[I, *shape]` for it, and the codes of its runs (none: as the graph says)."""

    description: str
    graph: Graph
    images: Images
    runs: tuple[Codes, ...] = ()


def integers(*values: ArrayLike) -> Tensor:
    """An integer tensor of the values given."""
    return Tensor.integer(np.array(values))


def stairs(theta: Sequence[int], bias: Sequence[int] | Bias, lo: int, hi: int) -> Staircase:
    """A staircase neuron per channel."""
    spread = bias if isinstance(bias, Bias) else Bias(values=Tensor.integer(bias))
    return Staircase(theta=Tensor.integer(theta), bias=spread, lo=lo, hi=hi)


def network(name: str, *nodes: AnyNode, timing: Timing | None = None) -> Graph:
    """A graph whose outputs are the readouts, or else the last node."""
    readouts = tuple(node.name for node in nodes if isinstance(node, Readout))
    return Graph(name=name, nodes=nodes, outputs=readouts or (nodes[-1].name,), timing=timing or Phased())


def population(name: str, neuron: Neuron, *drives: str, code: Code = Code.RADIX) -> Population:
    """A population."""
    return Population(name=name, drives=drives, neuron=neuron, code=code)


def every_code(graph: Graph) -> tuple[Codes, ...]:
    """Each code for all populations with a graded input, and the same with the input in that code too."""
    names = [node.name for node in graph.populations]
    inputs = [node.name for node in graph.inputs]
    graded: list[Codes] = [dict.fromkeys(names, code) for code in PHASED_CODES]
    same: list[Codes] = [
        dict.fromkeys(inputs + names, code) for code in PHASED_CODES if code is not Code.GRADED
    ]
    mixed: Codes = {name: PHASED_CODES[i % 4] for i, name in enumerate(inputs + names, start=1)}
    return (*graded, *same, mixed)


def with_codes(graph: Graph, codes: Codes) -> Graph:
    """The graph with the codes of some inputs and populations replaced."""
    nodes: list[AnyNode] = [*graph.inputs, *graph.populations]
    return graph.with_nodes(
        replace(node, code=codes[node.name])
        for node in nodes
        if isinstance(node, Input | Population) and node.name in codes
    )


def phased(description: str, graph: Graph, **images: ArrayLike) -> Net:
    """A phased network that is run in every code."""
    return Net(description, graph, {name: np.array(x) for name, x in images.items()}, every_code(graph))


def streaming(description: str, graph: Graph, **images: ArrayLike) -> Net:
    """A `rate` or `stbif` network."""
    return Net(description, graph, {name: np.array(x) for name, x in images.items()}, ({},))


def binary() -> Net:
    """The network `binary`."""
    graph = network(
        "binary",
        Input(name="x", type=Levels((3,), 0, 1)),
        Dense(name="d", source="x", weight=integers([1, 1, -1], [-1, 1, 1], [1, -1, 1])),
        population("p", stairs([1, 1, 1], [0, -1, 1], 0, 1), "d"),
    )
    text = "One level per neuron: n is 1 where U >= 1 - b. All codes are the same single spike."
    return phased(text, graph, x=[[1, 1, 0], [0, 1, 1], [0, 0, 0]])


def dense() -> Net:
    """The network `dense`."""
    graph = network(
        "dense",
        Input(name="x", type=Levels((2,), 0, 3)),
        Dense(name="d", source="x", weight=integers([2, -1], [1, 1])),
        population("p", stairs([2, 4], [0, 1], 0, 6), "d"),
    )
    return phased("A dense layer of two neurons with levels 0..6.", graph, x=[[3, 1], [0, 3], [1, 1]])


def signed() -> Net:
    """The network `signed`."""
    graph = network(
        "signed",
        Input(name="x", type=Levels((2,), -2, 3)),
        Dense(name="d", source="x", weight=integers([3, -3], [1, 2], [-2, 1])),
        population("p", stairs([3, 1, 2], [0, -1, 1], -3, 5), "d"),
        Dense(name="e", source="p", weight=integers([1, -2, 3], [-1, 1, 1])),
        Readout(name="y", drives=("e",), bias=Bias(values=integers(0, 7)), scale=0.5),
    )
    text = "Signed levels -3..5, not symmetric: radix clamps, count and ttfs stop each sign at its own step."
    return phased(text, graph, x=[[3, -2], [-2, 3], [1, 1], [-2, -2]])


def table() -> Net:
    """The network `table`."""
    graph = network(
        "table",
        Input(name="x", type=Levels((1,), -4, 4)),
        Dense(name="d", source="x", weight=integers([2], [-1])),
        population("p", Table(breakpoints=integers([-3, 0, 2], [1, 1, 3]), lo=-1, hi=2), "d"),
    )
    text = (
        "Neurons by breakpoints, levels -1..2; two of the breakpoints are equal, so one level is never taken."
    )
    return phased(text, graph, x=[[-4], [-1], [0], [1], [4]])


def table_border() -> Net:
    """The network `table_border`."""
    steps = Tensor.integer([[[[-2, 1, 4], [-1, 1, 3]], [[0, 0, 2], [-3, 2, 2]]]])
    neuron = Table(breakpoints=steps, lo=0, hi=3, rows=(0, 1, 0), columns=(1, 0))
    graph = network(
        "table_border",
        Input(name="x", type=Levels((1, 3, 2), -2, 3)),
        Conv(name="c", source="x", weight=Tensor.integer([[[[1, -1, 1]]]]), padding=((0, 0), (1, 1))),
        population("p", neuron, "c"),
    )
    text = "Other breakpoints near the border: one table per channel and border class."
    return phased(text, graph, x=(np.arange(12) * 5 % 6 - 2).reshape(2, 1, 3, 2))


def conv() -> Net:
    """The network `conv`."""
    corners = Bias(values=Tensor.integer(np.arange(-4, 4).reshape(2, 2, 2)), rows=(0, 1), columns=(0, 1, 0))
    weight = Tensor.integer((np.arange(24) * 5 % 7 - 3).reshape(2, 2, 3, 2), 3)
    grouped = Tensor.integer(np.where(np.arange(8) % 3, -1, 1).reshape(2, 1, 2, 2), 1)
    graph = network(
        "conv",
        Input(name="x", type=Levels((2, 4, 5), 0, 7)),
        Conv(name="c1", source="x", weight=weight, stride=(2, 2), padding=((1, 0), (0, 1))),
        population("p1", stairs([5, 6], corners, 0, 3), "c1"),
        Conv(name="c2", source="p1", weight=grouped, groups=2, dilation=(1, 2), padding=((0, 1), (2, 0))),
        population("p2", stairs([1, 2], [0, 1], -1, 2), "c2"),
    )
    text = "Convolutions with stride, dilation, groups and asymmetric padding; one bias per border class."
    images = (np.arange(80) * 11 % 8).reshape(2, 2, 4, 5)
    return phased(text, graph, x=images)


def residual() -> Net:
    """The network `residual`."""
    graph = network(
        "residual",
        Input(name="x", type=Levels((1,), 0, 3)),
        Dense(name="d1", source="x", weight=integers([3])),
        population("p1", stairs([2], [-1], 0, 7), "d1"),
        Dense(name="d2", source="p1", weight=integers([-2])),
        Scale(name="skip", source="x", weight=integers(5)),
        population("p2", stairs([3], [0], -4, 5), "d2", "skip"),
        Dense(name="d3", source="p2", weight=integers([2], [-3])),
        Readout(name="y", drives=("d3",), bias=Bias(values=integers(1, 0))),
    )
    text = "A skip connection holds the input for one window; images are sent back to back."
    return phased(text, graph, x=[[3], [1], [0], [2]])


def max_pool() -> Net:
    """The network `max_pool`."""
    graph = network(
        "max_pool",
        Input(name="x", type=Levels((1, 3, 3), -3, 3)),
        MaxPool(name="m", source="x", kernel=(2, 2), padding=((1, 0), (0, 1))),
        Scale(name="s", source="m", weight=integers(2)),
        population("p", stairs([3], [0], -2, 2), "s"),
        MaxPool(name="o", source="p", kernel=(2, 2), stride=(1, 2)),
        SumPool(name="a", source="o", weight=integers(1), kernel=(2, 1), padding=((1, 0), (0, 0))),
        Readout(name="y", drives=("a",), bias=Bias(values=integers(0))),
    )
    text = "Overlapping and padded max-pools of signed levels (padding is no member), then an average pool."
    images = [[[[-3, -1, 2], [0, -2, -2], [3, -3, 1]]], [[[-1, -2, -3], [-2, -3, -1], [-3, -1, -2]]]]
    return phased(text, graph, x=images)


def concat() -> Net:
    """The network `concat`."""
    graph = network(
        "concat",
        Input(name="x", type=Levels((1, 2, 2), 0, 5)),
        Conv(name="c", source="x", weight=integers([[[1, -1], [2, 0]]])),
        population("p", stairs([2], [1], 0, 3), "c"),
        SumPool(name="a", source="x", weight=integers(1), kernel=(2, 2)),
        population("q", stairs([4], [0], -1, 4), "a"),
        Concat(name="k", parts=("p", "q")),
        Conv(name="d", source="k", weight=integers([[[2]], [[-3]]], [[[1]], [[1]]])),
        population("r", stairs([2, 1], [0, -2], -3, 3), "d"),
    )
    text = (
        "Channels of two populations with different ranges and codes: a receiver has an accumulator for each."
    )
    return phased(text, graph, x=[[[[5, 0], [1, 4]]], [[[1, 2], [5, 5]]]])


def _stream(name: str, timing: Timing, code: Code, lo: int) -> Graph:
    return network(
        name,
        Input(name="x", type=Levels((1,), 0, 3)),
        Dense(name="d", source="x", weight=integers([2], [-1])),
        population("p", stairs([2, 1], [-1, 1], lo, 3), "d", code=code),
        Dense(name="e", source="p", weight=integers([2, -1])),
        Scale(name="s", source="x", weight=integers(1)),
        population("q", stairs([3], [1], lo, 2), "e", "s", code=code),
        Dense(name="f", source="q", weight=integers([2])),
        Readout(name="y", drives=("f",), bias=Bias(values=integers(-1))),
        timing=timing,
    )


def streams() -> list[Net]:
    """The streaming networks."""
    images = [[3], [1], [0]]
    soft, hard = Rate(6), Rate(6, Reset.ZERO)
    return [
        streaming("`rate`, reset subtract, 6 steps.", _stream("rate_soft", soft, Code.RATE, 0), x=images),
        streaming("`rate`, reset zero, 6 steps.", _stream("rate_hard", hard, Code.RATE, 0), x=images),
        streaming("`rate` with signed spikes.", _stream("rate_signed", soft, Code.RATE, -3), x=images),
        streaming("`stbif` with a residual sum.", _stream("stbif", Stbif(), Code.STBIF, 0), x=images),
        streaming("`stbif` with signed levels.", _stream("stbif_signed", Stbif(), Code.STBIF, -3), x=images),
        stream_pool("rate_pool", Rate(5), Code.RATE),
        stream_pool("stbif_pool", Stbif(), Code.STBIF),
    ]


def stream_pool(name: str, timing: Timing, code: Code) -> Net:
    """A streaming network with a max-pool of signed levels."""
    graph = network(
        name,
        Input(name="x", type=Levels((1, 2, 2), -2, 3)),
        Scale(name="s", source="x", weight=integers(3)),
        population("p", stairs([2], [-1], -2, 4), "s", code=code),
        MaxPool(name="m", source="p", kernel=(1, 2)),
        Scale(name="t", source="m", weight=integers(-2)),
        population("q", stairs([3], [2], -3, 1), "t", code=code),
        timing=timing,
    )
    images = [[[[1, -2], [3, 2]]], [[[0, 0], [-2, -1]]]]
    return streaming("A max-pool sends the greatest running sum, minus what it has sent.", graph, x=images)


def nets() -> list[Net]:
    """Every network, in the order of the files' names."""
    made = [
        binary(),
        dense(),
        signed(),
        table(),
        table_border(),
        conv(),
        residual(),
        max_pool(),
        concat(),
        *streams(),
    ]
    return sorted(made, key=lambda net: net.graph.name)


def vector(net: Net) -> Plain:
    """The content of one file."""
    values = evaluate(net.graph, net.images)
    run = _phased_run if isinstance(net.graph.timing, Phased) else _stream_run
    return {
        "format": FORMAT,
        "description": net.description,
        "graph": graph_to_plain(net.graph),
        "tensors": {digest: array.tolist() for digest, array in tensors_of(net.graph).items()},
        "inputs": _lists(net.images),
        "levels": {
            node.name: values[node.name].tolist()
            for node in net.graph.nodes
            if isinstance(node, Population | MaxPool)
        },
        "outputs": {node.name: values[node.name].tolist() for node in net.graph.of_type(Readout)},
        "runs": [run(net, codes) for codes in net.runs],
    }


def _phased_run(net: Net, codes: Codes) -> Plain:
    graph = with_codes(net.graph, codes)
    run = run_phased(graph, {name: x[None] for name, x in net.images.items()})
    return {
        "codes": {node.name: node.code.value for node in graph.nodes if isinstance(node, Input | Population)},
        "window": graph.window,
        "latency": graph.latency,
        "steps": run.steps,
        "trains": _lists({name: train[0] for name, train in run.trains.items()}),
    }


def _stream_run(net: Net, codes: Codes) -> Plain:
    run = run_streaming(net.graph, net.images)
    sent = {name: np.moveaxis(train, 0, 1) for name, train in run.trains.items()}
    found: Plain = {"trains": _lists(sent), "counts": _lists(run.counts)}
    if isinstance(net.graph.timing, Stbif):
        found["settled"] = run.settled.tolist()
    return found | {"outputs": _lists({name: np.moveaxis(y, 0, 1) for name, y in run.outputs.items()})}


def _lists(arrays: Mapping[str, Array]) -> Plain:
    return {name: array.tolist() for name, array in arrays.items()}


def as_json(value: object, indent: int = 0) -> str:
    """JSON with one short record or one array per line."""
    flat = json.dumps(value)
    if len(flat) + indent <= WIDTH:
        return flat
    pad = " " * (indent + 1)
    if isinstance(value, dict):
        opening, closing = "{}"
        items = [f"{json.dumps(key)}: {as_json(item, indent + 1)}" for key, item in value.items()]
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        opening, closing = "[]"
        items = [as_json(item, indent + 1) for item in value]
    else:
        return flat
    return opening + "\n" + ",\n".join(pad + item for item in items) + "\n" + " " * indent + closing


def files() -> dict[str, str]:
    """Text of every vector file by name."""
    return {f"{net.graph.name}.json": as_json(vector(net)) + "\n" for net in nets()}


def main() -> None:
    """Write the files into the folder named on the command line."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    for name, text in files().items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
