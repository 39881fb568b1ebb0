"""The search for a chain is exact: it finds what trying all chains finds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snncc_backends.chips import load_machine
from snncc_backends.fpga.chain.balance import FpgaBalancer
from snncc_backends.fpga.chain.search import Choice, Needs, Option, fewest_luts, most_images
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.machine import Goal, Limit
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import Dense, Input, Population, Readout
from snncc_ir.progress import silent
from snncc_ir.tensors import Tensor
from snncc_ir.types import Levels
from support.fpga import machine

PASSES = 4
SMALL = st.integers(1, 9)


@st.composite
def options(draw: st.DrawFn) -> list[Option]:
    """Some ways to run each run of passes; more lanes have a slower clock."""
    found = []
    for first in range(PASSES):
        for end in range(first + 1, PASSES + 1):
            for lanes in draw(st.sets(st.sampled_from((8, 16, 32)))):
                needs = Needs(luts=draw(SMALL), blocks=draw(SMALL), multipliers=lanes)
                found.append(
                    Option(
                        first=first,
                        end=end,
                        lanes=lanes,
                        needs=needs,
                        interval=float(draw(SMALL)),
                        clock=120.0 - lanes,
                    )
                )
    return found


def all_choices(given: list[Option], place: int = 0) -> Iterator[Choice]:
    """Every chain of options."""
    if place == PASSES:
        yield Choice((), Needs(luts=0, blocks=0, multipliers=0))
        return
    for option in given:
        if option.first == place:
            for rest in all_choices(given, option.end):
                yield Choice((option, *rest.options), option.needs + rest.needs)


LIMITS = st.builds(Needs, luts=st.integers(3, 30), blocks=st.integers(3, 30), multipliers=st.integers(8, 100))


@settings(max_examples=300, deadline=None)
@given(options(), LIMITS, st.floats(5e6, 1e8))
def test_the_fewest_luts(ways: list[Option], limits: Needs, rate: float) -> None:
    fitting = [choice for choice in all_choices(ways) if choice.needs.within(limits)]
    reaching = [choice.needs.luts for choice in fitting if choice.images_per_second >= rate]
    found = fewest_luts(ways, PASSES, limits, rate)
    assert (None if found is None else found.needs.luts) == min(reaching, default=None)
    assert found is None or (found.needs.within(limits) and found.images_per_second >= rate)


@settings(max_examples=300, deadline=None)
@given(options(), LIMITS)
def test_the_most_images_per_second(ways: list[Option], limits: Needs) -> None:
    fitting = [choice.images_per_second for choice in all_choices(ways) if choice.needs.within(limits)]
    found = most_images(ways, PASSES, limits)
    assert (None if found is None else found.images_per_second) == max(fitting, default=None)
    assert found is None or found.needs.within(limits)


def large() -> Graph:
    """A dense population with many weights, and a readout with few."""
    rng = np.random.default_rng(0)
    wide = Dense(name="wide", source="x", weight=Tensor.integer(rng.integers(-99, 100, (300, 200)), 8))
    neuron = Staircase(
        theta=Tensor.integer([900] * 300), bias=Bias(values=Tensor.integer([0] * 300)), lo=0, hi=3
    )
    nodes = (
        Input(name="x", type=Levels((200,), 0, 3)),
        wide,
        Population(name="many", drives=("wide",), neuron=neuron),
        Dense(name="few", source="many", weight=Tensor.integer(rng.integers(-9, 10, (4, 300)), 5)),
        Readout(name="y", drives=("few",), bias=Bias(values=Tensor.integer([0] * 4))),
    )
    return Graph(name="large", nodes=nodes, outputs=("y",))


IMAGES = {"x": np.random.default_rng(1).integers(0, 4, (2, 200))}


def test_a_device_with_too_few_memories() -> None:
    fabric = load_machine("ecp5-25k").fabric
    assert fabric is not None
    device = replace(machine(8), fabric=replace(fabric, blocks=Limit(9, "a test")))
    with pytest.raises(TargetError) as raised:
        FpgaBalancer().balance(large(), device, Goal(luts=20000), IMAGES, silent)
    assert re.fullmatch(
        r"--max-lut: no chain fits ecp5-85k within 20,000 LUTs: it needs at least \d+ block memories of 9 "
        r"\(weights of core 0 take \d+\); use fewer weight or level bits, or a larger device or --max-lut",
        str(raised.value),
    )


def test_a_pass_that_no_core_runs_is_named() -> None:
    """Though cores for the other passes are there."""
    device = replace(machine(8), membrane_bits=Limit(15, "a test"))
    with pytest.raises(TargetError) as raised:
        FpgaBalancer().balance(large(), device, Goal(luts=20000), IMAGES, silent)
    assert re.fullmatch(
        r"--max-lut: many: potentials of \d+ bits by the width certificate, ecp5-85k has 15; "
        r"use fewer weight bits or level bits",
        str(raised.value),
    )
