"""What the target fpga refuses, in its own words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from snncc_backends.fpga.refusals import find_refusals
from snncc_ir.graph import Graph
from snncc_ir.machine import Limit, Machine
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import Dense, Input, Population
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Phased
from snncc_ir.types import Levels
from support.fpga import machine

LANES = "lanes; give a power of two from 8 to 512 with --lanes"


def network(inputs: int = 40, outputs: int = 8) -> Graph:
    """One dense population; every weight of its first neuron is the greatest, so that its sum is."""
    weight = np.random.default_rng(0).integers(-127, 128, (outputs, inputs))
    weight[0] = 127
    neuron = Staircase(
        theta=Tensor.integer(np.full(outputs, 100)),
        bias=Bias(values=Tensor.integer(np.zeros(outputs, dtype=np.int64))),
        lo=0,
        hi=15,
    )
    nodes = (
        Input(name="x", type=Levels((inputs,), 0, 15)),
        Dense(name="d", source="x", weight=Tensor.integer(weight, 8)),
        Population(name="p", drives=("d",), neuron=neuron),
    )
    return Graph(name="wide", nodes=nodes, outputs=("p",), timing=Phased())


def with_membrane(bits: int) -> Machine:
    """A device with so narrow potentials."""
    return replace(machine(8), membrane_bits=Limit(value=bits, source="this test"))


@pytest.mark.parametrize("lanes", [0, 4, 12, 1024])
def test_lanes_are_a_power_of_two(lanes: int) -> None:
    assert find_refusals(network(), machine(lanes)) == (f"{lanes} {LANES}",)


def test_potentials_beyond_the_device() -> None:
    assert find_refusals(network(), with_membrane(18)) == ()
    assert find_refusals(network(), with_membrane(17)) == (
        "p: potentials of 18 bits by the width certificate, ecp5-85k has 17; use fewer weight bits or "
        "level bits",
    )


def test_a_network_too_large_for_the_device() -> None:
    assert find_refusals(network(4096, 256), machine(32)) == (
        "needs 465 block memories, ecp5-85k has 208; weights take 456: use fewer weight or level bits, "
        "another number of lanes, or a larger device",
    )
