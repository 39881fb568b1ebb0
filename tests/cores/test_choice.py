"""The choice of codes: no other codes cost less, no level changes, and what cannot be chosen is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from snncc.code_choice import Chooser
from snncc.cores.activity import phased_activity, recoded
from snncc.cores.choice import choose_codes, with_codes
from snncc.cores.energy import estimate
from snncc.cores.planning import make_plan
from snncc.cores.units import compartments_of
from snncc.passes.base import Context, no_codes
from snncc.passes.pipeline import parse
from snncc.sim.drives import Layers
from snncc.sim.evaluate import make_runner
from snncc_backends.chips import load_machine
from snncc_ir.certificates import certify_widths
from snncc_ir.codes import PHASED_CODES, Code, CodeGoal, CodeOption
from snncc_ir.encoding import InputFormat
from snncc_ir.errors import GraphError, SnnccError
from snncc_ir.graph import Graph
from snncc_ir.machine import Limit, Machine, Quantity
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import Concat, Input, MaxPool, Population, Readout, Scale
from snncc_ir.selection import CodeChoice
from snncc_ir.semantics import evaluate
from snncc_ir.spiking import run_phased
from snncc_ir.statistics import Calibration
from snncc_ir.tensors import Tensor, interval_bits
from snncc_ir.text import print_graph
from snncc_ir.types import Levels
from support.graphs import Case, cases
from support.native import needs_native

TEMPLATE = load_machine("template")
MOST = 300
"""Assignments that are tried one by one."""


@st.composite
def machines(draw: Callable[..., Any]) -> Machine:
    """A chip with random codes, widths and figures that holds every random network."""
    assert TEMPLATE.core is not None
    assert TEMPLATE.events is not None
    codes = draw(st.sets(st.sampled_from(PHASED_CODES), min_size=2))
    wide = dict.fromkeys(("input_axons", "output_axons", "list_words", "synapse_words"), 9000)
    limits = {**wide, "compartments": 60, "signed_spikes": 1, "soft_compartments": draw(st.integers(1, 3))}
    figures = {
        name: Quantity(draw(st.sampled_from((0.0, 1.0, 20.0, 700.0))), "drawn")
        for name in (
            "synapse_energy",
            "update_energy",
            "spike_energy",
            "synapse_time",
            "update_time",
            "step_time",
        )
    }
    return replace(
        TEMPLATE,
        codes=frozenset(codes),
        payload_bits=Limit(draw(st.integers(0, 9)), "drawn"),
        membrane_bits=Limit(draw(st.integers(4, 24)), "drawn"),
        core=replace(TEMPLATE.core, **{name: Limit(value, "drawn") for name, value in limits.items()}),
        events=replace(TEMPLATE.events, **figures),
    )


def levels_of(case: Case) -> dict[str, Any]:
    values = evaluate(case.graph, case.batch)
    return {node.name: values[node.name] for node in (*case.graph.inputs, *case.graph.populations)}


def expressible(graph: Graph, machine: Machine, code: Code, name: str) -> bool:
    levels = graph.levels(name)
    bits = interval_bits(levels.lo, levels.hi) if code is Code.GRADED else 0
    width = certify_widths(recoded(graph, code))[name].bits
    return bits <= machine.payload_bits.value and width <= machine.membrane_bits.value


@settings(max_examples=60, deadline=None)
@given(cases(layers_max=3), machines(), st.sampled_from(CodeGoal))
def test_no_other_codes_cost_less(case: Case, machine: Machine, goal: CodeGoal) -> None:
    graph, levels = case.graph, levels_of(case)
    names = [node.name for node in graph.populations]
    offered = [code for code in PHASED_CODES if code in machine.codes]
    options = [
        [code for code in offered if expressible(graph, machine, code, name)] or offered for name in names
    ]
    assume(np.prod([len(codes) for codes in options]) <= MOST)
    choice = choose_codes(graph, machine, levels, goal)
    uniform = recoded(graph, choice.reference)
    planned = make_plan(uniform, machine, dict(phased_activity(uniform, levels).spikes))
    least = choice.price.key(goal)[0]
    for codes in product(*options):
        try:
            other = with_codes(graph, dict(zip(names, codes, strict=True)))
        except GraphError:
            continue  # a pool of several codes
        found = estimate(planned, other, machine, phased_activity(other, levels))
        compartments = sum(
            int(np.prod(other.types[node.name].shape)) * compartments_of(other, node, machine.core)
            for node in other.populations
        )
        price = {
            CodeGoal.ENERGY: found.total.energy,
            CodeGoal.TIME: found.latency,
            CodeGoal.CORES: compartments,
        }[goal]
        assert least <= price * (1 + 1e-9)


def check_engines(case: Case, machine: Machine, engines: tuple[str, ...]) -> None:
    graph, levels = case.graph, levels_of(case)
    values = evaluate(graph, case.batch)
    for goal in CodeGoal:
        chosen = with_codes(graph, choose_codes(graph, machine, levels, goal).codes)
        run = run_phased(chosen, case.inputs)
        for name, want in levels.items():
            np.testing.assert_array_equal(run.levels[name].reshape(want.shape), want)
        batches = [make_runner(chosen, engine)(case.batch) for engine in engines]
        for batch in batches:
            assert batch.counts == batches[0].counts
            for name, found in batch.outputs.items():
                np.testing.assert_array_equal(found, values[name])


@settings(max_examples=40, deadline=None)
@given(cases(layers_max=3), machines())
def test_every_engine_gives_the_same_levels(case: Case, machine: Machine) -> None:
    check_engines(case, machine, ("reference", "levels", "spikes"))


@needs_native
@settings(max_examples=40, deadline=None)
@given(cases(layers_max=3), machines())
def test_the_native_engine_gives_the_same_levels(case: Case, machine: Machine) -> None:
    check_engines(case, machine, ("reference", "native"))


def binary_spikes(**changed: Any) -> Machine:
    """A chip without payloads."""
    return replace(TEMPLATE, codes=frozenset({Code.RADIX, Code.COUNT, Code.TTFS}), **changed)


def two_widths(theta: int = 36) -> Graph:
    """An image of 8 bits into a population of 3 bits, that into one of 4 bits, and a readout."""
    ones = Tensor.integer(np.ones(8, dtype=np.int64), 8)
    zeros = Bias(values=Tensor.integer(np.zeros(8, dtype=np.int64)))
    narrow = Staircase(theta=Tensor.integer(np.full(8, theta)), bias=zeros, lo=0, hi=7)
    wide = Staircase(theta=ones, bias=zeros, lo=0, hi=15)
    return Graph(
        name="two_widths",
        nodes=(
            Input(name="x", type=Levels((8,), 0, 255), code=Code.RADIX),
            Scale(name="s1", source="x", weight=ones),
            Population(name="p", drives=("s1",), neuron=narrow, code=Code.RADIX),
            Scale(name="s2", source="p", weight=Tensor.integer(np.full(8, 2), 8)),
            Population(name="q", drives=("s2",), neuron=wide, code=Code.RADIX),
            Scale(name="s3", source="q", weight=ones),
            Readout(name="y", drives=("s3",), bias=zeros),
        ),
        outputs=("y",),
    )


def context_for(machine: Machine) -> tuple[Context, list[CodeChoice]]:
    heard: list[CodeChoice] = []
    context = Context(
        calibration=Calibration(populations={}, images=0, synthetic=False),
        input_format=InputFormat(
            levels=Levels((8,), 0, 255), scale=np.ones(1), zero=np.zeros(1), exact=True, verdict="pixels"
        ),
        samples=np.arange(32, dtype=np.int64).reshape(4, 8) * 8,
        layers=Layers(),
        codes=Chooser(machine),
        chose=heard.append,
    )
    return context, heard


@pytest.mark.parametrize("goal", [goal.value for goal in CodeGoal])
def test_a_narrow_population_rides_in_the_window_of_the_image(goal: str, golden: Callable[..., None]) -> None:
    """8 steps of the image hold 7 of `ttfs` for 3 bits, but not 15 for 4 bits."""
    context, heard = context_for(binary_spikes())
    graph = parse(f"cheapest_codes{{goal={goal}}}").run(two_widths(), context, lambda *_: None)
    assert [node.code for node in graph.populations] == [Code.TTFS, Code.RADIX]
    golden("two_widths.txt", print_graph(graph))
    (choice,) = heard
    assert choice.goal.value == goal
    assert choice.price.nanojoules < choice.reference_price.nanojoules
    assert choice.reference is Code.RADIX


def test_a_second_compartment_is_worth_a_longer_window_where_cores_count() -> None:
    core = replace(TEMPLATE.core, soft_compartments=Limit(2, "a test"))
    context, heard = context_for(binary_spikes(core=core))
    graph = parse("cheapest_codes{goal=cores}").run(two_widths(), context, lambda *_: None)
    assert [node.code for node in graph.populations] == [Code.TTFS, Code.TTFS]
    assert (heard[0].price.compartments, heard[0].reference_price.compartments) == (16, 32)


def test_payloads_and_potentials_that_do_not_fit_are_not_chosen() -> None:
    payloads = replace(TEMPLATE, codes=frozenset(PHASED_CODES), payload_bits=Limit(4, "a test"))
    context, _ = context_for(payloads)
    graph = parse("cheapest_codes").run(two_widths(), context, lambda *_: None)
    assert [node.code for node in graph.populations] == [Code.GRADED, Code.RADIX]
    context, _ = context_for(binary_spikes(membrane_bits=Limit(10, "a test")))
    graph = parse("cheapest_codes").run(two_widths(theta=100), context, lambda *_: None)
    assert [node.code for node in graph.populations] == [Code.COUNT, Code.RADIX]  # others compare with 700


def test_populations_that_a_pool_joins_share_a_code() -> None:
    ones = Tensor.integer(np.ones(2, dtype=np.int64), 8)
    zeros = Bias(values=Tensor.integer(np.zeros(2, dtype=np.int64)))

    def layer(name: str, source: str) -> tuple[Scale, Population]:
        neuron = Staircase(theta=ones, bias=zeros, lo=0, hi=7)
        scale = Scale(name=f"s_{name}", source=source, weight=ones)
        return scale, Population(name=name, drives=(scale.name,), neuron=neuron, code=Code.COUNT)

    graph = Graph(
        name="joined",
        nodes=(
            Input(name="x", type=Levels((2, 2, 2), 0, 7), code=Code.RADIX),
            *layer("a", "x"),
            *layer("b", "x"),
            Concat(name="both", parts=("a", "b"), axis=0),
            MaxPool(name="most", source="both", kernel=(2, 2), stride=(2, 2)),
            *layer("c", "a"),
        ),
        outputs=("most", "c"),
    )
    levels = {"x": np.ones((1, 2, 2, 2), dtype=np.int64)}
    values = evaluate(graph, levels)
    choice = choose_codes(graph, binary_spikes(), {name: values[name] for name in "xabc"}, CodeGoal.ENERGY)
    assert choice.codes["a"] is choice.codes["b"]
    with_codes(graph, choice.codes)


MISTAKES = [
    ("cheapest_codes{goal=speed}", TEMPLATE, "cheapest_codes: goal 'speed' is none of energy, time, cores"),
    (
        "choose_code{code=rate};cheapest_codes",
        TEMPLATE,
        "cheapest_codes: chooses among phased codes; put choose_code with one of them before it",
    ),
    (
        "cheapest_codes",
        load_machine("any"),
        "any: has no figures for energy and time, so codes have no price; compile for a chip of cores "
        "(--target lava), or name a --code",
    ),
    (
        "cheapest_codes",
        load_machine("loihi1"),
        "loihi1: offers rate, so there is no phased code to choose; name a --code",
    ),
    (
        "cheapest_codes",
        replace(TEMPLATE, codes=frozenset({Code.TTFS, Code.STBIF})),
        "mychip: offers stbif, ttfs, so there is no phased code to choose; name a --code",
    ),
]


@pytest.mark.parametrize(("text", "machine", "message"), MISTAKES)
def test_what_cannot_be_chosen_gives_one_message(text: str, machine: Machine, message: str) -> None:
    context, _ = context_for(machine)
    with pytest.raises(SnnccError) as caught:
        parse(text).run(two_widths(), context, lambda *_: None)
    assert str(caught.value) == message


def test_without_a_chip_the_pass_says_so() -> None:
    context, _ = context_for(TEMPLATE)
    with pytest.raises(SnnccError) as caught:
        parse("cheapest_codes").run(two_widths(), replace(context, codes=no_codes), lambda *_: None)
    assert str(caught.value) == "two_widths: this needs a chip that prices codes, and none is given"


def test_every_code_and_every_goal_is_an_option() -> None:
    goals = {"auto", *(f"auto:{goal.value}" for goal in CodeGoal)}
    assert {option.value for option in CodeOption} == {code.value for code in Code} | goals
