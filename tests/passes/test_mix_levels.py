"""Populations in parts: the function stays, the parts know their channels, and errors are as said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snncc.driver import compile_model
from snncc.explain import explain, float_graph
from snncc.options import CompileOptions
from snncc.passes.balance import grids_of
from snncc.passes.base import no_adjoints
from snncc.passes.channel_ties import tied_populations
from snncc.passes.division import divided, division_of
from snncc.passes.mix_levels import MixLevels
from snncc.passes.mixture import mixture
from snncc.passes.pipeline import parse
from snncc.verify import verify
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias
from snncc_ir.nodes import (
    Concat,
    Conv,
    Dense,
    Input,
    MaxPool,
    Part,
    Population,
    Readout,
    Reshape,
    Scale,
)
from snncc_ir.semantics import evaluate
from snncc_ir.tensors import Tensor
from snncc_ir.text import print_graph
from snncc_ir.types import Real
from support.compiled import PLAIN, integer_outputs, real_outputs, run
from support.examples import quantised
from support.graphs import Case, cases
from support.linear_graphs import calibrated, linear_network, unit
from support.real_graphs import without_grids
from support.trained import pixels, write_data, write_residual

MIX = "mix_levels{level_bits=3,parts=3}"


def random_division(draw: Any, graph: Graph) -> dict[str, tuple[np.ndarray, ...]]:
    """Channels in random order, in one to three parts, alike in tied populations."""
    found = {}
    for names in tied_populations(graph):
        channels = graph.types[names[0]].shape[0]
        order = np.array(draw(st.permutations(range(channels))))
        cuts = draw(st.sets(st.integers(1, channels - 1), max_size=2)) if channels > 1 else ()
        found |= dict.fromkeys(names, tuple(np.split(order, sorted(cuts))))
    return found


@given(cases(), st.integers(0, 99), st.data())
def test_the_function_stays_the_same(case: Case, seed: int, data: Any) -> None:
    graph = without_grids(case.graph, seed)
    division = random_division(data.draw, graph)
    found = divided(graph, division)
    before, after = (evaluate(each, case.batch) for each in (graph, found))
    for name in graph.outputs:
        np.testing.assert_allclose(after[name], before[name], rtol=1e-9, atol=1e-9)


@given(cases(), st.integers(0, 99), st.data())
def test_the_parts_remember_their_channels(case: Case, seed: int, data: Any) -> None:
    graph = without_grids(case.graph, seed)
    found = divided(graph, random_division(data.draw, graph))
    assert print_graph(divided(graph, division_of(found))) == print_graph(found)
    values = evaluate(graph, case.batch), evaluate(found, case.batch)
    for node in found.populations:
        if node.part is not None:
            whole = values[0][node.part.whole][:, list(node.part.channels)]
            np.testing.assert_allclose(values[1][node.name], whole, rtol=1e-9, atol=1e-9)


def test_levels_of_the_same_width_are_the_same_network(tmp_path: Path) -> None:
    graph, plain, context = run(tmp_path, "balance{level_bits=3};quantize;correct_bias")
    division = dict.fromkeys(("relu1", "relu2"), (np.array([4, 0]), np.array([1, 2, 5]), np.array([3])))
    parts = divided(graph, division)
    known = MixLevels().adapted(graph, parts, context)
    found = parse("balance{level_bits=3};quantize;correct_bias").run(parts, known, lambda *_: None)
    assert len(found.populations) == 3 * len(plain.populations)
    levels = context.input_format.to_levels(pixels(50, seed=4))
    np.testing.assert_array_equal(integer_outputs(found, levels), integer_outputs(plain, levels))


def test_parts_of_tied_populations_read_each_other_without_being_joined(tmp_path: Path) -> None:
    graph, _, _ = run(tmp_path, "balance")
    assert [names for names in tied_populations(graph) if len(names) == 2]
    halves = (np.array([0, 2, 4]), np.array([1, 3, 5]))
    found = divided(graph, dict.fromkeys(("relu1", "relu2"), halves))
    skips = list(found.of_type(Scale))
    assert len(skips) == 2
    assert not any(isinstance(found.by_name[skip.source], Concat) for skip in skips)


def compiled_in_parts(folder: Path) -> Path:
    """An artefact whose parts have widths of their own, beside its model and some images."""
    data = write_data(folder / "d.npz", pixels())
    options = CompileOptions(
        output=folder / "out.snncc",
        target="sim",
        calibrate=data,
        pixels=PLAIN,
        passes=f"{MIX};quantize;correct_bias;choose_code",
    )
    return compile_model(write_residual(folder / "m.onnx"), options).path


def test_every_engine_runs_parts_of_unlike_widths(tmp_path: Path) -> None:
    assert verify(compiled_in_parts(tmp_path)).equal


def test_explain_compares_with_the_float_network_in_the_same_parts(tmp_path: Path) -> None:
    found = explain(compiled_in_parts(tmp_path), tmp_path / "d.npz").found
    parts = {f"relu{number}_part{part}" for number in (1, 2) for part in (1, 2, 3)}
    assert parts <= {switch.node for switch in found.parts}
    lost = {switch.node for switch, loss in found.parts.items() if loss.error > 0}
    assert parts - {"relu1_part1"} <= lost  # that one has 8 bits


def test_the_float_network_is_divided_as_the_compiled_one_was(tmp_path: Path) -> None:
    text = f"equalize;{MIX};quantize"
    graph, compiled, context = run(tmp_path, text)
    real = float_graph(graph, text, compiled)
    assert [node.part for node in real.populations] == [node.part for node in compiled.populations]
    levels = context.input_format.to_levels(pixels(20, seed=1))
    np.testing.assert_allclose(
        real_outputs(real, context, levels), real_outputs(graph, context, levels), rtol=1e-9
    )


@pytest.mark.parametrize("axis", [0, 1])
def test_a_pool_of_what_cannot_be_had_in_pieces_keeps_its_source_whole(axis: int) -> None:
    shape = (4, 2, 8) if axis == 0 else (16, 2, 2)
    nodes = (
        Input(name="x", type=Real((2, 4, 4))),
        Conv(name="c", source="x", weight=Tensor.real(np.ones((4, 2, 1, 1)))),
        Population(name="p", drives=("c",), neuron=unit(4)),
        Reshape(name="f", source="p", shape=shape),
        MaxPool(name="m", source="f", kernel=(2, 2)),
        Scale(name="s", source="m", weight=Tensor.real(np.ones(shape[0]))),
        Population(name="q", drives=("s",), neuron=unit(shape[0])),
        Conv(name="e", source="q", weight=Tensor.real(np.ones((3, shape[0], 1, 1)))),
        Readout(name="y", drives=("e",), bias=Bias(values=Tensor.real(np.zeros(3)))),
    )
    assert tied_populations(Graph(name="g", nodes=nodes, outputs=("y",))) == ()


def test_populations_of_one_skip_are_tied_and_others_are_not(tmp_path: Path) -> None:
    assert tied_populations(run(tmp_path, "balance")[0]) == (("relu1", "relu2"),)
    graph = linear_network(np.random.default_rng(0))
    assert tied_populations(graph) == (("p", "q", "r"),)
    last = replace(graph.by_name["y"], name="z", drives=("t",))
    read = (Scale(name="t", source="r", weight=Tensor.real(np.ones(4))), last)
    both = Graph(name="g", nodes=(*graph.nodes, *with_bias(read, 4)), outputs=("y", "z"))
    assert tied_populations(both) == ()


def with_bias(nodes: tuple[Any, ...], channels: int) -> tuple[Any, ...]:
    """The readouts among the nodes with as many biases as channels."""
    bias = Bias(values=Tensor.real(np.zeros(channels)))
    return tuple(replace(node, bias=bias) if isinstance(node, Readout) else node for node in nodes)


def test_the_pass_gives_every_part_the_bits_of_the_mixture(tmp_path: Path) -> None:
    graph, found, context = run(tmp_path, MIX)
    mix = MixLevels(level_bits=3, parts=3)
    errors = {
        name: {bits: one.errors for bits, one in widths.items()}
        for name, widths in mix.tops(graph, context).items()
    }
    wanted = mixture(graph, errors, 3, 3)
    assert {len(pieces) for pieces in wanted.values()} == {3}
    parts: dict[str, list[tuple[tuple[int, ...], int]]] = {}
    for node in found.populations:
        bits = (node.neuron.grid.hi + 1).bit_length() - 1
        parts.setdefault(node.part.whole, []).append((node.part.channels, bits))
    assert parts == {
        name: [(tuple(piece.channels), piece.bits) for piece in pieces] for name, pieces in wanted.items()
    }


def test_every_channel_gets_the_top_that_was_measured_for_its_bits(tmp_path: Path) -> None:
    graph, found, context = run(tmp_path, MIX)
    tops = MixLevels(level_bits=3, parts=3).tops(graph, context)
    for node in found.populations:
        bits = (node.neuron.grid.hi + 1).bit_length() - 1
        wanted = tops[node.part.whole][bits].tops[list(node.part.channels)]
        np.testing.assert_array_equal(node.neuron.grid.top.data, wanted)


def test_with_a_method_of_their_own_tops_are_those_of_balance(tmp_path: Path) -> None:
    _, found, context = run(tmp_path, "mix_levels{level_bits=3,parts=3,method=max}")
    for node in found.populations:
        high = context.calibration.populations[node.part.whole].high
        np.testing.assert_array_equal(node.neuron.grid.top.data, high[list(node.part.channels)])


def test_channels_that_share_a_scale_keep_one() -> None:
    graph = linear_network(np.random.default_rng(3))
    few = Dense(
        name="e",
        source="f",
        weight=Tensor.scaled(np.arange(48).reshape(3, 16) % 2, np.full(3, 0.5)),
    )
    graph = graph.with_nodes([few])
    context = calibrated(graph, np.random.default_rng(3).integers(0, 256, (40, 2, 6, 6)))
    mix = MixLevels(level_bits=3, parts=1)
    tops = mix.tops(graph, context)
    loose = {
        name: {bits: replace(one, tops=one.tops * np.linspace(1, 2, 4)) for bits, one in by_bits.items()}
        for name, by_bits in tops.items()
    }
    found = grids_of(mix.mixed(graph, context, loose))
    assert len(set(found["r"].top.data)) == 1
    assert len(set(found["p"].top.data)) == 4


def test_one_part_gives_whole_populations_widths_of_their_own(tmp_path: Path) -> None:
    _, found, _ = run(tmp_path, "mix_levels{level_bits=3.5,parts=1}")
    assert [node.part for node in found.populations] == [None, None]
    assert [node.neuron.grid.hi for node in found.populations] == [7, 31]


def test_without_an_engine_nothing_is_measured(tmp_path: Path) -> None:
    graph, _, context = run(tmp_path, "balance")
    with pytest.raises(SnnccError) as caught:
        MixLevels().apply(graph, replace(context, adjoints=no_adjoints))
    assert str(caught.value) == f"{graph.name}: this needs an engine for gradients, and none is given"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("balance;mix_levels", "mix_levels: runs on the real network; put it in the place of balance"),
        (
            "balance;quantize;mix_levels",
            "mix_levels: runs on the real network; put it in the place of balance",
        ),
        ("mix_levels{level_bits=0.9}", "mix_levels: level_bits must be 1 to 8, not 0.9"),
        ("mix_levels{level_bits=nan}", "mix_levels: level_bits must be 1 to 8, not nan"),
        ("mix_levels{parts=0}", "mix_levels: parts must be 1 to 64, not 0"),
        (
            "mix_levels{method=most}",
            "mix_levels: method 'most' is none of auto, max, mse, kl, percentile:P and percentile_all:P "
            "with P in (0, 100], max:F and mse:F with F in (0.5, 4]",
        ),
        ("mix_levels{parts=65}", "mix_levels: parts must be 1 to 64, not 65"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SnnccError) as caught:
        run(tmp_path, text)
    assert str(caught.value) == message


def test_levels_that_came_with_the_network_are_refused() -> None:
    graph = quantised()
    mixed = graph.with_nodes([replace(graph.by_name["relu"], neuron=unit(2))])
    with pytest.raises(SnnccError) as caught:
        MixLevels().apply(mixed, None)
    assert str(caught.value) == "mix_levels: sign came with levels of its own; use balance, which keeps them"


@pytest.mark.parametrize(
    "part",
    [
        Part(whole="relu1", channels=(0, 1, 2, 3, 4, 6)),
        Part(whole="relu1", channels=(5, 4, 3, 2, 1, 0)),
        Part(whole="pool1", channels=(0, 1, 2, 3, 4, 5)),
    ],
)
def test_parts_that_are_not_of_the_model(tmp_path: Path, part: Part) -> None:
    graph, compiled, _ = run(tmp_path, "balance;quantize")
    first, second = (node for node in compiled.populations)
    same = Part(whole="relu2", channels=(0, 1, 2, 3, 4, 5))
    strange = compiled.with_nodes([replace(first, part=part), replace(second, part=same)])
    with pytest.raises(SnnccError) as caught:
        float_graph(graph, "mix_levels;quantize", strange)
    assert str(caught.value) == f"{part.whole}: its parts are not those of the model; compile it again"
