"""Random networks on random chips: a plan that the checker accepts, or a limit that is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from snncc.cores.packing import Bins
from snncc.cores.planning import make_plan, refusals
from snncc_backends.chips import load_machine
from snncc_ir.codes import Code, Reset
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.machine import Core, Limit, Machine
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import Conv, Dense, Input, Pad, Population, Readout, Reshape, Scale
from snncc_ir.plan import RESOURCES, CoreUse, Plan, Slice
from snncc_ir.plan_check import check_plan
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Phased, Rate
from snncc_ir.types import Levels
from support.graphs import Case, cases

LOIHI = load_machine("loihi1")
TEMPLATE = load_machine("template")

RANGES = {
    "compartments": (1, 80),
    "soft_compartments": (1, 2),
    "input_compartments": (0, 1),
    "synapse_words": (1, 200),
    "word_bits": (16, 64),
    "list_words": (1, 30),
    "entry_synapses": (1, 20),
    "entry_bits": (1, 10),
    "index_bits": (1, 8),
    "tail_bits": (0, 6),
    "input_axons": (1, 200),
    "output_axons": (1, 200),
    "crossing_axons": (0, 2),
    "populations": (1, 8),
    "projections": (1, 8),
}
"""What of a core is drawn at random; the rest is a chip's that can express everything."""


@st.composite
def machines(draw: Callable[..., Any], tight: bool) -> Machine:
    """A random chip; a roomy one has a lot of everything that a neuron can need."""
    values = {name: draw(st.integers(*bounds)) for name, bounds in RANGES.items()}
    if not tight:
        grown = ("synapse_words", "list_words", "input_axons", "output_axons", "populations", "projections")
        values |= {name: values[name] + 2000 for name in grown}
        values["compartments"] += 1
    sides = {name: draw(st.integers(1, 3)) for name in ("columns", "rows", "router_cores")}
    given_bits = draw(st.sampled_from((0, 40)))
    assert TEMPLATE.core is not None
    assert TEMPLATE.mesh is not None
    return replace(
        TEMPLATE,
        weight_bits=Limit(draw(st.sampled_from((4, 8))), "drawn"),
        payload_bits=Limit(draw(st.sampled_from((0, 8))), "drawn"),
        core=replace(
            TEMPLATE.core,
            **{name: Limit(value, "drawn") for name, value in values.items()},
            partial_bits=Limit(given_bits, "drawn"),
            signed_spikes=Limit(1, "drawn"),
        ),
        mesh=replace(TEMPLATE.mesh, **{name: Limit(value, "drawn") for name, value in sides.items()}),
    )


def timings() -> st.SearchStrategy[Any]:
    return st.sampled_from((None, Rate(3), Rate(3, Reset.ZERO)))


NAMES = tuple(resource.value for resource in RESOURCES)


def says_why(error: TargetError) -> bool:
    """True where a message names a limit and by how much it is missed."""
    text = str(error)
    named = any(f"{name}, " in text and " more than a core has; " in text for name in NAMES)
    return named or "more than a list may have; " in text or "split over cores: " in text


@given(timings().flatmap(cases), machines(tight=True))
def test_a_tight_chip_holds_a_network_or_says_which_limit_it_misses(case: Case, machine: Machine) -> None:
    found = plan_or_reason(case.graph, machine)
    if isinstance(found, TargetError):
        assert says_why(found), str(found)
    else:
        assert check_plan(case.graph, machine, found) == ()
        assert len(found.cores) >= found.bound


def plan_or_reason(graph: Graph, machine: Machine) -> Plan | TargetError:
    try:
        return make_plan(graph, machine).plan
    except TargetError as error:
        return error


@given(timings().flatmap(cases), machines(tight=False))
def test_a_roomy_chip_holds_every_network(case: Case, machine: Machine) -> None:
    plan = make_plan(case.graph, machine).plan
    assert check_plan(case.graph, machine, plan) == ()
    assert len(plan.cores) >= plan.bound
    assert make_plan(case.graph, machine).plan == plan


@given(cases(), machines(tight=False), st.data())
def test_the_checker_sees_a_wrong_plan(case: Case, machine: Machine, data: st.DataObject) -> None:
    plan = make_plan(case.graph, machine).plan
    assume(any(core.slices for core in plan.cores))
    index = data.draw(st.integers(0, len(plan.cores) - 1))
    core = plan.cores[index]
    which = data.draw(st.integers(0, 5))
    usage = list(core.usage)
    usage[which] += data.draw(st.sampled_from((-1, 1)))
    wrong = CoreUse(core.slices, tuple(usage))
    assert check_plan(case.graph, machine, with_core(plan, index, wrong)) == (
        f"core {index}: {core.usage[which]} {NAMES[which]}, the plan says {usage[which]}",
    )
    for slices in (core.slices[1:], (*core.slices, core.slices[0])):
        found = check_plan(case.graph, machine, with_core(plan, index, CoreUse(slices, core.usage)))
        assert any("are not on one core" in text for text in found)
    moved = replace(plan, places=tuple(replace(place, column=place.column + 9) for place in plan.places))
    assert any("outside the mesh" in text for text in check_plan(case.graph, machine, moved))
    piled = replace(plan, places=(plan.places[0],) * len(plan.places))
    if len(plan.cores) > machine.mesh.router_cores.value:
        assert any("cores at a router of" in text for text in check_plan(case.graph, machine, piled))


def with_core(plan: Plan, index: int, core: CoreUse) -> Plan:
    return replace(plan, cores=(*plan.cores[:index], core, *plan.cores[index + 1 :]))


@pytest.mark.parametrize("name", [name.replace(" ", "_") for name in NAMES])
def test_the_checker_sees_a_limit_that_is_missed(name: str) -> None:
    """A plan for a chip is wrong for one that has less of what the plan uses most."""
    graph = convolutions()
    plan = make_plan(graph, LOIHI).plan
    assert check_plan(graph, LOIHI, plan) == ()
    most = max(core.usage[NAMES.index(name.replace("_", " "))] for core in plan.cores)
    assert check_plan(graph, lessened(LOIHI, name, most), plan) == ()
    found = check_plan(graph, lessened(LOIHI, name, most - 1), plan)
    assert found
    assert all(f"a core has {most - 1}" in text for text in found)


def lessened(machine: Machine, name: str, value: int) -> Machine:
    assert machine.core is not None
    return replace(machine, core=replace(machine.core, **{name: Limit(value, "a test")}))


def layer(name: str, drives: tuple[str, ...], channels: int, code: Code = Code.RATE) -> Population:
    theta = Tensor.integer(np.full(channels, 7))
    bias = Bias(values=Tensor.integer(np.zeros(channels, dtype=np.int64)))
    return Population(
        name=name, drives=drives, neuron=Staircase(theta=theta, bias=bias, lo=0, hi=15), code=code
    )


def weights(*shape: int) -> Tensor:
    return Tensor.integer(np.random.default_rng(0).integers(-128, 128, shape), 8)


HARD = Rate(16, Reset.ZERO)


def convolutions(timing: Any = HARD) -> Graph:
    """A residual network of three populations and a readout."""
    code = Code.RATE if isinstance(timing, Rate) else Code.RADIX
    around = ((1, 1), (1, 1))
    return Graph(
        name="residual",
        nodes=(
            Input(name="x", type=Levels((3, 16, 16), 0, 255)),
            Conv(name="c1", source="x", weight=weights(16, 3, 3, 3), padding=around),
            layer("p1", ("c1",), 16, code),
            Conv(name="c2", source="p1", weight=weights(16, 16, 3, 3), padding=around),
            layer("p2", ("c2",), 16, code),
            Conv(name="c3", source="p2", weight=weights(16, 16, 3, 3), padding=around),
            Scale(name="skip", source="p1", weight=Tensor.integer(np.arange(1, 17), 8)),
            layer("p3", ("c3", "skip"), 16, code),
            Reshape(name="flat", source="p3", shape=(4096,)),
            Dense(name="fc", source="flat", weight=weights(10, 4096)),
            Readout(name="y", drives=("fc",), bias=Bias(values=Tensor.integer(np.zeros(10, dtype=np.int64)))),
        ),
        outputs=("y",),
        timing=timing,
    )


def test_a_population_that_fills_its_cores_takes_the_fewest() -> None:
    found = make_plan(convolutions(), LOIHI)
    assert found.plan.bound == len(found.plan.cores) == 13
    soft = make_plan(convolutions(Rate(16)), LOIHI)
    assert soft.plan.bound == len(soft.plan.cores) == 25
    assert found.placement.hops <= found.placement.row_major_hops


def test_a_sum_of_too_many_inputs_is_split_where_the_chip_sends_partial_sums() -> None:
    graph = convolutions(Phased())
    few = lessened(replace(LOIHI, membrane_bits=Limit(32, "a test")), "input_axons", 2000)
    with pytest.raises(TargetError) as caught:
        make_plan(graph, few)
    assert str(caught.value) == (
        "y: one neuron takes 4096 input axons, 2096 more than a core has; "
        "use a layer with fewer inputs, or a chip that sends partial sums (partial_bits)"
    )
    able = lessened(few, "partial_bits", 24)
    plan = make_plan(graph, able).plan
    assert [(part.owner, part.projection, part.inputs) for part in plan.partials] == [
        ("y", "fc", (0, 1365)),
        ("y", "fc", (1365, 2730)),
        ("y", "fc", (2730, 4096)),
    ]
    assert check_plan(graph, able, plan) == ()
    for wrong in (plan.partials[1:], (*plan.partials, plan.partials[0]), plan.partials[:1] * 3):
        assert check_plan(graph, able, replace(plan, partials=wrong)) == (
            "y: the parts of fc are not each of its inputs once",
        )
    stray = replace(plan.partials[0], owner="p1")
    assert "p1 adds no parts of fc" in check_plan(graph, able, replace(plan, partials=(stray,)))
    least = lessened(able, "input_axons", 30)
    with pytest.raises(TargetError) as caught:
        make_plan(graph, least)
    assert str(caught.value) == (
        "y: one neuron takes 137 input axons, 107 more than a core has; "
        "its sum is split over cores already: use a layer with fewer inputs, or a chip with larger cores"
    )
    with pytest.raises(TargetError, match=r"^y: its sum is split over cores: \d+ bits, loihi1 sends 8; "):
        make_plan(graph, lessened(few, "partial_bits", 8))


def test_slices_and_places_that_do_not_exist_are_named() -> None:
    graph = convolutions()
    plan = make_plan(graph, LOIHI).plan
    core = plan.cores[0]
    stray = CoreUse((Slice("nobody", core.slices[0].box),), core.usage)
    assert check_plan(graph, LOIHI, with_core(plan, 0, stray)) == ("nobody has no neurons to place",)
    item = Slice(core.slices[0].unit, ((0, 99), (0, 1), (0, 1)))
    assert check_plan(graph, LOIHI, with_core(plan, 0, CoreUse((item,), core.usage))) == (
        f"{item} lies outside its population",
    )
    assert check_plan(graph, LOIHI, replace(plan, places=plan.places[1:])) == ("13 cores have 12 places",)


def test_weights_that_only_padding_reaches_do_not_count_in_the_bound() -> None:
    """A convolution whose input is mostly channels of padding: one core holds what is used."""
    graph = Graph(
        name="padded",
        nodes=(
            Input(name="x", type=Levels((16, 4, 4), 0, 15)),
            Pad(name="more", source="x", padding=((0, 240), (0, 0), (0, 0))),
            Conv(name="c", source="more", weight=weights(64, 256, 3, 3), padding=((1, 1), (1, 1))),
            Readout(name="y", drives=("c",), bias=Bias(values=Tensor.integer(np.zeros(64, dtype=np.int64)))),
        ),
        outputs=("y",),
    )
    machine = load_machine("loihi2")
    plan = make_plan(graph, machine).plan
    assert check_plan(graph, machine, plan) == ()
    assert len(plan.cores) == plan.bound == 1


def test_a_plan_of_very_many_cores_is_refused() -> None:
    with pytest.raises(TargetError) as caught:
        make_plan(convolutions(), lessened(LOIHI, "compartments", 1))
    assert str(caught.value) == (
        "it takes 13,066 cores or more, and no plan is made of more than 8,192; use a chip with larger cores"
    )


def test_what_a_chip_cannot_express_is_refused() -> None:
    graph = convolutions()
    short = lessened(LOIHI, "delay", 0)
    assert refusals(graph, short) == (
        "skip: waits 1 steps for the longest path, 1 more than loihi1 can delay a spike; use a phased code",
    )
    assert refusals(graph, load_machine("any")) == ("any has no cores",)
    with pytest.raises(TargetError, match=r"^skip: waits 1 steps"):
        make_plan(graph, short)


def test_spikes_that_are_measured_decide_where_cores_lie() -> None:
    """The traffic is that of the neurons that fire."""
    graph = convolutions()
    silent = {
        name: np.zeros(shape, dtype=np.float32)
        for name, shape in (("p1", (16, 16, 16)), ("p2", (16, 16, 16)))
    }
    loud = make_plan(graph, LOIHI)
    quiet = make_plan(graph, LOIHI, silent)
    assert quiet.arriving < loud.arriving
    assert [core.slices for core in quiet.plan.cores] == [core.slices for core in loud.plan.cores]


def test_every_limit_of_a_core_is_drawn_or_a_property() -> None:
    fixed = {"pool_compartments", "partial_bits", "signed_spikes", "delay"}
    assert {field.name for field in fields(Core)} == set(RANGES) | fixed
    assert Slice("p", ((0, 2), (0, 3), (1, 2))).size == 6


def test_cores_that_are_filled_side_by_side_hold_what_needs_neurons_and_what_needs_synapses() -> None:
    """Four boxes of many synapses and four of many neurons: in turn they take six cores, spread out four."""
    rich, wide = (1, 5, 0, 0, 1, 1), (9, 1, 0, 0, 1, 1)
    limits = (10, 10, 10, 10, 4, 4)
    found = []
    for spread in (0, 4):
        bins = Bins(limits, spread)
        for usage in (*[rich] * 4, *[wide] * 4):
            bins.add(Slice("p", ((0, 1), (0, 1), (0, 1))), usage, bins.best(usage))
        found.append(len(bins.cores))
    assert found == [6, 4]
    assert Bins(limits, 3).cores == ()


def test_a_box_with_too_many_output_axons_is_cut_where_its_sources_pay_least() -> None:
    """Slices of wide convolutions keep all channels, since another slice of channels reads all again."""
    nodes: list[Any] = [Input(name="x", type=Levels((64, 16, 16), 0, 255))]
    last = "x"
    for number, stride in enumerate((1, 1, 2)):
        around = ((1, 1), (1, 1))
        kernel = weights(64, 64, 3, 3)
        nodes += [
            Conv(name=f"c{number}", source=last, weight=kernel, padding=around, stride=(stride, stride)),
            layer(f"p{number}", (f"c{number}",), 64),
        ]
        last = f"p{number}"
    graph = Graph(name="wide", nodes=tuple(nodes), outputs=(last,), timing=HARD)
    machine = lessened(LOIHI, "output_axons", 2000)
    plan = make_plan(graph, machine).plan
    assert check_plan(graph, machine, plan) == ()
    slices = [item for core in plan.cores for item in core.slices]
    assert {item.box[0] for item in slices if item.unit == "p1"} == {(0, 64)}
