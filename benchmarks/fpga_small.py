"""Two small networks for the mutation check: one on binary lanes, one with tables of breakpoints.

Weights are random; biases and breakpoints lie where random images put the sums, as in a trained network.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase, Table
from snncc_ir.nodes import AnyNode, Conv, Dense, Input, Population, Readout, Reshape
from snncc_ir.semantics import evaluate
from snncc_ir.tensors import Ints, Tensor
from snncc_ir.types import Levels

IMAGES = 200
TOP = 15


class _Net:
    """A network in the making, with random images that go through it."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(2)
        levels = Levels((1, 8, 8), 0, TOP)
        self.nodes: tuple[AnyNode, ...] = (Input(name="x", type=levels),)
        self.images = self.rng.integers(0, TOP + 1, (IMAGES, *levels.shape))

    def sums(self, drive: AnyNode, channels: int) -> Ints:
        """`[channels, sums]` of a drive on the images; the drive is added."""
        self.nodes += (drive,)
        readout = Readout(name="y", drives=(drive.name,), bias=_bias(np.zeros(channels)))
        graph = Graph(name="part", nodes=(*self.nodes, readout), outputs=("y",))
        return np.moveaxis(evaluate(graph, {"x": self.images})["y"], 1, 0).reshape(channels, -1)

    def graph(self, readout: Readout) -> Graph:
        """All nodes, and the readout."""
        return Graph(name="small", nodes=(*self.nodes, readout), outputs=(readout.name,))


def binary() -> Graph:
    """Two convolutions and a dense layer with weights of -1 and +1 and levels 0 and 1."""
    net, source = _Net(), 1
    last = "x"
    for number in (1, 2):
        weight = net.rng.choice([-1, 1], (8, source, 3, 3))
        drive = Conv(name=f"k{number}", source=last, weight=Tensor.integer(weight, 1))
        middle = np.median(net.sums(drive, 8), axis=1)
        neuron = Staircase(theta=Tensor.integer(np.ones(8, dtype=np.int64)), bias=_bias(-middle), lo=0, hi=1)
        net.nodes += (Population(name=f"p{number}", drives=(drive.name,), neuron=neuron),)
        last, source = f"p{number}", 8
    return net.graph(_dense(net, last, 8 * 4 * 4, Tensor.integer(net.rng.choice([-1, 1], (6, 128)), 1)))


def tabled() -> Graph:
    """A convolution whose levels have breakpoints at the quantiles of its sums, and a dense layer."""
    net = _Net()
    drive = Conv(name="k1", source="x", weight=Tensor.integer(net.rng.integers(-9, 10, (5, 1, 3, 3)), 5))
    shares = np.sort(net.rng.random(7))
    breaks = np.round(np.quantile(net.sums(drive, 5), shares, axis=1)).astype(np.int64).T
    table = Table(breakpoints=Tensor.integer(breaks), lo=0, hi=7)
    net.nodes += (Population(name="p1", drives=("k1",), neuron=table),)
    return net.graph(_dense(net, "p1", 5 * 6 * 6, Tensor.integer(net.rng.integers(-9, 10, (6, 180)), 5)))


def _dense(net: _Net, source: str, size: int, weight: Tensor) -> Readout:
    net.nodes += (
        Reshape(name="flat", source=source, shape=(size,)),
        Dense(name="dense", source="flat", weight=weight),
    )
    return Readout(name="scores", drives=("dense",), bias=_bias(np.arange(6)))


def _bias(values: np.ndarray) -> Bias:
    return Bias(values=Tensor.integer(np.round(values).astype(np.int64)))


SMALL: dict[str, Callable[[], Graph]] = {"binary": binary, "tabled": tabled}
