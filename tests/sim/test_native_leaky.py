"""Leaky neurons in the native engine: every step is that of the portable engine and of the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from snncc.sim.evaluate import choose
from snncc.sim.native.library import NativeError
from snncc.sim.native.streams import NativeStreamEngine
from snncc.sim.streams import StreamEngine
from snncc_ir.certificates import certify_widths
from snncc_ir.codes import Code, Reset
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Leaky
from snncc_ir.nodes import Conv, Dense, Input, MaxPool, Population, Readout, Reshape, Scale
from snncc_ir.streaming import run_streaming
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate
from snncc_ir.types import Levels
from support.graphs import Case, Weights
from support.leaking import leaky_cases
from support.native import KERNEL_NAMES, needs_native, with_kernels
from support.streams import assert_same, check_kernels, twice

pytestmark = needs_native


@pytest.mark.parametrize("kernels", KERNEL_NAMES)
def test_every_step_equals_the_portable_engine(kernels: str) -> None:
    check_kernels(kernels, leaky_cases())


@given(case=leaky_cases())
def test_every_step_equals_the_reference(case: Case) -> None:
    assume(choose(case.graph, None)[0] == "native")  # the test above says what is refused
    run = NativeStreamEngine(case.graph).run(case.batch)
    reference = run_streaming(case.graph, case.batch)
    assert run.costs == reference.costs
    for name, drives in reference.outputs.items():
        np.testing.assert_array_equal(run.outputs[name], drives, err_msg=name)
    for name, sums in reference.counts.items():
        np.testing.assert_array_equal(run.counts[name], sums, err_msg=name)


def weights(rng: np.random.Generator, kind: Weights, *shape: int) -> Tensor:
    match kind:
        case Weights.RANDOM:
            values = rng.integers(-128, 128, shape)
        case Weights.EXTREME:
            values = rng.choice([-128, 127], shape)
        case Weights.EQUAL:
            values = np.full(shape, 127)
        case Weights.ALTERNATING:
            values = np.where(np.arange(np.prod(shape)).reshape(shape) % 2, 127, -128)
    return Tensor.integer(values, 8)


def network(kind: Weights, decays: tuple[int, int], steps: int) -> tuple[Graph, dict[str, np.ndarray]]:
    """Layers of more than 64 channels, a pool between them."""
    rng = np.random.default_rng(steps)
    same = ((1, 1), (1, 1))

    def population(name: str, drive: str, channels: int, reach: int) -> Population:
        bias = Bias(values=Tensor.integer(rng.integers(-reach // 50, reach // 50, channels)))
        neuron = Leaky(vth=reach // 8, bias=bias, du=decays[0], dv=decays[1])
        return Population(name=name, drives=(drive,), neuron=neuron, code=Code.RATE)

    nodes = (
        Input(name="x", type=Levels((2, 6, 7), 0, 255)),
        Conv(name="a", source="x", weight=weights(rng, kind, 70, 2, 3, 3), padding=same),
        population("pa", "a", 70, 18 * 100 * 100),
        MaxPool(name="m", source="pa", kernel=(2, 2), stride=(2, 2), padding=((0, 0), (0, 1))),
        Conv(name="b", source="m", weight=weights(rng, kind, 130, 70, 3, 3), padding=same),
        population("pb", "b", 130, 630 * 100),
        Reshape(name="f", source="pb", shape=(130 * 12,)),
        Dense(name="c", source="f", weight=weights(rng, kind, 5, 130 * 12)),
        Readout(name="y", drives=("c",), bias=Bias(values=Tensor.integer(range(5)))),
    )
    graph = Graph(name="wide", nodes=nodes, outputs=("y",), timing=Rate(steps, Reset.ZERO))
    return graph, twice({"x": rng.integers(0, 256, (3, 2, 6, 7))})


@pytest.mark.parametrize("kind", Weights)
@pytest.mark.parametrize("decays", [(4095, 700), (900, 1500), (4095, 4095), (2047, 4095)])
def test_adversarial_weights_over_several_chunks(kind: Weights, decays: tuple[int, int]) -> None:
    graph, batch = network(kind, decays, 53)
    expected = StreamEngine(graph).run(batch)
    for kernels in KERNEL_NAMES:
        for workers in (1, 2):
            with with_kernels(kernels):
                engine = NativeStreamEngine(graph, workers)
            assert_same(engine.run(batch), expected)
            assert_same(engine.run(batch), expected)  # by kernels that were chosen by time


def single(weight: int, bias: int, leak: tuple[int, int, int], steps: int) -> Graph:
    """Neurons that each read one level."""
    vth, du, dv = leak
    bits = max(2, int(weight).bit_length() + 1)
    neuron = Leaky(vth=vth, bias=Bias(values=Tensor.integer([bias] * 3)), du=du, dv=dv)
    nodes = (
        Input(name="x", type=Levels((3,), -127, 128)),
        Scale(name="s", source="x", weight=Tensor.integer([weight, -weight, weight], bits)),
        Population(name="p", drives=("s",), neuron=neuron, code=Code.RATE),
    )
    return Graph(name="single", nodes=nodes, outputs=("p",), timing=Rate(steps, Reset.ZERO))


def bits_of(graph: Graph) -> int:
    return certify_widths(graph)["p"].bits


@given(
    weight=st.integers(1, 2**16),
    bias=st.integers(-(2**18), 2**18),
    vth=st.one_of(st.integers(0, 2**26), st.integers(2**24, 2**45 - 1)),
    du=st.integers(0, 4095),
    dv=st.integers(0, 4095),
    steps=st.integers(1, 40),
    seed=st.integers(0, 99),
)
@example(weight=2**17 + 1000, bias=0, vth=2**25 - 1, du=4095, dv=4095, steps=9, seed=0)
@example(weight=2**17 + 1000, bias=0, vth=2**25, du=4095, dv=2000, steps=2, seed=0)
def test_registers_of_up_to_32_bits(
    weight: int, bias: int, vth: int, du: int, dv: int, steps: int, seed: int
) -> None:
    graph = single(weight, bias, (vth, du, dv), steps)
    assume(bits_of(graph) <= 32)
    rng = np.random.default_rng(seed)
    batch = {"x": np.concatenate([rng.integers(-127, 129, (4, 3)), [[128] * 3, [-127] * 3]])}
    assert_same(NativeStreamEngine(graph).run(batch), StreamEngine(graph).run(batch))


def test_32_bits_are_reached() -> None:
    """The greatest v that is certified occurs, at the end of what 32 bits hold."""
    graph = single(2**17 + 2**16, 2**23 - 1, (2**33, 4095, 4095), 1)
    (_, _, high) = certify_widths(graph)["p"].membrane.high
    assert high == 2**31 - 64
    batch = {"x": np.array([[128, -127, 128], [-127, 128, 0]])}
    assert_same(NativeStreamEngine(graph).run(batch), StreamEngine(graph).run(batch))


def test_wider_registers_are_left_to_the_portable_engine() -> None:
    graph = single(2**18, 0, (5, 0, 0), 3)
    assert bits_of(graph) > 32
    with pytest.raises(NativeError) as caught:
        NativeStreamEngine(graph)
    assert str(caught.value) == "p: a streaming neuron of more than 32 bits"
    assert choose(graph, None)[0] == "spikes"
