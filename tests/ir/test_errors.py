"""The full text of every message that a user, a pass or a damaged file can provoke in the IR."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from snncc_ir.codes import Code, Reset
from snncc_ir.errors import ArtefactError, DataError, GraphError, SnnccError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog, Bias, Grid, Leaky, Neuron, Quantiser, Staircase, Table
from snncc_ir.nodes import (
    AnyNode,
    Concat,
    Conv,
    Dense,
    Input,
    MaxPool,
    Pad,
    Part,
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
from snncc_ir.semantics import evaluate
from snncc_ir.spiking import run_phased
from snncc_ir.streaming import run_streaming
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Phased, Rate, Stbif, Timing
from snncc_ir.types import Drive, Levels, Real

T = Tensor.integer
X = Input(name="x", type=Levels((2, 4, 4), 0, 15))
V = Input(name="v", type=Levels((3,), 0, 15))
R = Input(name="r", type=Real((2, 4, 4)))
CONV = Conv(name="c", source="x", weight=T(np.ones((2, 2, 3, 3)), 2))
SAME = Scale(name="d", source="x", weight=T([1, 1]))


def bias(*values: int) -> Bias:
    return Bias(values=T(values))


def quantiser(
    step: Tensor | None = None,
    lo: int = 0,
    hi: int = 3,
    low: float = 0.0,
    rounding: Rounding = Rounding.HALF_EVEN,
) -> Quantiser:
    step = Tensor.real([1.0, 1.0]) if step is None else step
    zero = Bias(values=Tensor.real([0.0, 0.0]))
    return Quantiser(bias=zero, step=step, lo=lo, hi=hi, rounding=rounding, low=low)


def stairs(channels: int = 2, lo: int = 0, hi: int = 3) -> Staircase:
    return Staircase(theta=T([4] * channels), bias=bias(*[0] * channels), lo=lo, hi=hi)


def leaky(*, vth: int = 1, bias: Bias | None = None, du: int = 2, dv: int = 3) -> Leaky:
    return Leaky(vth=vth, bias=bias or stairs().bias, du=du, dv=dv)


UNIT = Analog(bias=Bias(values=Tensor.real([0, 0])), low=-1.0, high=1.0)


def population(
    *drives: str, name: str = "p", code: Code = Code.RADIX, neuron: Neuron | None = None
) -> Population:
    return Population(name=name, drives=drives, neuron=neuron or stairs(), code=code)


def graph(
    *nodes: AnyNode, outputs: tuple[str, ...] = (), timing: Timing | None = None, name: str = "g"
) -> Graph:
    """A graph whose output is its last node."""
    return Graph(name=name, nodes=nodes, outputs=outputs or (nodes[-1].name,), timing=timing or Phased())


def linear(node: AnyNode, source: Input = X) -> Graph:
    """`node` behind an input; it fails before anybody reads it."""
    return graph(source, node)


BAD_NAME = "is not a letter followed by letters, digits and underscores"
WIDTHS = "weights on levels must have 1, 2, 3, 4, 5, 6, 8 bits, not"
MULTIPLIERS = f"weights on levels must have {', '.join(map(str, range(2, 25)))} bits, not"
GEOMETRY = "kernel, stride and dilation must be at least 1, padding at least 0"
TOO_WIDE = T([2**45], 63)

GRAPHS: dict[str, Callable[[], object]] = {
    # names
    f"name 'no-dash' {BAD_NAME}": lambda: graph(replace(X, name="no-dash")),
    f"name '' {BAD_NAME}": lambda: graph(X, name=""),
    f"name '_x' {BAD_NAME}": lambda: graph(replace(X, name="_x")),
    f"name 'x\\x1b' {BAD_NAME}": lambda: graph(replace(X, name="x\x1b")),
    f"name '{'a' * 65}' {BAD_NAME}": lambda: graph(replace(X, name="a" * 65)),
    "x: the name is used twice": lambda: graph(X, X),
    "c: reads 'x', which no earlier node gives": lambda: graph(CONV, X),
    "p: reads 'p', which no earlier node gives": lambda: graph(X, population("p")),
    # readers and outputs
    "x: its value is never read and is no output": lambda: graph(X, V),
    "c: its value is never read and is no output": lambda: graph(X, CONV, outputs=("x",)),
    "g: a graph needs one output or more, each named once": lambda: graph(X, outputs=("x", "x")),
    "g: output 'z' is no node": lambda: graph(X, outputs=("x", "z")),
    "c: an output must give levels or be a readout": lambda: graph(X, CONV),
    "y: reads drive<2x4x4>, but drives go only into a population or a readout": lambda: graph(
        X, SAME, replace(SAME, name="y", source="d")
    ),
    "c: reads drive<2x4x4>, but drives go only into a population or a readout": lambda: graph(
        X, SAME, replace(CONV, source="d")
    ),
    # drives
    "p: needs one drive or more, and nothing but drives": lambda: graph(X, population("x")),
    "q: needs one drive or more, and nothing but drives": lambda: graph(
        X, population(name="q"), outputs=("x", "q")
    ),
    "p: drives of different shapes: drive<2x2x2>, drive<2x4x4>": lambda: graph(
        X, CONV, SAME, population("c", "d")
    ),
    # tensors and weights
    f"c: {WIDTHS} 7": lambda: linear(replace(CONV, weight=T(np.ones((2, 2, 3, 3)), 7))),
    f"c: {WIDTHS} None": lambda: linear(replace(CONV, weight=Tensor.real(np.ones((2, 2, 3, 3))))),
    "c: scaled weights on levels": lambda: linear(
        replace(CONV, weight=Tensor.scaled(CONV.weight.data, np.ones(2)))
    ),
    "c: integer weights on real values": lambda: linear(replace(CONV, source="r"), R),
    f"d: {MULTIPLIERS} 25": lambda: linear(replace(SAME, weight=T([1, 1], 25))),
    "d: multipliers 3 do not fit 2 channels": lambda: linear(replace(SAME, weight=T([1, 1, 1]))),
    "d: multipliers scalar do not fit 2 channels": lambda: linear(replace(SAME, weight=T(1))),
    "c: convolution weights must have 4 axes, not 2": lambda: linear(replace(CONV, weight=T([[1]]))),
    "c: weights 2x3x3x3 in 1 groups do not fit 2 channels": lambda: linear(
        replace(CONV, weight=T(np.ones((2, 3, 3, 3)), 2))
    ),
    "c: weights 2x2x3x3 in 0 groups do not fit 2 channels": lambda: linear(replace(CONV, groups=0)),
    "c: needs channels, height and width, not 3": lambda: linear(replace(CONV, source="v"), V),
    f"c: {GEOMETRY}": lambda: linear(replace(CONV, stride=(0, 1))),
    f"m: {GEOMETRY}": lambda: linear(MaxPool(name="m", source="x", kernel=(2, 2), padding=((-1, 0), (0, 0)))),
    "c: kernel span 5 is larger than the padded size 4": lambda: linear(replace(CONV, dilation=(2, 2))),
    "d: weights 2x4 do not fit a source of 3": lambda: linear(
        Dense(name="d", source="v", weight=T(np.ones((2, 4)), 2)), V
    ),
    "d: weights 2x2 do not fit a source of 2x4x4": lambda: linear(
        Dense(name="d", source="x", weight=T(np.ones((2, 2)), 2))
    ),
    # pools and wiring
    "m: pooling windows of 2x2 may lie wholly in padding ((2, 0), (0, 0))": lambda: linear(
        MaxPool(name="m", source="x", kernel=(2, 2), padding=((2, 0), (0, 0)))
    ),
    "s: windows of 6350400 as common divisor give drives beyond 46 bits": lambda: linear(
        SumPool(name="s", source="b", weight=T([2**23 - 1]), kernel=(9, 9), padding=((4, 4), (4, 4))),
        Input(name="b", type=Levels((1, 20, 20), 0, 15)),
    ),
    "k: joins no parts": lambda: graph(X, Concat(name="k", parts=()), outputs=("x", "k")),
    "k: axis 3 is outside a value of 3 axes": lambda: linear(Concat(name="k", parts=("x",), axis=3)),
    "k: parts differ beside the axis along which they are joined": lambda: graph(
        X, V, Concat(name="k", parts=("x", "v"))
    ),
    "k: parts mix real values and levels": lambda: graph(X, R, Concat(name="k", parts=("x", "r"))),
    "k: 2x4x4 cannot be reshaped to 5": lambda: linear(Reshape(name="k", source="x", shape=(5,))),
    "k: shape -1x-32 has an empty axis": lambda: linear(Reshape(name="k", source="x", shape=(-1, -32))),
    "k: axes (0, 1, 1) are no permutation of 3 axes": lambda: linear(
        Transpose(name="k", source="x", axes=(0, 1, 1))
    ),
    "k: a slice of 3 axes needs as many starts, stops and steps": lambda: linear(
        Slice(name="k", source="x", start=(0,), stop=(1,), step=(1,))
    ),
    "k: slice (0, 0, 2)..(2, 4, 2) is outside 2x4x4": lambda: linear(
        Slice(name="k", source="x", start=(0, 0, 2), stop=(2, 4, 2), step=(1, 1, 1))
    ),
    "k: padding ((0, 0), (0, -1), (0, 0)) does not fit 2x4x4": lambda: linear(
        Pad(name="k", source="x", padding=((0, 0), (0, -1), (0, 0)))
    ),
    "k: interior padding (0, 1) does not fit 2x4x4": lambda: linear(
        Pad(name="k", source="x", padding=((0, 0), (0, 0), (0, 0)), interior=(0, 1))
    ),
    "k: factors (1, 0, 2) do not fit 2x4x4": lambda: linear(Repeat(name="k", source="x", factors=(1, 0, 2))),
    "m: pools values of different codes, ranges or delays; pool each of them, then concatenate": lambda: (
        graph(
            X,
            replace(X, name="w", code=Code.RADIX),
            Concat(name="k", parts=("x", "w")),
            MaxPool(name="m", source="k", kernel=(2, 2)),
        )
    ),
    # neurons
    "p: threshold of 3 channels does not fit 2 channels": lambda: graph(
        X, SAME, population("d", neuron=replace(stairs(2), theta=T([1, 1, 1])))
    ),
    "p: bias has 3 channels, the drive 2": lambda: graph(
        X, SAME, population("d", neuron=replace(stairs(2), bias=bias(0, 0, 0)))
    ),
    "p: table of 1 channels does not fit 2 channels": lambda: graph(
        X, SAME, population("d", neuron=Table(breakpoints=T([[1, 2]]), lo=0, hi=2))
    ),
    "p: border classes are for 1x2 positions": lambda: graph(
        X,
        SAME,
        population(
            "d",
            neuron=replace(stairs(2), bias=Bias(values=T(np.zeros((2, 1, 1))), rows=(0,), columns=(0, 0))),
        ),
    ),
    "p: level range 1..3 must contain 0 and more than one level": lambda: graph(
        X, SAME, population("d", neuron=stairs(2, 1, 3))
    ),
    "p: level range 0..70000 goes beyond 32767": lambda: graph(
        X, SAME, population("d", neuron=stairs(2, 0, 70000))
    ),
    "p: scale of shape 3 does not fit 2 channels": lambda: graph(
        X, SAME, replace(population("d"), scale=Tensor.real([1, 1, 1]))
    ),
    "p: unit of shape 3 does not fit 2 channels": lambda: graph(
        X, SAME, replace(population("d"), unit=Tensor.real([1, 1, 1]))
    ),
    "p: a part of 3 channels does not fit 2 channels": lambda: graph(
        X, SAME, replace(population("d"), part=Part(whole="w", channels=(2, 0, 1)))
    ),
    "w: a part's channels must be different numbers >= 0": lambda: Part(whole="w", channels=(1, 1)),
    f"name 'a b' {BAD_NAME}": lambda: graph(
        X, SAME, replace(population("d"), part=Part(whole="a b", channels=(1, 0)))
    ),
    "p: slope of 1 channels does not fit 2 channels": lambda: graph(
        R,
        Scale(name="d", source="r", weight=Tensor.real([1, 1])),
        population("d", neuron=replace(UNIT, slope=Tensor.real([0.5]))),
    ),
    "p: grid of 1 channels does not fit 2 channels": lambda: graph(
        R,
        Scale(name="d", source="r", weight=Tensor.real([1, 1])),
        population(
            "d",
            neuron=Analog(
                bias=Bias(values=Tensor.real([0, 0])),
                low=0,
                high=1,
                grid=Grid(top=Tensor.real([1]), lo=0, hi=1),
            ),
        ),
    ),
    "y: bias has 1 channels, the drive 2": lambda: graph(
        X, SAME, Readout(name="y", drives=("d",), bias=bias(0))
    ),
    "y: scale nan of a readout must be positive and finite": lambda: graph(
        X, SAME, Readout(name="y", drives=("d",), bias=bias(0, 0), scale=float("nan"))
    ),
    "y: scale 0.0 of a readout must be positive and finite": lambda: graph(
        X, SAME, Readout(name="y", drives=("d",), bias=bias(0, 0), scale=0.0)
    ),
    "y: a readout is an output; nothing can read it": lambda: graph(
        X, SAME, Readout(name="y", drives=("d",), bias=bias(0, 0)), population("y"), outputs=("y", "p")
    ),
    "x: scale of shape 3 does not broadcast to 2x4x4": lambda: graph(
        replace(X, scale=Tensor.real([1, 2, 3]))
    ),
    # codes and timing
    "p: code rate in a graph with phased timing": lambda: graph(X, SAME, population("d", code=Code.RATE)),
    "p: code radix in a graph with rate timing": lambda: graph(X, SAME, population("d"), timing=Rate(4)),
    "p: code rate in a graph with stbif timing": lambda: graph(
        X, SAME, population("d", code=Code.RATE), timing=Stbif()
    ),
    "p: breakpoint tables need a phased code or stbif; use a phased code such as radix; "
    "LeakyRelu, PRelu and uneven bounds become tables": lambda: graph(
        X,
        SAME,
        population("d", code=Code.RATE, neuron=Table(breakpoints=T([[1], [2]]), lo=0, hi=1)),
        timing=Rate(4),
    ),
    "p: signed populations need reset subtract": lambda: graph(
        X, SAME, population("d", code=Code.RATE, neuron=stairs(2, -3, 3)), timing=Rate(4, Reset.ZERO)
    ),
    "p: leaky neurons need code rate with reset zero": lambda: graph(
        X, SAME, population("d", code=Code.RATE, neuron=leaky()), timing=Rate(4)
    ),
    "a leaky neuron needs integer biases": lambda: leaky(bias=Bias(values=Tensor.real([0.5]))),
    "the threshold -1 of a leaky neuron is negative or does not fit": lambda: leaky(vth=-1),
    "the decays 4096, 3 of a leaky neuron must be 0..4095": lambda: leaky(du=4096),
    "the decays 2, -1 of a leaky neuron must be 0..4095": lambda: leaky(dv=-1),
    "x: an input cannot be sent as stbif": lambda: graph(replace(X, code=Code.STBIF)),
    "x: streaming codes take a graded input": lambda: graph(replace(X, code=Code.RADIX), timing=Rate(4)),
    "rate coding needs at least one step, not 0": lambda: Rate(0),
    "rate coding takes at most 65536 steps, not 65537": lambda: Rate(65537),
    # parts
    "tensor holds NaN or infinity": lambda: Tensor.real([1.0, float("nan")]),
    "tensor has no elements": lambda: T([]),
    "values -3..3 do not fit 2 bits": lambda: T([-3, 3], 2),
    "values 0..1 do not fit 1 bits": lambda: T([0, 1], 1),
    "tensor width of 64 bits is outside 1..63": lambda: T([0], 64),
    "tensor holds numbers that are no integers of 64 bits": lambda: T([0.5]),
    "tensor of 8 bits must hold int64, not float64": lambda: Tensor(np.zeros(1), 8),
    "shape 2x0 has an empty axis": lambda: Drive((2, 0)),
    "shape 16385x16385 has more than 268435456 elements": lambda: Real((16385, 16385)),
    "a value needs one axis or more": lambda: Levels((), 0, 1),
    "bias values must have 3 axes, not 1": lambda: Bias(values=T([1]), rows=(0,), columns=(0,)),
    "bias values must have 1 axes, not 3": lambda: Bias(values=T([[[1]]])),
    "border classes need rows and columns": lambda: Bias(values=T([[[1]]]), columns=(0,)),
    "bias has border classes outside 0..0": lambda: Bias(values=T([[[1]]]), rows=(0, 1), columns=(0,)),
    "biases 35184372088832..35184372088832 do not fit 46 bits": lambda: Bias(values=TOO_WIDE),
    "thresholds 35184372088832..35184372088832 do not fit 46 bits": lambda: replace(
        stairs(1), theta=TOO_WIDE
    ),
    "a staircase needs integer thresholds and biases": lambda: replace(stairs(1), theta=Tensor.real([1.0])),
    "thresholds must be a vector of integers >= 1": lambda: replace(stairs(1), theta=T([0])),
    "only integers are scaled, by real numbers": lambda: Tensor(np.zeros(1), None, Tensor.real([1.0])),
    "a tensor's scale must be one positive number per index of its first axis": lambda: Tensor.scaled(
        np.array([[1], [2]]), np.array([1.0, 0.0])
    ),
    "a quantiser's step must be a vector of positive real numbers": lambda: quantiser(
        step=Tensor.real([0.0])
    ),
    "grid 1..2 must contain 0 and more than one level": lambda: quantiser(lo=1, hi=2),
    "rounding sign gives levels -1..1": lambda: quantiser(rounding=Rounding.SIGN),
    "a unit's range 1.0..inf must contain 0": lambda: quantiser(low=1.0),
    "breakpoints must have 4 axes, not 2": lambda: Table(
        breakpoints=T([[1]]), lo=0, hi=1, rows=(0,), columns=(0,)
    ),
    "a table has border classes outside 0..0": lambda: Table(
        breakpoints=T([[[[1]]]]), lo=0, hi=1, rows=(0, 1), columns=(0,)
    ),
    "breakpoints must be integers": lambda: Table(breakpoints=Tensor.real([[1.0]]), lo=0, hi=1),
    "a table of levels -1..2 needs 3 breakpoints": lambda: Table(breakpoints=T([[1, 2]]), lo=-1, hi=2),
    "breakpoints must not decrease": lambda: Table(breakpoints=T([[2, 1]]), lo=0, hi=2),
    "a unit's range nan..1.0 must contain 0": lambda: Analog(bias=bias(0), low=float("nan"), high=1.0),
    "a unit's range must contain more than one value": lambda: Analog(bias=bias(0), low=0.0, high=0.0),
    "slopes must be a vector of numbers >= 0": lambda: replace(UNIT, slope=Tensor.real([-0.5, 1.0])),
    "grid 0..0 must contain 0 and more than one level": lambda: Grid(top=Tensor.real([1]), lo=0, hi=0),
    "a grid's top must have 1 axis, not 0": lambda: Grid(top=Tensor.real(1), lo=0, hi=1),
    # running
    "r: gives real<2x4x4>, not levels; quantize the graph first": lambda: graph(R).levels("r"),
    "g: only an integer graph with phased codes runs phase by phase": lambda: run_phased(
        graph(X, timing=Stbif()), {}
    ),
    "g: only an integer graph with a streaming code runs step by step": lambda: run_streaming(graph(X), {}),
}


@pytest.mark.parametrize("message", GRAPHS)
def test_graph_error(message: str) -> None:
    with pytest.raises(GraphError) as caught:
        GRAPHS[message]()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((1, 2, 4, 5)), "x: images of shape 2x4x5 do not fit 2x4x4"),
        (np.full((1, 2, 4, 4), 16), "x: levels outside 0..15"),
        (np.full((1, 2, 4, 4), np.nan), "x: levels outside 0..15"),
        (np.full((1, 2, 4, 4), 0.5), "x: levels must be integers"),
    ],
)
def test_data_error(image: np.ndarray, message: str) -> None:
    with pytest.raises(DataError) as caught:
        evaluate(graph(X), {"x": image})
    assert str(caught.value) == message


def test_every_graph_error_of_the_ir_has_a_test(request: pytest.FixtureRequest) -> None:
    """Every `raise GraphError` of the node, neuron, type and timing rules is provoked above."""
    folder = request.config.rootpath / "ir" / "snncc_ir"
    rules = ("types", "tensors", "neurons", "inference", "graph", "timing")
    found = "\n".join((folder / f"{name}.py").read_text(encoding="utf-8") for name in rules)
    texts = re.findall(r"raise GraphError\(\s*f?\"((?:[^\"\\]|\\.)*)\"", found)
    assert len(texts) > 55
    unseen = [text for text in texts if not any(_matches(text, message) for message in GRAPHS)]
    assert unseen == []


def _matches(template: str, message: str) -> bool:
    literal = [re.escape(part) for part in re.split(r"\{[^}]*\}", template)]
    return re.search(".+".join(literal) if len(literal) > 1 else literal[0], message) is not None


def test_a_message_has_its_place_and_its_hint() -> None:
    assert str(SnnccError("is wrong", where="here", hint="mend it")) == "here: is wrong; mend it"
    assert str(ArtefactError("is wrong")) == "is wrong"
