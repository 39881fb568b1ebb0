"""Networks that are emitted slice by slice of a plan compute what they compute as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lava_networks import SAME, Maker, images, population, residual

from snncc.cores.planning import make_plan
from snncc_backends.lava import backend
from snncc_backends.lava.profiles import emit_files
from snncc_ir.codes import PHASED_CODES, Code
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.machine import Limit, Machine
from snncc_ir.nodes import Conv, Dense, Input, Readout, Reshape, Scale, SumPool
from snncc_ir.plan import Partial
from snncc_ir.progress import silent
from snncc_ir.spiking import run_phased
from snncc_ir.types import Levels
from support.driver import Drive, served
from support.graphs import Case, cases
from support.lava_check import check

LOIHI2 = backend.machines["loihi2"]
LAVA = backend.engines[0]


def planned(graph: Graph, compartments: int) -> Machine:
    """Loihi 2 with cores of so many neurons, and the plan of a network on them."""
    assert LOIHI2.core is not None
    core = replace(LOIHI2.core, compartments=Limit(compartments, "test"))
    machine = replace(LOIHI2, core=core)
    return replace(machine, plan=make_plan(graph, machine).plan)


def cells(graph: Graph, machine: Machine) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(emit_files(graph, machine)["lava/network.json"])["cells"]
    return found


def resnet() -> Graph:
    """The shapes of ResNet-8 with few channels: three blocks, the last two with strided skips, and a mean."""
    m = Maker(7)
    nodes: list[Any] = [
        Input(name="pixels", type=Levels((3, 8, 8), 0, 255)),
        Conv(name="stem", source="pixels", weight=m.weight(4, 3, 3, 3), padding=SAME),
        population("p0", "stem", m.staircase(4, theta=8000), Code.RADIX),
    ]
    channels, source = 4, "p0"
    for number, (width, stride) in enumerate(((4, 1), (6, 2), (8, 2)), start=1):
        side = (stride, stride)
        first, second, skip, inner = f"a{number}", f"b{number}", f"s{number}", f"i{number}"
        weight, middle = m.weight(width, channels, 3, 3), m.weight(width, width, 3, 3)
        nodes += [
            Conv(name=first, source=source, weight=weight, padding=SAME, stride=side),
            population(inner, first, m.staircase(width, theta=300), Code.RADIX),
            Conv(name=second, source=inner, weight=middle, padding=SAME),
            Scale(name=skip, source=source, weight=m.weight(width))
            if stride == 1
            else Conv(name=skip, source=source, weight=m.weight(width, channels, 1, 1), stride=side),
        ]
        channels, source = width, f"p{number}"
        nodes.append(population(source, (second, skip), m.staircase(width, theta=300), Code.RADIX))
    nodes += [
        SumPool(name="mean", source=source, weight=m.weight(8), kernel=(2, 2)),
        population("pooled", "mean", m.staircase(8, theta=100), Code.RADIX),
        Reshape(name="flat", source="pooled", shape=(8,)),
        Dense(name="dense", source="flat", weight=m.weight(10, 8)),
        Readout(name="scores", drives=("dense",), bias=m.bias(10)),
    ]
    return Graph(name="resnet", nodes=tuple(nodes), outputs=("scores",))


@pytest.fixture(scope="module")
def drive(lava_python: str) -> Iterator[Drive]:
    """Hands a folder to `drive_models.py`, which runs as long as the tests of this module."""
    yield from served(lava_python, Path(__file__).parent / "drive_models.py")


@settings(max_examples=40)
@given(case=cases(), compartments=st.integers(2, 60))
def test_slices_equal_the_reference_on_random_networks(drive: Drive, case: Case, compartments: int) -> None:
    """Process models without Lava's runtime, on cores of any size."""
    assume(not backend.refusals(case.graph, LOIHI2))
    try:
        machine = planned(case.graph, compartments)
    except TargetError:
        assume(False)
    check(drive, emit_files(case.graph, machine), case.graph, {name: x[0] for name, x in case.inputs.items()})


@pytest.mark.parametrize("compartments", [5, 64])
@pytest.mark.parametrize("codes", [(Code.RADIX,), PHASED_CODES], ids=["radix", "all"])
def test_slices_of_every_kind_of_node(drive: Drive, codes: tuple[Code, ...], compartments: int) -> None:
    graph = residual(codes)
    files = emit_files(graph, planned(graph, compartments))
    check(drive, files, graph, images(graph, 3))


def test_a_process_for_each_slice() -> None:
    graph = resnet()
    machine = planned(graph, 100)
    assert machine.plan is not None
    slices = [(s.unit, [list(part) for part in s.box]) for use in machine.plan.cores for s in use.slices]
    found = cells(graph, machine)
    assert sorted((cell["unit"], cell["box"]) for cell in found if "box" in cell) == sorted(slices)
    assert len(found) == 1 + len(slices) > 12
    assert {cell["core"] for cell in found if "box" in cell} == set(range(len(machine.plan.cores)))


def test_a_slice_listens_to_the_slices_that_it_needs_alone() -> None:
    graph = resnet()
    found = cells(graph, planned(graph, 40))
    slices = {cell["name"] for cell in found if cell.get("unit") == "p0"}
    readers = [set(cell["ports"]) for cell in found if cell.get("unit") == "i1"]
    assert set.union(*readers) == slices
    assert any(reader < slices for reader in readers)


@pytest.mark.usefixtures("lava_python")
def test_slices_in_lava() -> None:
    graph = resnet()
    inputs = images(graph, 2)
    run = LAVA.run(graph, planned(graph, 200), inputs, silent)
    reference = run_phased(graph, {name: x[None] for name, x in inputs.items()})
    for name, train in reference.trains.items():
        np.testing.assert_array_equal(run.trains[name], train[0], err_msg=name)
        assert np.any(train), f"{name} never fires: the test is vacuous"
    np.testing.assert_array_equal(run.outputs["scores"], reference.outputs["scores"][0])


def test_partial_sums_are_refused() -> None:
    graph = resnet()
    machine = planned(graph, 100)
    assert machine.plan is not None
    part = Partial("scores.dense.0", "dense", "scores", (0, 4))
    machine = replace(machine, plan=replace(machine.plan, partials=(part,)))
    message = (
        "^scores: its sum is split over cores, which no process of Lava's does; compile without --partition$"
    )
    with pytest.raises(TargetError, match=message):
        backend.emit(graph, machine, {})
