"""The width certificate, against runs that watch every partial sum, potential and comparand."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snncc_ir.certificates import Interval, Width, certify_widths
from snncc_ir.codes import Code, Reset, Strand
from snncc_ir.graph import Graph
from snncc_ir.linear import drive
from snncc_ir.neurons import Bias, Staircase, Table
from snncc_ir.nodes import Conv, Dense, Input, Population, Readout, Scale
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate, Stbif
from snncc_ir.types import Levels
from support import naive, naive_streams
from support.graphs import Case, cases, rate_cases


class Watch:
    """An interval that every watched value must lie in."""

    def __init__(self, interval: Interval, channel: int) -> None:
        self.low, self.high = int(interval.low[channel]), int(interval.high[channel])

    def __call__(self, value: int) -> None:
        assert self.low <= value <= self.high, f"{value} outside {self.low}..{self.high}"


def accumulate(events: list[tuple[Strand, int, int]], watch: Watch, rng: random.Random) -> int:
    """The drive of one neuron from (strand, level, weight) synapses, one spike at a time in random order.

    Every strand has its own accumulator; `watch` sees each of them, and their sum, after every event.
    """
    sums: dict[Strand, int] = {strand: 0 for strand, _, _ in events}
    for step in range(max((strand.window for strand in sums), default=0)):
        for strand in sums:
            if strand.code is Code.RADIX and step < strand.window:
                sums[strand] *= 2
        arrivals = [(s, _delivered(s, n, step) * w) for s, n, w in events if step < s.window]
        rng.shuffle(arrivals)
        for strand, amount in arrivals:
            sums[strand] += amount
            watch(sums[strand])
    total = 0
    for part in sums.values():
        total += part
        watch(total)
    return total


def in_one_register(events: list[tuple[Strand, int, int]], watch: Watch, rng: random.Random) -> None:
    """The same with one accumulator for all strands: every spike adds what it stands for at once."""
    amounts = [
        w * spike * (1 if s.code is Code.GRADED else naive.spike_value(s.code, s.lo, s.hi, step))
        for s, n, w in events
        for step, spike in enumerate(naive.train(s.code, s.lo, s.hi, n))
    ]
    rng.shuffle(amounts)
    total = 0
    for amount in amounts:
        total += amount
        watch(total)


def _delivered(strand: Strand, n: int, step: int) -> int:
    """What a synapse adds in a step, in weights: a `ttfs` synapse goes on once it has fired."""
    spikes = naive.train(strand.code, strand.lo, strand.hi, n)
    return sum(spikes[: step + 1]) if strand.code is Code.TTFS else spikes[step]


def fire(neuron: Staircase | Table, strand: Strand, v: int, channel: int, watch: Watch) -> None:
    """The sender's potentials and comparands for the potential (the drive, for a table) `v`."""
    watch(v)
    if isinstance(neuron, Table):
        for breakpoint_ in neuron.breakpoints.data[channel].reshape(-1):
            watch(int(breakpoint_))
        return
    theta = int(neuron.theta.data[channel])
    level = min(max(v // theta, neuron.lo), neuron.hi)
    if strand.code is Code.RADIX and (neuron.hi != 2**strand.window - 1 or neuron.lo not in (0, -neuron.hi)):
        watch(neuron.lo * theta)
        watch(neuron.hi * theta)
        v = min(max(v, neuron.lo * theta), neuron.hi * theta)
    for step, spike in enumerate(naive.train(strand.code, strand.lo, strand.hi, level)):
        m = 1 if strand.code is Code.GRADED else naive.spike_value(strand.code, strand.lo, strand.hi, step)
        watch(theta * m)
        if neuron.lo < 0:
            watch(-theta * (m - 1))
        if strand.code in (Code.RADIX, Code.COUNT):
            v -= theta * m * spike
            watch(v)


def check_phased_widths(case: Case) -> None:
    graph, net, widths = case.graph, naive.Net(case.graph), certify_widths(case.graph)
    rng = random.Random(0)
    for image in range(len(next(iter(case.batch.values())))):
        levels = naive.evaluate(net, {name: x[image] for name, x in case.batch.items()})
        for node in graph.nodes:
            if isinstance(node, Population | Readout):
                check_neurons(net, node, levels, widths[node.name], rng)


def check_neurons(
    net: naive.Net, node: Population | Readout, levels: dict[str, list[int]], width: Width, rng: random.Random
) -> None:
    graph = net.graph
    indices = list(naive.positions(net.shapes[node.name]))
    for triples, index in zip(net.incoming(node), indices, strict=True):
        events = []
        for source, i, weight in triples:
            origin = net.origin(source, i)
            if origin:
                events.append((graph.strands[origin][0], levels[source][i], weight))
        watch, held = Watch(width.drive, index[0]), Watch(width.membrane, index[0])
        total = accumulate(events, watch, rng)
        in_one_register(events, watch, rng)
        if isinstance(node, Readout):
            held(total + naive.bias_at(node.bias, index))
        elif isinstance(node.neuron, Staircase):
            rest = naive.bias_at(node.neuron.bias, index) + int(node.neuron.theta.data[index[0]]) // 2
            fire(node.neuron, graph.strands[node.name][0], total + rest, index[0], held)
        else:
            bias = getattr(node.neuron, "bias", None)
            start = total + (0 if bias is None else naive.bias_at(bias, index))
            fire(node.neuron, graph.strands[node.name][0], start, index[0], held)


def check_stream_widths(case: Case, steps: int) -> None:
    _graph, net, widths = case.graph, naive.Net(case.graph), certify_widths(case.graph)
    for image in range(len(next(iter(case.batch.values())))):
        stream = naive_streams.Streams(net, {name: x[image] for name, x in case.batch.items()}, seed=image)
        for _ in range(steps):
            stream.step()
        for name, channels in stream.extremes.items():
            for channel, (low, high) in enumerate(channels):
                held = Watch(widths[name].membrane.hull(widths[name].drive), channel)
                held(low)
                held(high)


@settings(max_examples=60)
@given(cases(layers_max=3))
def test_phased_sums_and_membranes_stay_inside(case: Case) -> None:
    check_phased_widths(case)


@settings(max_examples=60)
@given(rate_cases())
def test_rate_membranes_stay_inside(case: Case) -> None:
    check_stream_widths(case, case.graph.timing.steps)


@settings(max_examples=40)
@given(cases(Stbif(), layers_max=3))
def test_stbif_membranes_stay_inside(case: Case) -> None:
    check_stream_widths(case, 30)


@pytest.mark.slow
@settings(max_examples=1000, suppress_health_check=list(HealthCheck))
@given(cases())
def test_phased_sums_and_membranes_stay_inside_deeper(case: Case) -> None:
    check_phased_widths(case)


@pytest.mark.slow
@settings(max_examples=1500, suppress_health_check=list(HealthCheck))
@given(st.one_of(rate_cases(layers_max=4), cases(Stbif(), layers_max=4)))
def test_stream_membranes_stay_inside_deeper(case: Case) -> None:
    check_stream_widths(case, case.graph.timing.steps if isinstance(case.graph.timing, Rate) else 60)


def one_layer(node: Conv | Dense | Scale, shape: tuple[int, ...], lo: int, hi: int) -> Graph:
    """A readout behind one linear node of the input."""
    channels = node.weight.shape[0]
    return Graph(
        name="one",
        nodes=(
            Input(name="x", type=Levels(shape, lo, hi)),
            node,
            Readout(name="y", drives=("d",), bias=Bias(values=Tensor.integer(np.zeros(channels, int)))),
        ),
        outputs=("y",),
    )


@given(seed=st.integers(0, 2**32 - 1), lo=st.integers(-9, 0), hi=st.integers(1, 20), kind=st.integers(0, 3))
def test_the_extreme_images_reach_both_ends_of_the_drive_interval(
    seed: int, lo: int, hi: int, kind: int
) -> None:
    rng = np.random.default_rng(seed)
    node = (
        Dense(name="d", source="x", weight=Tensor.integer(rng.integers(-128, 128, (3, 5)), 8)),
        Scale(name="d", source="x", weight=Tensor.integer(rng.integers(-999, 999, 4), 12)),
        Conv(name="d", source="x", weight=Tensor.integer(rng.choice([-1, 1], (4, 2, 2, 3)), 1), groups=2),
        Conv(name="d", source="x", weight=Tensor.integer(rng.integers(-8, 8, (2, 4, 3, 2)), 4),
             padding=((1, 0), (1, 1)), dilation=(1, 2)),
    )[kind]  # fmt: skip
    shape = (5,) if kind == 0 else (4, 5, 6)
    graph = one_layer(node, shape, lo, hi)
    width, net = certify_widths(graph)["y"], naive.Net(graph)
    for index, pairs in zip(naive.positions(net.shapes["d"]), net.synapses["d"], strict=True):
        if len(pairs) < np.prod(node.weight.shape[1:]):
            continue
        best, worst = np.zeros(int(np.prod(shape)), int), np.zeros(int(np.prod(shape)), int)
        for i, weight in pairs:
            best[i], worst[i] = (hi, lo) if weight > 0 else (lo, hi)
        u = drive(node, np.stack([worst, best]).reshape(2, *shape))[(slice(None), *index)]
        assert u.tolist() == [width.drive.low[index[0]], width.drive.high[index[0]]]


def rate_neuron(lo: int, hi: int, theta: int, bias: int, rate: Rate, inputs: tuple[int, int]) -> Interval:
    """Membrane interval of one neuron whose drive is its input."""
    neuron = Staircase(theta=Tensor.integer([theta]), bias=Bias(values=Tensor.integer([bias])), lo=lo, hi=hi)
    graph = Graph(
        name="one",
        nodes=(
            Input(name="x", type=Levels((1,), *inputs)),
            Dense(name="d", source="x", weight=Tensor.integer([[1]], 2)),
            Population(name="p", drives=("d",), neuron=neuron, code=Code.RATE),
        ),
        outputs=("p",),
        timing=rate,
    )
    return certify_widths(graph)["p"].membrane


@pytest.mark.parametrize(
    ("neuron", "expected"),
    [
        # A spike puts v at 0, from where it falls further than from half a threshold.
        ({"lo": 0, "hi": 1, "theta": 20, "bias": 0, "rate": Rate(2), "inputs": (-5, 10)}, (-5, 30 - 1)),
        # A signed neuron below 0 comes back at up to theta - 1 and rises from there.
        ({"lo": -1, "hi": 1, "theta": 10, "bias": 0, "rate": Rate(2), "inputs": (-6, 3)}, (-6, 9 + 3)),
        # Hard reset: a neuron that fires stands at 0.
        (
            {"lo": 0, "hi": 1, "theta": 10, "bias": 0, "rate": Rate(3, Reset.ZERO), "inputs": (-4, 9)},
            (-8, 9 + 9),
        ),
    ],
)
def test_rate_membrane_by_hand(neuron: dict, expected: tuple[int, int]) -> None:
    interval = rate_neuron(**neuron)
    assert (int(interval.low[0]), int(interval.high[0])) == expected


def test_stbif_membrane_low_is_attained_when_a_source_takes_a_spike_back() -> None:
    """a fires on x and falls again on p; q has answered with a spike when its drive is gone: v = 2 - 5."""

    def neuron(theta: int, *drives: str, name: str) -> Population:
        bias = Bias(values=Tensor.integer([0]))
        stairs = Staircase(theta=Tensor.integer([theta]), bias=bias, lo=0, hi=1)
        return Population(name=name, drives=drives, neuron=stairs, code=Code.STBIF)

    def dense(name: str, source: str, weight: int) -> Dense:
        return Dense(name=name, source=source, weight=Tensor.integer([[weight]], 4))

    graph = Graph(
        name="swing",
        nodes=(
            Input(name="x", type=Levels((1,), 0, 1)),
            dense("d", "x", 1),
            neuron(1, "d", name="p"),
            dense("minus", "p", -1),
            neuron(1, "d", "minus", name="a"),
            dense("e", "a", 5),
            neuron(5, "e", name="q"),
        ),
        outputs=("q",),
        timing=Stbif(),
    )
    stream = naive_streams.Streams(naive.Net(graph), {"x": np.array([1])})
    for _ in range(6):
        stream.step()
    assert stream.extremes["q"][0][0] == 2 - 5
    assert certify_widths(graph)["q"].membrane.low.tolist() == [2 - 5]
