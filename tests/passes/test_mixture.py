"""Level bits of channels, and the parts that channels of the same bits make up."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from snncc.passes.channel_ties import tied_populations
from snncc.passes.mixture import Mixture, Piece, mixture
from snncc.passes.widths import LEVEL_BITS
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog, Bias
from snncc_ir.nodes import Conv, Input, Population, Readout, Scale
from snncc_ir.tensors import Tensor
from snncc_ir.types import Real
from support.graphs import Case, cases
from support.real_graphs import without_grids


def falling(sizes: Sequence[float]) -> dict[int, np.ndarray]:
    """Errors that every bit divides by four."""
    return {bits: np.array(sizes) * 4.0**-bits for bits in LEVEL_BITS}


def chain(*channels: int) -> Graph:
    """Populations of so many channels of four neurons, one behind the other."""
    nodes: list[Any] = [Input(name="x", type=Real((1, 2, 2)))]
    source, before = "x", 1
    for number, count in enumerate(channels):
        weight = Tensor.real(np.ones((count, before, 1, 1)))
        bias = Bias(values=Tensor.real(np.zeros(count)))
        nodes += [
            Conv(name=f"c{number}", source=source, weight=weight),
            Population(
                name=f"p{number}", drives=(f"c{number}",), neuron=Analog(bias=bias, low=0, high=np.inf)
            ),
        ]
        source, before = f"p{number}", count
    last = Conv(name="c", source=source, weight=Tensor.real(np.ones((1, before, 1, 1))))
    readout = Readout(name="y", drives=("c",), bias=Bias(values=Tensor.real(np.zeros(1))))
    return Graph(name="g", nodes=(*nodes, last, readout), outputs=("y",))


def tied_pair(channels: int) -> Graph:
    """Two populations, of which the second reads channel c of the first with its own."""
    first = chain(channels)
    bias = Bias(values=Tensor.real(np.zeros(channels)))
    second = (
        Scale(name="s", source="p0", weight=Tensor.real(np.ones(channels))),
        Population(name="p1", drives=("s",), neuron=Analog(bias=bias, low=0, high=np.inf)),
        Conv(name="c", source="p1", weight=Tensor.real(np.ones((1, channels, 1, 1)))),
    )
    return Graph(name="g", nodes=(*first.nodes[:3], *second, first.nodes[-1]), outputs=("y",))


def plain(found: Mixture) -> dict[str, list[tuple[list[int], int]]]:
    """Channels and bits of every part."""
    return {
        name: [(piece.channels.tolist(), piece.bits) for piece in pieces] for name, pieces in found.items()
    }


def test_channels_of_the_same_bits_are_a_part() -> None:
    errors = {"p0": falling([1, 16, 1, 16])}
    assert plain(mixture(chain(4), errors, 4, 8)) == {"p0": [([1, 3], 5), ([0, 2], 3)]}


def test_one_part_is_the_whole_population() -> None:
    errors = {"p0": falling([1, 16, 1, 16])}
    assert plain(mixture(chain(4), errors, 4, 1)) == {"p0": [([0, 1, 2, 3], 4)]}


def test_what_is_left_of_the_mean_goes_to_a_part_that_it_suffices_for() -> None:
    errors = {"p0": falling([1, 1, 1]), "p1": falling([1])}
    found = mixture(chain(3, 1), errors, 3.25, 8)
    assert plain(found) == {"p0": [([0, 1, 2], 3)], "p1": [([0], 4)]}


def test_tied_populations_have_the_same_parts() -> None:
    errors = {"p0": falling([16, 16, 1, 1]), "p1": falling([16, 1, 16, 1])}
    assert plain(mixture(tied_pair(4), errors, 4, 4)) == {
        "p0": [([0], 5), ([1], 5), ([2], 3), ([3], 3)],
        "p1": [([0], 5), ([1], 3), ([2], 5), ([3], 3)],
    }


def test_those_parts_are_joined_that_differ_least() -> None:
    errors = {"p0": falling([256, 256, 1, 1]), "p1": falling([16, 1, 16, 1])}
    assert plain(mixture(tied_pair(4), errors, 4, 2)) == {
        "p0": [([0, 1], 6), ([2, 3], 2)],
        "p1": [([0, 1], 4), ([2, 3], 4)],
    }


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.floats(1, 8), st.integers(0, 999))
def test_no_exchange_of_bits_between_parts_of_one_size_helps(
    channels: list[int], most: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    errors = {f"p{k}": falling(np.exp(rng.normal(0, 3, count))) for k, count in enumerate(channels)}
    found = mixture(chain(*channels), errors, most, 64)
    parts = [(name, piece) for name, pieces in found.items() for piece in pieces]
    for (one, given_up), (other, wanted) in itertools.permutations(parts, 2):
        if len(given_up.channels) == len(wanted.channels) and given_up.bits > 1 and wanted.bits < 8:
            cost = change(errors[one], given_up, -1)
            assert cost >= -change(errors[other], wanted, 1) * (1 - 1e-9)


def change(errors: dict[int, np.ndarray], piece: Piece, by: int) -> float:
    """What other bits add to the error of a piece."""
    return float((errors[piece.bits + by] - errors[piece.bits])[piece.channels].sum())


@given(cases(), st.floats(1, 8), st.integers(1, 4), st.integers(0, 99))
def test_every_channel_is_in_one_part_and_the_mean_is_kept(
    case: Case, most: float, parts: int, seed: int
) -> None:
    graph = without_grids(case.graph, seed)
    rng = np.random.default_rng(seed)
    analog = [node.name for node in graph.populations if isinstance(node.neuron, Analog)]
    shapes = {name: graph.types[name].shape for name in analog}
    errors = {name: falling(np.exp(rng.normal(0, 3, shape[0]))) for name, shape in shapes.items()}
    assume(errors)
    found = mixture(graph, errors, most, parts)
    assert found.keys() == errors.keys()
    bits = neurons = 0
    for name, pieces in found.items():
        channels = np.concatenate([piece.channels for piece in pieces])
        np.testing.assert_array_equal(np.sort(channels), np.arange(shapes[name][0]))
        positions = math.prod(shapes[name][1:])
        bits += positions * sum(piece.bits * len(piece.channels) for piece in pieces)
        neurons += positions * len(channels)
    assert bits / neurons <= most + 1e-6
    ties = tied_populations(graph)
    for names in ties:
        assert len({str([piece.channels.tolist() for piece in found[name]]) for name in names}) == 1
        assert len(found[names[0]]) <= parts
    free = {name for names in ties for name in names}
    assert all(len(found[name]) == 1 for name in errors if name not in free)
