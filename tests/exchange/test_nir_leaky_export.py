"""Leaky networks as NIR files: by their equations, and compiled again; and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from snncc_backends.nir.leaks import is_relay
from snncc_backends.nir.lift import lift
from snncc_backends.nir.refusals import find_refusals
from snncc_backends.nir.write import nir_file
from snncc_ir.codes import Code, Reset
from snncc_ir.errors import ModelError, TargetError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Leaky, Staircase
from snncc_ir.nodes import AnyNode, Conv, Dense, Input, Population, Readout
from snncc_ir.streaming import run_streaming
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate
from snncc_ir.types import Levels
from support.graphs import Case
from support.nir_cases import nir_cases
from support.nir_files import STRANGE, check_changed, entries, image_file
from support.nir_machine import check_same_spikes

many = settings(suppress_health_check=list(HealthCheck), max_examples=40, deadline=None)

DECAYS = [(4095, 700), (2047, 1024), (48, 2457), (3000, 4095), (0, 1)]


def written(graph: Graph, folder: Path) -> Path:
    file = folder / f"{graph.name}.nir"
    file.write_bytes(nir_file(graph, {})[0])
    return file


def check_again(graph: Graph, inputs: dict[str, np.ndarray], file: Path) -> None:
    """What is compiled from the file has the same neurons, and sends the same spikes."""
    lifted = lift(file, 99, None)
    assert lifted.warnings == ()
    run, again = run_streaming(graph, inputs), run_streaming(lifted.graph, inputs)
    for node in graph.populations:
        if isinstance(node.neuron, Leaky):
            assert lifted.graph.by_name[node.name].neuron == node.neuron  # type: ignore[union-attr]
            np.testing.assert_array_equal(again.trains[node.name], run.trains[node.name])
    for name, drives in run.outputs.items():
        np.testing.assert_array_equal(again.outputs[name], drives)


@many
@given(case=nir_cases(leaks=True))
def test_equations_and_compiler_give_the_same_spikes(
    case: Case, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = written(case.graph, tmp_path_factory.mktemp("nir"))
    check_same_spikes(case.graph, case.batch, file)
    check_again(case.graph, case.batch, file)


def network(decays: tuple[int, int] = (2047, 1024), vth: int = 60, bias: int = 3) -> Graph:
    """Two populations of other decays, and a readout; an input of spikes without neurons of its own."""
    rng = np.random.default_rng(4)

    def leaky(name: str, drive: str, du: int, dv: int) -> Population:
        values = Bias(values=Tensor.integer([bias, -bias, 0, 1]))
        neuron = Leaky(vth=vth, bias=values, du=du, dv=dv)
        return Population(name=name, drives=(drive,), neuron=neuron, code=Code.RATE)

    nodes = (
        Input(name="x", type=Levels((5,), 0, 1)),
        Dense(name="a", source="x", weight=Tensor.integer(rng.integers(-128, 128, (4, 5)), 8)),
        leaky("p", "a", *decays),
        Dense(name="b", source="p", weight=Tensor.integer(rng.integers(-128, 128, (4, 4)), 8)),
        leaky("q", "b", 4095, 700),
        Dense(name="c", source="q", weight=Tensor.integer(rng.integers(-9, 10, (2, 4)), 8)),
        Readout(name="y", drives=("c",), bias=Bias(values=Tensor.integer([5, -5])), scale=0.25),
    )
    return Graph(name="net", nodes=nodes, outputs=("y",), timing=Rate(30, Reset.ZERO))


@pytest.mark.parametrize("decays", DECAYS)
def test_long_runs(tmp_path: Path, decays: tuple[int, int]) -> None:
    graph = network(decays)
    inputs = {"x": np.random.default_rng(0).integers(0, 2, (6, 5))}
    assert 0 < run_streaming(graph, inputs).trains["q"].mean() < 1
    file = written(graph, tmp_path)
    check_same_spikes(graph, inputs, file)
    check_again(graph, inputs, file)


def test_the_numbers_of_a_file(tmp_path: Path) -> None:
    """49 parts of 4096 have no power of two as a step: 1 / 49 is no number of floating point."""
    made = nir.read(written(network((48, 2457)), tmp_path))
    p, q = made.nodes["p"], made.nodes["q"]
    assert (type(p), type(q)) == (nir.CubaLIF, nir.LIF)
    dt = made.metadata["dt"]
    assert (dt / p.tau_syn * 4096 == 49).all()
    assert (dt / p.tau_mem * 4096 == 2457).all()
    assert (dt / q.tau * 4096 == 700).all()
    assert 2**-10 <= dt < 2**-9
    assert (p.metadata["v_unit"], q.metadata["v_unit"]) == (49 * 2457 / 2**24, 700 / 4096)
    assert (q.v_threshold == (60 + 1 / 128) * 700 / 4096).all()
    assert p.v_leak.tolist() == [3 * 49 / 4096, -3 * 49 / 4096, 0, 49 / 4096]


def test_a_file_of_others_comes_back_as_the_same_graph(tmp_path: Path) -> None:
    first = lift(image_file(tmp_path), 40, None).graph
    assert any(is_relay(first, node) for node in first.populations)
    file = written(first, tmp_path)
    again = lift(file, 1, None)
    assert again.warnings == ()
    assert again.graph.timing == first.timing
    assert again.graph.by_name == first.by_name
    check_same_spikes(first, {"in": np.random.default_rng(3).integers(0, 2, (2, 2, 6, 6))}, file)


def with_first(neuron: Leaky | Staircase) -> Graph:
    graph = network()
    return graph.with_nodes([replace(graph.populations[0], neuron=neuron)])


def leaky(**values: Any) -> Leaky:
    known = {"vth": 60, "bias": Bias(values=Tensor.integer([0, 0, 0, 0])), "du": 2047, "dv": 1024}
    return Leaky(**{**known, **values})


def many_rates() -> Graph:
    """Dense layers in a row, of which each leaks at a prime rate of its own."""
    nodes: list[AnyNode] = [Input(name="x", type=Levels((1,), 0, 1))]
    for number, prime in enumerate((4093, 4091, 4079, 4073, 4057)):
        neuron = leaky(bias=Bias(values=Tensor.integer([0])), du=4095, dv=prime)
        weight = Tensor.integer([[9]], 8)
        nodes.append(Dense(name=f"a{number}", source=nodes[-1].name, weight=weight))
        nodes.append(Population(name=f"p{number}", drives=(f"a{number}",), neuron=neuron, code=Code.RATE))
    return Graph(name="net", nodes=tuple(nodes), outputs=("p4",), timing=Rate(3, Reset.ZERO))


BORDER = Bias(values=Tensor.integer(np.arange(36).reshape(4, 3, 3)), rows=(0, 1, 2), columns=(0, 1, 2))
STAIRS = Staircase(theta=Tensor.integer([9] * 4), bias=Bias(values=Tensor.integer([0] * 4)), lo=0, hi=1)
REFUSED = {
    "p: its potential does not leak (dv 0), so its time constant would be infinite": with_first(leaky(dv=0)),
    "p: its threshold or a bias, times its decays, takes more than the 53 bits of floating point": with_first(
        leaky(vth=2**40 + 1, du=2046, dv=1023)
    ),
    "p: does not leak, and others do; a NIR file for compile has one kind of neuron": with_first(STAIRS),
    "net: its neurons leak at so many rates that in floating point no time step is a whole multiple of "
    "all": many_rates(),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_refuses_what_no_file_says_exactly(reason: str) -> None:
    with pytest.raises(TargetError) as caught:
        nir_file(REFUSED[reason], {})
    assert str(caught.value) == f"net: NIR cannot express this network: {reason}"


def test_refuses_a_bias_that_differs_at_the_border() -> None:
    conv = Conv(name="a", source="x", weight=Tensor.integer(np.ones((4, 1, 1, 1)), 8))
    node = Population(name="p", drives=("a",), neuron=leaky(bias=BORDER), code=Code.RATE)
    source = Input(name="x", type=Levels((1, 3, 3), 0, 1))
    graph = Graph(name="net", nodes=(source, conv, node), outputs=("p",), timing=Rate(3, Reset.ZERO))
    assert [*find_refusals(graph)] == [
        "p: its bias differs at the border, and NIR has one per channel; a mean of the input other than 0 "
        "does that"
    ]


NOT_WHOLE = (
    "p: its weights, biases or threshold are not whole in its v_unit of {}, or do not fit; leave the length "
    "of a step as the file says it"
)


@pytest.mark.parametrize(
    ("unit", "dt", "message"),
    [
        (-0.5, None, "p: its v_unit must be positive"),
        (0.3, None, NOT_WHOLE.format("0.3")),
        (1e-300, None, NOT_WHOLE.format("1e-300")),
        (0.125 / 256, None, NOT_WHOLE.format("0.000488281")),
        (0.125, 0.0003, NOT_WHOLE.format("0.125")),
    ],
)
def test_refuses_a_unit_in_which_something_is_rounded(
    tmp_path: Path, unit: float, dt: float | None, message: str
) -> None:
    graph = nir.read(written(network(), tmp_path))
    graph.nodes["p"].metadata["v_unit"] = unit
    nir.write(tmp_path / "changed.nir", graph)
    with pytest.raises(ModelError) as caught:
        lift(tmp_path / "changed.nir", 9, None, dt)
    assert str(caught.value) == message


def test_entries_of_another_kind_are_one_message(tmp_path: Path) -> None:
    whole = written(network(), tmp_path)
    for number, name in enumerate(entries(whole)):
        check_changed(whole, tmp_path / f"{number}.nir", name, list(STRANGE.values())[number % len(STRANGE)])
