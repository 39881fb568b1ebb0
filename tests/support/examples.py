"""Fixed graphs: one with every kind of node for goldens and mutations, and an analog one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from snncc_ir.codes import Code
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog, Bias, Grid, Quantiser, Staircase, Table
from snncc_ir.nodes import (
    Concat,
    Conv,
    Dense,
    Input,
    MaxPool,
    Pad,
    Population,
    Readout,
    Repeat,
    Reshape,
    Scale,
    Slice,
    SumPool,
    Transpose,
)
from snncc_ir.rounding import Rounding
from snncc_ir.tensors import Tensor
from snncc_ir.types import Levels, Real


def bias(*values: int) -> Bias:
    """One bias per channel."""
    return Bias(values=Tensor.integer(values))


def ramp(*shape: int) -> np.ndarray:
    """Small signed integers, all different in sign and size from their neighbours."""
    return (np.arange(np.prod(shape)) * 7 % 15 - 7).reshape(shape)


def every_node() -> Graph:
    """An integer graph with a residual connection, a table, border classes, all wiring and two readouts."""
    corners = Bias(values=Tensor.integer(ramp(2, 2, 2)), rows=(0, 1, 1, 0), columns=(0, 1, 1, 0))
    first = Staircase(theta=Tensor.integer([9, 12]), bias=corners, lo=0, hi=15)
    signed = Staircase(theta=Tensor.integer([5, 6]), bias=bias(3, -2), lo=-7, hi=7)
    table = Table(breakpoints=Tensor.integer([[-4, 0, 9], [1, 1, 30]]), lo=-1, hi=2)
    return Graph(
        name="every_node",
        nodes=(
            Input(
                name="image",
                type=Levels((1, 4, 4), 0, 255),
                scale=Tensor.real(np.full((1, 1, 1), 1 / 255)),
                zero=Tensor.real(np.zeros((1, 1, 1))),
            ),
            Conv(
                name="conv1",
                source="image",
                weight=Tensor.integer(ramp(2, 1, 3, 3), 5),
                padding=((1, 1), (1, 1)),
                origin=("Conv_0", 'odd "name"\n'),
            ),
            Population(name="relu1", drives=("conv1",), neuron=first, scale=Tensor.real([0.1, 0.25])),
            Conv(
                name="conv2",
                source="relu1",
                weight=Tensor.integer(ramp(2, 1, 3, 2), 5),
                padding=((2, 0), (0, 1)),
                dilation=(1, 1),
                groups=2,
            ),
            Scale(name="skip", source="relu1", weight=Tensor.integer([300, -2])),
            Population(name="add", drives=("conv2", "skip"), neuron=signed, code=Code.COUNT),
            MaxPool(name="pool", source="add", kernel=(2, 2), stride=(2, 2)),
            Concat(name="both", parts=("pool", "pool"), axis=0),
            Slice(name="cut", source="both", start=(1, 0, 0), stop=(3, 2, 2), step=(1, 1, 1)),
            Pad(name="wide", source="cut", padding=((0, 0), (0, 1), (1, 0))),
            Pad(name="spaced", source="cut", padding=((0, 0), (0, 0), (0, 0)), interior=(0, 1, 2)),
            Repeat(name="doubled", source="cut", factors=(1, 2, 1)),
            Transpose(name="turned", source="wide", axes=(0, 2, 1)),
            SumPool(
                name="mean",
                source="turned",
                weight=Tensor.integer([3, 2]),
                kernel=(2, 2),
                stride=(1, 1),
                padding=((1, 0), (0, 0)),
            ),
            Population(
                name="steps", drives=("mean",), neuron=table, code=Code.TTFS, unit=Tensor.real([0.5, 2.0])
            ),
            Reshape(name="flat", source="steps", shape=(12,)),
            Dense(name="fc", source="flat", weight=Tensor.integer(np.sign(ramp(3, 12)), 2)),
            Readout(name="output", drives=("fc",), bias=bias(5, 0, -5), scale=0.125),
            Dense(name="fc2", source="flat", weight=Tensor.integer(np.where(ramp(2, 12) > 0, 1, -1), 1)),
            Readout(name="inf", drives=("fc2",), bias=bias(1, 1)),
        ),
        outputs=("output", "inf", "steps", "spaced", "doubled"),
    )


def quantised() -> Graph:
    """A graph that came quantised: integer weights with their scales, a rectifier on a grid, a sign."""
    rounded = Quantiser(
        bias=Bias(values=Tensor.real([0.5, -0.25])),
        step=Tensor.real([0.125, 0.125]),
        lo=0,
        hi=15,
        rounding=Rounding.HALF_EVEN,
        low=0.0,
    )
    sign = Quantiser(
        bias=Bias(values=Tensor.real([0.1])), step=Tensor.real([1.0]), lo=-1, hi=1, rounding=Rounding.SIGN
    )
    return Graph(
        name="quantised",
        nodes=(
            Input(name="x", type=Real((3,))),
            Dense(name="fc1", source="x", weight=Tensor.scaled(ramp(2, 3), np.array([0.25, 0.1]))),
            Population(name="relu", drives=("fc1",), neuron=rounded),
            Dense(name="fc2", source="relu", weight=Tensor.scaled(np.array([[1, -1]]), np.array([0.3]))),
            Population(name="sign", drives=("fc2",), neuron=sign),
            Dense(name="fc3", source="sign", weight=Tensor.real(ramp(2, 1) / 7)),
            Readout(name="y", drives=("fc3",), bias=Bias(values=Tensor.real([0.0, 1.0]))),
        ),
        outputs=("y",),
    )


def analog() -> Graph:
    """A graph before quantisation, one unit balanced and one not."""
    relu = Analog(bias=Bias(values=Tensor.real([0.5, -1e-7])), low=0.0, high=float("inf"))
    grid = Grid(top=Tensor.real([1.5, 2.5]), lo=-7, hi=7)
    clip = Analog(bias=Bias(values=Tensor.real([0.0, 3e20])), low=float("-inf"), high=6.0, grid=grid)
    leaky = replace(relu, low=float("-inf"), slope=Tensor.real([0.25, 0.0]))
    return Graph(
        name="analog",
        nodes=(
            Input(name="x", type=Real((3,))),
            Dense(name="fc1", source="x", weight=Tensor.real(ramp(2, 3) / 3)),
            Population(name="relu", drives=("fc1",), neuron=relu),
            Scale(name="identity", source="relu", weight=Tensor.real([1.0, 1.0])),
            Population(name="clip", drives=("identity",), neuron=clip),
            Scale(name="same", source="clip", weight=Tensor.real([1.0, -1.0])),
            Population(name="leaky", drives=("same",), neuron=leaky),
            Dense(name="fc2", source="leaky", weight=Tensor.real(ramp(4, 2) / 7)),
            Readout(name="y", drives=("fc2",), bias=Bias(values=Tensor.real([0.0, 1.0, 2.0, 3.0]))),
        ),
        outputs=("y",),
    )
