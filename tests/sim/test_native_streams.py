"""The native engine gives what the portable one gives of a streaming code, in every step."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from unittest import mock

import numpy as np
import pytest
from hypothesis import strategies as st

from snncc.sim.evaluate import choose
from snncc.sim.native.streams import NativeStreamEngine
from snncc.sim.streams import StreamBatch, StreamEngine
from snncc_ir.codes import Code
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import Conv, Dense, Input, MaxPool, Population, Readout, Reshape
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate, Stbif
from snncc_ir.types import Levels
from support.graphs import Weights, cases, rate_cases
from support.native import KERNEL_NAMES, needs_native, with_kernels
from support.streams import assert_same, check_kernels, twice

pytestmark = needs_native


@pytest.mark.parametrize("kernels", KERNEL_NAMES)
def test_every_step_equals_the_portable_engine(kernels: str) -> None:
    check_kernels(kernels, st.one_of(cases(timing=Stbif()), rate_cases()))


def _network(
    timing: Rate | Stbif, kind: Weights, lo: int, hi: int, seed: int
) -> tuple[Graph, dict[str, np.ndarray]]:
    """Layers of more than 64 channels, of which the steps are many chunks."""
    rng = np.random.default_rng(seed)
    code = Code.RATE if isinstance(timing, Rate) else Code.STBIF

    def weights(*shape: int) -> Tensor:
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

    def population(name: str, drive: str, channels: int, reach: int) -> Population:
        neuron = Staircase(
            theta=Tensor.integer(rng.integers(reach // 40, reach // 10, channels)),
            bias=Bias(values=Tensor.integer(rng.integers(-reach // 50, reach // 50, channels))),
            lo=lo,
            hi=hi,
        )
        return Population(name=name, drives=(drive,), neuron=neuron, code=code)

    same = ((1, 1), (1, 1))
    nodes = (
        Input(name="x", type=Levels((2, 6, 7), 0, 255)),
        Conv(name="a", source="x", weight=weights(70, 2, 3, 3), padding=same),
        population("pa", "a", 70, 18 * 100 * 100),
        MaxPool(name="m", source="pa", kernel=(2, 2), stride=(2, 2), padding=((0, 0), (0, 1))),
        Conv(name="b", source="m", weight=weights(130, 70, 3, 3), padding=same),
        population("pb", "b", 130, 630 * 100),
        Reshape(name="f", source="pb", shape=(130 * 12,)),
        Dense(name="c", source="f", weight=weights(5, 130 * 12)),
        Readout(name="y", drives=("c",), bias=Bias(values=Tensor.integer(range(5)))),
    )
    images = rng.integers(0, 256, (3, 2, 6, 7))
    return Graph(name="wide", nodes=nodes, outputs=("y",), timing=timing), {"x": images}


@cache
def _expected(
    timing: Rate | Stbif, kind: Weights, lo: int
) -> tuple[Graph, dict[str, np.ndarray], StreamBatch]:
    graph, images = _network(timing, kind, lo, 15, -lo)
    batch = twice(images)
    return graph, batch, StreamEngine(graph).run(batch)


@pytest.mark.parametrize("kernels", KERNEL_NAMES)
@pytest.mark.parametrize("kind", Weights)
@pytest.mark.parametrize("timing", [Rate(53), Stbif()])
def test_adversarial_weights_over_several_chunks(kernels: str, kind: Weights, timing: Rate | Stbif) -> None:
    for lo in (0, -15):
        graph, batch, expected = _expected(timing, kind, lo)
        with with_kernels(kernels):
            engine = NativeStreamEngine(graph, 2)
        assert_same(engine.run(batch), expected)
        assert_same(engine.run(batch), expected)  # by kernels that were chosen by time


def test_a_network_that_takes_long_to_settle_is_given_more_steps() -> None:
    graph, batch = _network(Stbif(), Weights.RANDOM, 0, 200, 0)
    with mock.patch("snncc.sim.native.streams.FIRST_STEPS", 3):
        assert_same(NativeStreamEngine(graph).run(batch), StreamEngine(graph).run(batch))


def test_images_that_do_not_fit_are_run_in_turn() -> None:
    graph, batch = _network(Rate(20), Weights.RANDOM, 0, 15, 0)
    with mock.patch("snncc.sim.native.streams.RECORDED", 1):
        assert_same(NativeStreamEngine(graph).run(batch), StreamEngine(graph).run(batch))


def test_sums_of_spikes_that_are_not_wanted_change_nothing_else() -> None:
    graph, batch = _network(Rate(40), Weights.RANDOM, 0, 15, 0)
    found = NativeStreamEngine(graph, with_counts=False).run(batch)
    expected = NativeStreamEngine(graph).run(batch)
    assert found.counts == {}
    assert_same(replace(found, counts=expected.counts), expected)


def test_switched_off_the_portable_engine_is_chosen() -> None:
    graph, _ = _network(Rate(20), Weights.RANDOM, 0, 15, 0)
    assert choose(graph, None)[0] == "native"
    with mock.patch.dict(os.environ, {"SNNCC_NATIVE": "off"}):
        assert choose(graph, None)[0] == "spikes"
