"""The native engine gives the integers of the reference, whatever instructions it uses."""

from __future__ import annotations

import _ctypes
import os
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snncc.sim.evaluate import choose, evaluate_images
from snncc.sim.native.levels import NativeEngine
from snncc.sim.native.library import (
    INTERFACE,
    KERNELS,
    LIBRARY,
    ConvShape,
    Geometry,
    NativeError,
    PoolShape,
    Program,
    Wide,
    native,
)
from snncc_ir.costs import Counter
from snncc_ir.encoding import format_of
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase, Table
from snncc_ir.nodes import Conv, Dense, Input, MaxPool, Population, Readout, Reshape, Scale, SumPool
from snncc_ir.progress import silent
from snncc_ir.semantics import evaluate
from snncc_ir.tensors import Tensor
from snncc_ir.types import Levels
from support.graphs import Case, Weights, cases
from support.native import KERNEL_NAMES, needs_native, with_kernels
from support.native_networks import large_network

pytestmark = needs_native


def _check(graph: Graph, batch: dict[str, np.ndarray], workers: int = 1) -> None:
    """Levels, drives and counts against the reference."""
    counter = Counter(graph)
    found, counts = NativeEngine(graph, graph.reported, workers, counter).run_counted(batch)
    expected = evaluate(graph, batch)
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)
    assert counts == counter.count(expected)


@pytest.mark.parametrize("kernels", KERNEL_NAMES)
def test_native_engine_equals_the_reference(kernels: str) -> None:
    @given(cases())
    def compare(case: Case) -> None:
        with with_kernels(kernels):
            _check(case.graph, case.batch)

    compare()


def _weights(rng: np.random.Generator, kind: Weights, shape: tuple[int, ...], bits: int) -> Tensor:
    low, high = (-1, 1) if bits == 1 else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    match kind:
        case Weights.RANDOM:
            values = rng.choice([low, high], shape) if bits == 1 else rng.integers(low, high + 1, shape)
        case Weights.EXTREME:
            values = np.where(rng.random(shape) < 0.9, low, high)
        case Weights.EQUAL:
            values = np.full(shape, low)
        case Weights.ALTERNATING:
            values = np.where(np.arange(np.prod(shape)).reshape(shape) % 2, low, high)
    return Tensor.integer(values, bits)


def _neuron(channels: int, reach: int, lo: int, hi: int, rng: np.random.Generator) -> Staircase:
    theta = rng.integers(1, max(2, 2 * reach // (hi - lo)), channels)
    bias = rng.integers(-reach // 4, reach // 4 + 1, channels)
    return Staircase(theta=Tensor.integer(theta), bias=Bias(values=Tensor.integer(bias)), lo=lo, hi=hi)


def _network(kind: Weights, bits: int, top: int, seed: int) -> tuple[Graph, np.ndarray]:
    """Wide layers of every kernel: joined and separate taps, groups, channels of their own, skips, pools."""
    rng = np.random.default_rng(seed)
    channels, lo = int(rng.integers(65, 90)) // 4 * 4, -top if seed % 2 else 0
    one = Tensor.real([[[1.0]]])
    x = Input(name="x", type=Levels((3, 9, 10), 0, 255), scale=one, zero=Tensor.integer([[[0]]]))
    reach = 27 * 128 * 40

    def population(name: str, *drives: str) -> Population:
        return Population(name=name, drives=drives, neuron=_neuron(channels, reach, lo, top, rng))

    def conv(name: str, source: str, fan_in: int, kernel: int, **options: object) -> Conv:
        weight = _weights(rng, kind, (channels, fan_in, kernel, kernel), bits)
        return Conv(name=name, source=source, weight=weight, **options)  # type: ignore[arg-type]

    same = ((1, 1), (1, 1))
    nodes = (
        x,
        conv("a", "x", 3, 3, padding=same),
        population("pa", "a"),
        conv("b", "pa", channels, 3, padding=same),
        Scale(name="s", source="pa", weight=Tensor.integer(rng.integers(-4000, 4000, channels), 24)),
        population("pb", "b", "s"),
        conv("c", "pb", 1, 3, padding=((2, 2), (2, 2)), dilation=(2, 2), groups=channels),
        population("pc", "c"),
        conv("d", "pc", channels // 4, 3, padding=same, groups=4),
        population("pd", "d"),
        MaxPool(name="m", source="pd", kernel=(3, 3), stride=(2, 2), padding=same),
        SumPool(name="e", source="m", kernel=(2, 2), weight=Tensor.integer([3] * channels, 3), padding=same),
        population("pe", "e"),
        Reshape(name="f", source="pe", shape=(channels * 6 * 6,)),
        Dense(name="g", source="f", weight=_weights(rng, kind, (10, channels * 36), bits)),
        Readout(name="y", drives=("g",), bias=Bias(values=Tensor.integer(range(10)))),
    )
    images = np.concatenate([rng.integers(0, 256, (3, *x.type.shape)), np.full((1, *x.type.shape), 255)])
    return Graph(name="wide", nodes=nodes, outputs=("y",)), images.astype(np.uint8)


@pytest.mark.parametrize("kernels", KERNEL_NAMES)
@pytest.mark.parametrize("kind", Weights)
@pytest.mark.parametrize(("bits", "top"), [(8, 15), (8, 127), (1, 1), (4, 255)])
def test_wide_layers_with_adversarial_weights(kernels: str, kind: Weights, bits: int, top: int) -> None:
    for seed in range(2):
        graph, images = _network(kind, bits, min(top, 127) if seed % 2 else top, seed)
        with with_kernels(kernels):
            _check(graph, {"x": images}, workers=2)


@pytest.mark.parametrize("kernels", KERNEL_NAMES)
@given(theta=st.integers(1, 2**31 - 1), lo=st.sampled_from((-127, -3, 0)), hi=st.sampled_from((1, 15, 255)))
def test_division_is_exact_at_every_step(kernels: str, theta: int, lo: int, hi: int) -> None:
    hi = min(hi, lo + 255)
    theta = min(theta, (2**46 - 1) // 256)
    values = np.arange(lo, hi + 2) * theta - theta // 2 - 1
    drives = np.concatenate([values, values + 1, values + 2])  # on both sides of every step
    neuron = Staircase(
        theta=Tensor.integer([theta] * len(drives)), bias=Bias(values=Tensor.integer(drives)), lo=lo, hi=hi
    )
    nodes = (
        Input(name="x", type=Levels((1,), 0, 1)),
        Dense(name="d", source="x", weight=Tensor.integer(np.ones((len(drives), 1)), 1)),
        Population(name="p", drives=("d",), neuron=neuron),
    )
    with with_kernels(kernels):
        _check(Graph(name="division", nodes=nodes, outputs=("p",)), {"x": np.array([[0], [1]])})


@pytest.mark.parametrize("kernels", KERNEL_NAMES)
@pytest.mark.parametrize("theta", [1, 2, 3])
def test_potentials_at_the_end_of_32_bits(kernels: str, theta: int) -> None:
    weights = np.full((18, 66_311), 127)  # 127 * 255 * 66,311 = 2^31 - 1 - 2,312
    weights[1::2] *= -1
    neuron = Staircase(
        theta=Tensor.integer([theta] * 18), bias=Bias(values=Tensor.integer([0] * 18)), lo=0, hi=255
    )
    nodes = (
        Input(name="x", type=Levels((66_311,), 0, 255)),
        Dense(name="d", source="x", weight=Tensor.integer(weights, 8)),
        Population(name="p", drives=("d",), neuron=neuron),
    )
    x = np.zeros((4, 66_311), np.uint8)
    x[0], x[1, :-1], x[2, 0] = 255, 255, 1
    with with_kernels(kernels):
        _check(Graph(name="end", nodes=nodes, outputs=("p",)), {"x": x})


@pytest.mark.parametrize("kernels", KERNEL_NAMES)
def test_sums_of_more_than_32_bits(kernels: str) -> None:
    rng = np.random.default_rng(0)
    weights = np.where(rng.random((5, 40_000)) < 0.5, -128, 127)
    table = np.sort(rng.integers(-(2**39), 2**39, (5, 300)), axis=1)
    nodes = (
        Input(name="x", type=Levels((40_000,), -16_000, 16_000)),
        Dense(name="d", source="x", weight=Tensor.integer(weights, 8)),
        Population(name="p", drives=("d",), neuron=Table(breakpoints=Tensor.integer(table), lo=-100, hi=200)),
        Dense(name="e", source="p", weight=Tensor.integer(np.ones((2, 5)), 1)),
        Readout(name="y", drives=("e", "e"), bias=Bias(values=Tensor.integer([2**44, -(2**44)]))),
    )
    graph = Graph(name="deep", nodes=nodes, outputs=("y", "p"))
    x = np.concatenate([rng.integers(-16_000, 16_001, (2, 40_000)), np.where(weights > 0, 16_000, -16_000)])
    with with_kernels(kernels):
        _check(graph, {"x": x})


def test_threads_change_nothing() -> None:
    graph, images = _network(Weights.RANDOM, 8, 15, 0)
    batch = np.random.default_rng(1).integers(0, 256, (150, *images.shape[1:])).astype(np.uint8)
    one, counts = NativeEngine(graph, graph.reported, 1, Counter(graph)).run_counted({"x": batch})
    three, same = NativeEngine(graph, graph.reported, 3, Counter(graph)).run_counted({"x": batch})
    assert counts == same
    for name, values in one.items():
        np.testing.assert_array_equal(three[name], values)


@pytest.mark.parametrize("kernels", KERNEL_NAMES)
@pytest.mark.parametrize(("bits", "top"), [(8, 15), (1, 1)])
def test_threads_that_share_layers_change_nothing(kernels: str, bits: int, top: int) -> None:
    graph = large_network(bits, top)
    x = np.random.default_rng(2).integers(0, top + 1, (2, *graph.types["x"].shape)).astype(np.uint8)
    with with_kernels(kernels):
        for images in (x[:1], x):
            _check(graph, {"x": images}, workers=5)


def test_the_best_engine_is_chosen_and_its_absence_said_once() -> None:
    graph, images = _network(Weights.RANDOM, 8, 15, 0)
    assert choose(graph, None)[::2] == ("native", "")
    form = format_of(graph.inputs[0])
    fast = evaluate_images(graph, form, images, None, silent)
    with mock.patch.dict(os.environ, {KERNELS: "off"}):
        slow = evaluate_images(graph, form, images, None, silent)
    assert slow.engine == "levels"
    assert slow.note == (
        "the native engine is switched off by SNNCC_NATIVE=off; the portable engine runs instead"
    )
    assert slow.counts == fast.counts
    np.testing.assert_array_equal(slow.outputs["y"], fast.outputs["y"])


def test_a_library_that_is_none_is_refused() -> None:
    with mock.patch.dict(os.environ, {LIBRARY: __file__}), pytest.raises(NativeError) as caught:
        native()
    assert caught.value.what.startswith("the native library cannot be loaded: ")


def test_a_library_of_other_sources_is_refused() -> None:
    with mock.patch.dict(os.environ, {LIBRARY: _ctypes.__file__}), pytest.raises(NativeError) as caught:
        native()
    assert str(caught.value) == (
        f"the native library was built from other sources: interface 1, not {INTERFACE}; "
        "install snncc again (make setup)"
    )


def test_a_library_of_other_sources_leaves_the_portable_engine() -> None:
    graph, _ = _network(Weights.RANDOM, 8, 15, 0)
    with mock.patch.dict(os.environ, {LIBRARY: _ctypes.__file__}):
        name, _, note = choose(graph, None)
    assert (name, note) == (
        "levels",
        f"the native library was built from other sources: interface 1, not {INTERFACE}; "
        "install snncc again (make setup); the portable engine runs instead",
    )


def test_kernels_that_are_none_are_refused() -> None:
    with with_kernels("mmx"), pytest.raises(NativeError) as caught:
        native()
    assert str(caught.value) == ("SNNCC_NATIVE: the native engine has no kernels 'mmx' here; leave it unset")


def test_a_program_outside_its_buffers_is_refused() -> None:
    def value(program: Program, channels: int = 4, size: int = 5) -> int:
        return program("buffer", Geometry(channels, size, size, 0, 0, 0, 0, 0))

    program = Program(1)
    source, result = value(program), value(program, size=3)
    weights = np.ones((4, 4, 3, 3), np.int8)
    program("begin_layer", 4, 4, 3, 4, 0)
    with pytest.raises(NativeError, match="a window ends below its source"):
        program("conv", source, ConvShape(4, 4, 3, 3, 1, 1, 0, 0, 1, 1, 1, 15), weights, 1)
    with pytest.raises(NativeError, match="a window begins outside its source"):
        program("conv", source, ConvShape(4, 4, 3, 3, 1, 1, 1, 0, 1, 1, 1, 15), weights, 1)
    with pytest.raises(NativeError, match="weights do not fit their source"):
        program("conv", source, ConvShape(4, 3, 3, 3, 1, 1, 0, 0, 1, 1, 1, 15), weights, 1)
    with pytest.raises(NativeError, match="no such buffer"):
        program("scale", 7, np.ones(4, np.int32), 1)
    with pytest.raises(NativeError, match="a scale and its layer have different shapes"):
        program("scale", source, np.ones(4, np.int32), 1)
    with pytest.raises(NativeError, match="wiring outside its values"):
        program("copy", Wide(source, -1), Wide(result, -1), np.array([[0, 90, 20]], np.int32), 1, 0)
    with pytest.raises(NativeError, match="a pool without a window"):
        program("max_pool", Wide(source, -1), Wide(result, -1), PoolShape(0, 2, 1, 1, 0, 0))
    large = Geometry(1 << 14, 1 << 8, 1 << 8, 0, 0, 0, 0, 0)
    program("buffer", large)
    with pytest.raises(NativeError, match="values of 2 GiB or more"):
        program("buffer", large)
