"""Random integer chains of the code `rate`."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

from snncc_ir import nodes
from snncc_ir.codes import Code, Reset
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate
from snncc_ir.types import Levels


@st.composite
def chains(draw: st.DrawFn) -> Graph:
    """Integer `rate` graphs: pixel neurons or none, convolutions, dense layers, a readout."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    made: list[nodes.AnyNode] = []
    shape = draw(st.sampled_from([(2, 5, 4), (1, 6, 6), (7,)]))
    low = draw(st.sampled_from([0, 0, -3]))
    kind = Levels(shape, low, draw(st.sampled_from([1, 15, 255])))
    made.append(nodes.Input(name="input", type=kind))
    source = "input"
    reset = draw(st.sampled_from(Reset))
    if low == 0 and draw(st.booleans()):
        weight = Tensor.integer(rng.integers(1, 3, shape[0]))
        made.append(nodes.Scale(name="pixels_bias", source=source, weight=weight))
        made.append(_population("pixels", "pixels_bias", rng, shape[0], kind.hi, 1))
        source = "pixels"
    for i in range(draw(st.integers(0, 2)) if len(shape) == 3 else 0):
        channels, bits = draw(st.integers(1, 18)), draw(st.sampled_from([1, 3, 8]))
        conv = nodes.Conv(
            name=f"conv{i}",
            source=source,
            weight=_weight(rng, (channels, shape[0], *draw(st.tuples(*[st.integers(1, 3)] * 2))), bits),
            stride=draw(st.sampled_from([(1, 1), (2, 1)])),
            padding=draw(st.sampled_from([((0, 0), (0, 0)), ((1, 1), (1, 0))])),
        )
        size = _size(shape, conv)
        if min(size) < 1:
            continue
        shape = (channels, *size)
        made += [
            conv,
            _population(
                f"p{i}", conv.name, rng, channels, *draw(_reach), size if draw(st.booleans()) else ()
            ),
        ]
        source = f"p{i}"
    if len(shape) == 3:
        made.append(nodes.Reshape(name="flat", source=source, shape=(math.prod(shape),)))
        source, shape = "flat", (math.prod(shape),)
    for i in range(draw(st.integers(0, 2))):
        outputs = draw(st.integers(1, 20))
        made.append(nodes.Dense(name=f"dense{i}", source=source, weight=_weight(rng, (outputs, *shape), 8)))
        made.append(_population(f"q{i}", f"dense{i}", rng, outputs, *draw(_reach)))
        source, shape = f"q{i}", (outputs,)
    classes = draw(st.integers(2, 18))
    made.append(nodes.Dense(name="last", source=source, weight=_weight(rng, (classes, *shape), 4)))
    bias = Bias(values=Tensor.integer(rng.integers(-9, 10, classes)))
    made.append(nodes.Readout(name="scores", drives=("last",), bias=bias, scale=0.125))
    timing = Rate(draw(st.integers(1, 9)), reset)
    return Graph(name="chain", nodes=tuple(made), outputs=("scores",), timing=timing)


_reach = st.tuples(st.sampled_from([3, 60, 900]), st.sampled_from([1, 3]))


def _weight(rng: np.random.Generator, shape: tuple[int, ...], bits: int) -> Tensor:
    if bits == 1:
        return Tensor.integer(rng.choice([-1, 1], shape), 1)
    return Tensor.integer(rng.integers(-(2 ** (bits - 1)) + 1, 2 ** (bits - 1), shape), bits)


def _size(shape: tuple[int, ...], conv: nodes.Conv) -> tuple[int, ...]:
    axes = zip(shape[1:], conv.weight.shape[2:], conv.stride, conv.padding, strict=True)
    return tuple((size + sum(pad) - kernel) // stride + 1 for size, kernel, stride, pad in axes)


def _population(
    name: str,
    drive: str,
    rng: np.random.Generator,
    channels: int,
    reach: int,
    top: int,
    borders: tuple[int, ...] = (),
) -> nodes.Population:
    theta = Tensor.integer(rng.integers(1, reach + 1, channels))
    rows = tuple(int(y > 0) for y in range(borders[0])) if borders else ()
    columns = (0,) * borders[1] if borders else ()
    size = (channels, 2, 1) if borders else (channels,)
    spread = max(reach // 3, 1)
    bias = Bias(values=Tensor.integer(rng.integers(-spread, spread + 1, size)), rows=rows, columns=columns)
    neuron = Staircase(theta=theta, bias=bias, lo=0, hi=top)
    return nodes.Population(name=name, drives=(drive,), neuron=neuron, code=Code.RATE)


def random_chain(rng: np.random.Generator, timing: Rate, classes: int, *, shared: bool = False) -> Graph:
    """A convolution and two dense layers for images 1x6x6 of levels 0 to 15."""
    conv = nodes.Conv(
        name="conv",
        source="input",
        weight=_weight(rng, (4, 1, 3, 3), 8),
        stride=(2, 2),
        padding=((1, 1), (1, 1)),
    )
    size = math.prod((4, *_size((1, 6, 6), conv)))
    made = (
        nodes.Input(name="input", type=Levels((1, 6, 6), 0, 15)),
        conv,
        _fixed("p0", "conv", rng, 4, 900, shared),
        nodes.Reshape(name="flat", source="p0", shape=(size,)),
        nodes.Dense(name="dense", source="flat", weight=_weight(rng, (12, size), 8)),
        _fixed("p1", "dense", rng, 12, 200, shared),
        nodes.Dense(name="last", source="p1", weight=_weight(rng, (classes, 12), 8)),
        nodes.Readout(
            name="scores",
            drives=("last",),
            bias=Bias(values=Tensor.integer(np.zeros(classes))),
            scale=0.05,
        ),
    )
    return Graph(name="chain", nodes=made, outputs=("scores",), timing=timing)


def _fixed(
    name: str, drive: str, rng: np.random.Generator, channels: int, theta: int, shared: bool
) -> nodes.Population:
    thetas = np.full(channels, theta) + (0 if shared else rng.integers(-9, 10, channels))
    bias = Bias(values=Tensor.integer(rng.integers(-9, 10, channels)))
    neuron = Staircase(theta=Tensor.integer(thetas), bias=bias, lo=0, hi=1)
    return nodes.Population(name=name, drives=(drive,), neuron=neuron, code=Code.RATE)
