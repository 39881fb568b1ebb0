"""Populations in parts: the function stays, the parts know their channels, and the cut is the best one."""

from __future__ import annotations

import itertools
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
from snncc.passes.channel_ties import tied_populations
from snncc.passes.divide import _parts
from snncc.passes.division import divided, division_of
from snncc.passes.importance import importances
from snncc.verify import verify
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog, Bias
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
    SumPool,
)
from snncc_ir.semantics import evaluate
from snncc_ir.statistics import Statistics
from snncc_ir.tensors import Tensor
from snncc_ir.text import print_graph
from snncc_ir.types import Real
from support.compiled import PLAIN, integer_outputs, real_outputs, run
from support.graphs import Case, cases
from support.real_graphs import without_grids
from support.trained import pixels, write_data, write_residual

PARTS = "relu1_part1:2/relu1_part2:6/relu2_part1:5/relu2_part2:3"


def statistics_of(values: np.ndarray) -> Statistics:
    """Statistics of activations [N, C, ...]."""
    rows = np.moveaxis(values, 1, -1).reshape(-1, values.shape[1])
    return Statistics(
        low=rows.min(axis=0),
        high=rows.max(axis=0),
        drive_mean=rows.mean(axis=0),
        sample=rows.astype(np.float32),
    )


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
    plain, parts = (
        run(tmp_path, f"{text}balance{{level_bits=3}};quantize;correct_bias") for text in ("", "divide;")
    )
    assert len(parts[1].populations) == 2 * len(plain[1].populations)
    levels = plain[2].input_format.to_levels(pixels(50, seed=4))
    np.testing.assert_array_equal(integer_outputs(parts[1], levels), integer_outputs(plain[1], levels))


def test_the_function_of_a_trained_network_stays_the_same(tmp_path: Path) -> None:
    graph, found, context = run(tmp_path, "divide")
    levels = context.input_format.to_levels(pixels(20, seed=1))
    np.testing.assert_allclose(
        real_outputs(found, context, levels), real_outputs(graph, context, levels), rtol=1e-9
    )


def test_parts_of_tied_populations_read_each_other_without_being_joined(tmp_path: Path) -> None:
    graph, found, _ = run(tmp_path, "divide")
    skips = list(found.of_type(Scale))
    assert [names for names in tied_populations(graph) if len(names) == 2]
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
        passes=f"divide;balance{{widths={PARTS}}};quantize;correct_bias;choose_code",
    )
    return compile_model(write_residual(folder / "m.onnx"), options).path


def test_every_engine_runs_parts_of_unlike_widths(tmp_path: Path) -> None:
    assert verify(compiled_in_parts(tmp_path)).equal


def test_explain_compares_with_the_float_network_in_the_same_parts(tmp_path: Path) -> None:
    found = explain(compiled_in_parts(tmp_path), tmp_path / "d.npz").found
    lost = {switch.node for switch, loss in found.parts.items() if loss.error > 0}
    assert {"relu1_part1", "relu1_part2", "relu2_part1", "relu2_part2"} <= lost


def test_the_float_network_is_divided_as_the_compiled_one_was(tmp_path: Path) -> None:
    text = "equalize;divide;balance;quantize"
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


@given(st.integers(2, 9), st.integers(1, 3), st.integers(0, 999))
def test_the_cut_leaves_the_least_geometric_mean(channels: int, populations: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    important = np.exp(rng.normal(0, 3, (1, channels))) * np.exp(rng.normal(0, 1, (populations, channels)))
    positions = rng.integers(1, 9, populations)
    parts = _parts(important, positions)
    order = np.concatenate(parts)

    def error(cut: int) -> float:
        means = [[row[order[:cut]].mean(), row[order[cut:]].mean()] for row in important]
        return float(positions @ (np.log(means) @ np.array([cut, channels - cut])))

    best = min(range(1, channels), key=error)
    if len(parts) == 2:
        np.testing.assert_allclose(error(len(parts[0])), error(best), rtol=1e-6, atol=1e-6)
    else:
        assert all(row[order[:best]].mean() < 2.001 * row[order[best:]].mean() for row in important)


def linear_network(rng: np.random.Generator) -> Graph:
    """Convolutions, a skip, a pool and a dense layer behind units that never saturate."""
    weights = (Tensor.real(rng.normal(size=shape)) for shape in ((4, 2, 3, 3), (4, 1, 1, 1), (4,), (3, 16)))
    first, depthwise, skip, dense = weights
    nodes = (
        Input(name="x", type=Real((2, 6, 6))),
        Conv(name="c", source="x", weight=first),
        Population(name="p", drives=("c",), neuron=unit(4)),
        Conv(name="d", source="p", weight=depthwise, groups=4),
        Scale(name="s", source="p", weight=skip),
        Population(name="q", drives=("d", "s"), neuron=unit(4)),
        SumPool(name="m", source="q", weight=Tensor.real(np.full(4, 0.25)), kernel=(2, 2), stride=(2, 2)),
        Population(name="r", drives=("m",), neuron=unit(4)),
        Reshape(name="f", source="r", shape=(16,)),
        Dense(name="e", source="f", weight=dense),
        Readout(name="y", drives=("e",), bias=Bias(values=Tensor.real(np.zeros(3)))),
    )
    return Graph(name="g", nodes=nodes, outputs=("y",))


def unit(channels: int) -> Analog:
    return Analog(bias=Bias(values=Tensor.real(np.zeros(channels))), low=-np.inf, high=np.inf)


def test_importance_is_the_squared_error_that_noise_makes_in_the_outputs() -> None:
    rng = np.random.default_rng(0)
    graph = linear_network(rng)
    values = evaluate(graph, {"x": rng.normal(size=(20, 2, 6, 6))})
    seen = {node.name: statistics_of(values[node.name]) for node in graph.populations}
    found = importances(graph, seen)
    for name in ("q", "r"):
        shape = graph.types[name].shape
        ranges = np.maximum(seen[name].high, -seen[name].low)
        errors = np.zeros(shape)
        for at in itertools.product(*map(range, shape)):
            noise = np.zeros((1, *shape))
            noise[(0, *at)] = ranges[at[0]]
            errors[at] = np.square(behind(graph, name, noise)).sum()
        np.testing.assert_allclose(found[name], errors.sum(axis=(1, 2)), rtol=1e-9)


def behind(graph: Graph, name: str, value: np.ndarray) -> np.ndarray:
    """The linear network's output for a value of one of its populations."""
    start = [node.name for node in graph.nodes].index(name)
    nodes = (Input(name=name, type=Real(value.shape[1:])), *graph.nodes[start + 1 :])
    return evaluate(Graph(name="b", nodes=nodes, outputs=graph.outputs), {name: value})["y"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("balance;divide", "divide: runs on the real network; put it before balance"),
        ("balance;quantize;divide", "divide: runs on the real network; put it before balance"),
        ("divide;divide", "divide: the populations are in parts already; run it once"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SnnccError) as caught:
        run(tmp_path, text)
    assert str(caught.value) == message


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
        float_graph(graph, "divide;balance;quantize", strange)
    assert str(caught.value) == f"{part.whole}: its parts are not those of the model; compile it again"
