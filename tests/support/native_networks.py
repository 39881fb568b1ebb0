"""Random networks for the native engine: layers of one-bit weights, and layers that threads share."""

from __future__ import annotations

import numpy as np

from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import AnyNode, Conv, Dense, Input, MaxPool, Population, Readout, Reshape, Scale, SumPool
from snncc_ir.tensors import Tensor
from snncc_ir.types import Levels

Rng = np.random.Generator


def _signs(rng: Rng, *shape: int) -> Tensor:
    return Tensor.integer(rng.choice([-1, 1], shape), 1)


def _bias(rng: Rng, channels: int, reach: int, size: int, *, classes: bool) -> Bias:
    if not classes:
        return Bias(values=Tensor.integer(rng.integers(-reach, reach + 1, channels)))
    values = Tensor.integer(rng.integers(-reach, reach + 1, (channels, 1, 3)))
    columns = (0, *(1,) * (size - 2), 2)
    return Bias(values=values, rows=(0,) * size, columns=columns)


def _fire(
    rng: Rng, name: str, bias: Bias, channels: int, drives: tuple[str, ...], top: int = 1
) -> Population:
    theta = Tensor.integer(rng.choice([1, 2, 9, 2**30 - 1] if top == 1 else [1, 7], channels))
    neuron = Staircase(theta=theta, bias=bias, lo=0, hi=top)
    return Population(name=name, drives=drives, neuron=neuron)


def binary_network(channels: int, size: int, stride: int, seed: int, *, classes: bool, mixed: bool) -> Graph:
    """Convolutions, a pool and dense layers of one-bit weights.

    With `mixed` other layers read the same values: a skip, 8-bit weights, a sum pool, and an output.
    """
    rng = np.random.default_rng(seed)
    reach, same = 9 * channels, ((1, 1), (1, 1))
    wide = channels + 7
    nodes: list[AnyNode] = [
        Input(name="x", type=Levels((3, size * stride, size * stride), 0, 255)),
        Conv(
            name="a", source="x", weight=Tensor.integer(rng.integers(-128, 128, (channels, 3, 3, 3)), 8),
            stride=(stride, stride), padding=same,
        ),
        _fire(rng, "pa", _bias(rng, channels, 900, size, classes=False), channels, ("a",)),
        Conv(name="b", source="pa", weight=_signs(rng, channels, channels, 3, 3), padding=same),
        _fire(rng, "pb", _bias(rng, channels, reach // 9, size, classes=classes), channels, ("b",)),
        MaxPool(name="m", source="pb", kernel=(3, 2), stride=(2, 2), padding=((1, 1), (0, 0))),
        Conv(
            name="c", source="m", weight=_signs(rng, wide, channels, 2, 2), padding=((1, 1), (1, 1)),
            dilation=(1, 2),
        ),
    ]  # fmt: skip
    rows = (size + 2 - 3) // 2 + 1
    shape = (rows + 1, size // 2)
    nodes += [
        _fire(rng, "pc", _bias(rng, wide, reach // 16, size, classes=False), wide, ("c",)),
        Reshape(name="f", source="pc", shape=(wide * shape[0] * shape[1],)),
        Dense(name="d", source="f", weight=_signs(rng, channels, wide * shape[0] * shape[1])),
        _fire(rng, "pd", _bias(rng, channels, channels, 1, classes=False), channels, ("d",)),
        Dense(name="e", source="pd", weight=_signs(rng, 5, channels)),
        Readout(name="y", drives=("e",), bias=Bias(values=Tensor.integer(range(5)))),
    ]
    if not mixed:
        return Graph(name="binary", nodes=tuple(nodes), outputs=("y",))
    eight = Tensor.integer(rng.integers(-128, 128, (4, channels, 3, 3)), 8)
    nodes += [
        Conv(name="g", source="pb", weight=eight, padding=same),
        _fire(rng, "pg", _bias(rng, 4, 300, size, classes=False), 4, ("g",), 15),
        Conv(name="h", source="pb", weight=_signs(rng, channels, channels, 1, 1)),
        Scale(name="s", source="pa", weight=Tensor.integer(rng.integers(-9, 9, channels), 5)),
        _fire(rng, "ph", _bias(rng, channels, reach // 9, size, classes=classes), channels, ("h", "s")),
        Conv(name="i", source="ph", weight=_signs(rng, 3, channels, 1, 1)),
        _fire(rng, "pi", _bias(rng, 3, 9, size, classes=classes), 3, ("i",), 3),
        SumPool(name="q", source="m", kernel=(2, 2), weight=Tensor.integer([3] * channels, 3)),
        _fire(rng, "pq", _bias(rng, channels, 9, size, classes=False), channels, ("q",), 3),
    ]
    return Graph(name="binary", nodes=tuple(nodes), outputs=("y", "pb", "pg", "pi", "pq"))


def binary_images(graph: Graph, count: int, seed: int) -> np.ndarray:
    """Images of noise, one of them white."""
    images = np.random.default_rng(seed).integers(0, 256, (count, *graph.types["x"].shape)).astype(np.uint8)
    images[0] = 255
    return images


def large_network(bits: int, top: int) -> Graph:
    """A layer of each form, so large that threads share it where there are fewer images than threads."""
    rng = np.random.default_rng(bits)
    size, channels, same = 30, 72, ((1, 1), (1, 1))

    def conv(name: str, source: str, outputs: int = channels, groups: int = 1) -> Conv:
        shape = (outputs, channels // groups, 3, 3)
        high = 2 ** (bits - 1) - 1
        weight = _signs(rng, *shape) if bits == 1 else Tensor.integer(rng.integers(-high, high, shape), bits)
        return Conv(name=name, source=source, weight=weight, padding=same, groups=groups)

    def fire(name: str, *drives: str, outputs: int = channels) -> Population:
        bias = _bias(rng, outputs, 3 * channels * top, size, classes=False)
        theta = Tensor.integer(rng.integers(1, 2 * channels * top, outputs))
        neuron = Staircase(theta=theta, bias=bias, lo=0, hi=top)
        return Population(name=name, drives=drives, neuron=neuron)

    nodes: tuple[AnyNode, ...] = (
        Input(name="x", type=Levels((channels, size, size), 0, top)),
        conv("a", "x"),
        fire("pa", "a"),
        conv("b", "pa", groups=channels),
        fire("pb", "b"),
        conv("c", "pb", groups=2),
        Scale(name="s", source="pb", weight=Tensor.integer(rng.integers(-9, 9, channels), 5)),
        fire("pc", "c", "s"),
        conv("d", "pc", outputs=150),
        fire("pd", "d", outputs=150),
        conv("e", "pc"),
        Readout(name="y", drives=("e",), bias=Bias(values=Tensor.integer([7] * channels))),
    )
    return Graph(name="large", nodes=nodes, outputs=("y", "pd"))
