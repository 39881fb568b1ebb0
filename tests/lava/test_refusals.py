"""What the profile loihi2 refuses, word for word."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lava_networks import Maker, images, population, residual, small

from snncc_backends.lava import backend
from snncc_ir.backend import Backend
from snncc_ir.codes import PHASED_CODES, Code
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.machine import Limit, Machine
from snncc_ir.neurons import Analog, Bias, Staircase
from snncc_ir.nodes import Dense, Input, Population, Readout, SumPool
from snncc_ir.progress import silent
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate
from snncc_ir.types import Levels, Real

LOIHI2 = backend.machines["loihi2"]


def limited(**bits: int) -> Machine:
    """Loihi 2 with other widths."""
    return replace(LOIHI2, **{f"{name}_bits": Limit(value, "test") for name, value in bits.items()})


def dense(levels: Levels, weights: int, bits: int = 8, code: Code = Code.GRADED) -> Graph:
    """One dense layer with equal weights."""
    weight = Tensor.integer(np.full((2, levels.shape[0]), weights), bits)
    nodes = (
        Input(name="x", type=levels, code=code),
        Dense(name="fc", source="x", weight=weight),
        Readout(name="y", drives=("fc",), bias=Bias(values=Tensor.integer([0, 0]))),
    )
    return Graph(name="g", nodes=nodes, outputs=("y",))


def test_the_backend_is_one() -> None:
    found: Backend = backend
    assert (found.name, list(found.machines), [engine.name for engine in found.engines]) == (
        "lava",
        ["loihi2", "loihi1"],
        ["lava", "lif"],
    )


@pytest.mark.parametrize("code", PHASED_CODES)
def test_phased_networks_are_not_refused(code: Code) -> None:
    assert backend.refusals(small(code), LOIHI2) == ()
    assert backend.refusals(residual([code]), LOIHI2) == ()


def test_real_values() -> None:
    bias = Bias(values=Tensor.real([0.0]))
    nodes = (
        Input(name="x", type=Real((1,))),
        Dense(name="fc", source="x", weight=Tensor.real([[1.0]])),
        Population(name="p", drives=("fc",), neuron=Analog(bias=bias, low=0.0, high=1.0)),
    )
    graph = Graph(name="g", nodes=nodes, outputs=("p",))
    assert backend.refusals(graph, LOIHI2) == ("g: the graph holds real values; quantize it first",)


def test_streaming_timing() -> None:
    nodes = (
        Input(name="x", type=Levels((1,), 0, 3)),
        Dense(name="fc", source="x", weight=Tensor.integer([[1]], 8)),
        population("p", "fc", Maker().staircase(1), Code.RATE),
    )
    graph = Graph(name="g", nodes=nodes, outputs=("p",), timing=Rate(4))
    assert backend.refusals(graph, LOIHI2) == (
        "g: rate timing; loihi2 runs the phased codes count, graded, radix, ttfs, choose one",
    )


def test_codes_that_are_not_offered() -> None:
    machine = replace(LOIHI2, codes=frozenset({Code.RADIX, Code.COUNT}))
    assert backend.refusals(small(Code.TTFS, Code.RADIX), machine) == (
        "first: code ttfs is not offered by loihi2; choose one of count, radix",
        "second: code ttfs is not offered by loihi2; choose one of count, radix",
    )


def test_payloads() -> None:
    graph = dense(Levels((1,), -7, 7), 3)
    assert backend.refusals(graph, limited(payload=4)) == ()
    assert backend.refusals(graph, limited(payload=3)) == (
        "x: levels -7..7 need a payload of 4 bits, loihi2 has 3; use fewer level bits or another code",
    )


def test_weights() -> None:
    graph = dense(Levels((1,), 0, 1), -8)
    assert backend.refusals(graph, limited(weight=4)) == ()
    assert backend.refusals(graph, limited(weight=3)) == (
        "fc: weights of 4 bits, loihi2 has 3; use fewer weight bits",
    )
    assert backend.refusals(dense(Levels((1,), 0, 1), -1, bits=1), limited(weight=1)) == ()


def test_multipliers_of_a_sum_pool_include_its_factors() -> None:
    nodes = (
        Input(name="x", type=Levels((1, 4, 4), 0, 1)),
        SumPool(name="mean", source="x", weight=Tensor.integer([3]), kernel=(2, 2), padding=((1, 0), (1, 0))),
        population("p", "mean", Maker().staircase(1), Code.RADIX),
    )
    graph = Graph(name="g", nodes=nodes, outputs=("p",))  # a corner counts 1 tap of 4: 3 * 4 = 12
    assert backend.refusals(graph, limited(multiplier=5)) == ()
    assert backend.refusals(graph, limited(multiplier=4)) == (
        "mean: multipliers of 5 bits, loihi2 has 4; use fewer multiplier bits",
    )


def test_sums() -> None:
    graph = dense(Levels((1000,), 0, 255), -127)  # 1000 * 255 * 127 = 32385000 < 2^25
    assert backend.refusals(graph, LOIHI2) == (
        "y: its sum reaches -32385000..0, which takes 26 bits, loihi2 has 24; "
        "use fewer weight bits or level bits",
    )
    with pytest.raises(TargetError, match=r"^y: its sum reaches -32385000"):
        backend.emit(graph, LOIHI2, {})
    with pytest.raises(TargetError, match=r"^y: its sum reaches -32385000"):
        backend.engines[0].run(graph, LOIHI2, images(graph, 1), silent)


def test_potentials() -> None:
    neuron = Staircase(
        theta=Tensor.integer([2**21]), bias=Bias(values=Tensor.integer([0])), lo=0, hi=15
    )  # the clamp and the first comparand need 15 * 2^21
    nodes = (
        Input(name="x", type=Levels((1,), 0, 1)),
        Dense(name="fc", source="x", weight=Tensor.integer([[1]], 8)),
        population("p", "fc", neuron, Code.RADIX),
    )
    graph = Graph(name="g", nodes=nodes, outputs=("p",))
    assert backend.refusals(graph, LOIHI2) == (
        "p: its potential reaches 0..31457280, which takes 26 bits, loihi2 has 24; "
        "use fewer weight bits or level bits",
    )
