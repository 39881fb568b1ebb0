"""Flipped bits of a small network's tables: execution catches them, or no input can reach them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from snncc_backends.fpga.emit import table_files
from snncc_backends.fpga.faults.fire_unit import Neuron, fired
from snncc_backends.fpga.faults.mutation import Bit, Fate, Mutant, Mutations, flipped, random_bits
from snncc_backends.fpga.faults.unreached import Unreached
from snncc_backends.fpga.tables.assemble import build_tables
from snncc_backends.fpga.tables.program import PassProgram
from snncc_backends.fpga.tables.tables import Tables
from snncc_backends.tools.found import Tool
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase, Table
from snncc_ir.nodes import Population
from snncc_ir.tensors import Tensor
from support.binary import two_binary
from support.fpga import little, wide

STAIRCASE = Staircase(
    theta=Tensor.integer([20, 30, 25]), bias=Bias(values=Tensor.integer([0, -5, 7])), lo=0, hi=7
)


def mutants(
    graph: Graph, tables: Tables, bits: list[Bit], folder: Path, verilator: Tool, compiler: Tool
) -> list[Mutant]:
    rng, inputs = np.random.default_rng(3), {node.name: graph.levels(node.name) for node in graph.inputs}
    batches = [
        {name: rng.integers(x.lo, x.hi + 1, (count, *x.shape)) for name, x in inputs.items()}
        for count in (8, 200)
    ]
    mutations = Mutations(tables=tables, batches=batches, inputs=inputs, folder=folder)
    mutations.build(verilator, compiler)
    found = [mutations.run(bit) for bit in bits]
    assert (folder / "weights.mem").read_bytes() == table_files(tables)["weights.mem"]
    return found


def check(found: list[Mutant]) -> None:
    counts = Counter(mutant.fate for mutant in found)
    missed = [mutant for mutant in found if mutant.fate is Fate.MISSED]
    # of a few dozen bits one may be beyond all inputs without a proof of it
    assert len(missed) <= max(1, 0.01 * (counts[Fate.CAUGHT] + len(missed))), missed
    assert counts[Fate.CAUGHT] >= len(found) // 10


def tabled() -> Graph:
    """The little network with breakpoints that are not evenly spaced."""
    table = Table(
        breakpoints=Tensor.integer([[-40, -4, 0, 30], [-9, 17, 21, 60], [1, 2, 70, 90]]), lo=0, hi=4
    )
    graph = little(15)
    nodes = [replace(n, neuron=table) if isinstance(n, Population) else n for n in graph.nodes]
    return Graph(name="tabled", nodes=tuple(nodes), outputs=graph.outputs)


KINDS: dict[str, Callable[[], Graph]] = {"even": lambda: little(15), "tabled": tabled, "binary": two_binary}


@pytest.mark.parametrize("kind", KINDS)
def test_some_bits(tmp_path: Path, verilator: Tool, compiler: Tool, kind: str) -> None:
    graph = KINDS[kind]()
    tables = build_tables(graph, 8)
    check(mutants(graph, tables, random_bits(tables, 40, seed=1), tmp_path, verilator, compiler))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lanes", [8, 16])
def test_many_bits(tmp_path: Path, verilator: Tool, compiler: Tool, kind: str, lanes: int) -> None:
    graph = KINDS[kind]()
    tables = build_tables(graph, lanes)
    found = mutants(graph, tables, random_bits(tables, 400, seed=lanes), tmp_path, verilator, compiler)
    check(found)
    weights = {"weights"} if tables.widths.multipliers else {"bit_weights"}
    assert {mutant.bit.table for mutant in found} >= weights | {"neurons", "passes", "row_visits"}


@pytest.mark.parametrize(
    "kind", ["even", *(pytest.param(k, marks=pytest.mark.slow) for k in ("tabled", "binary"))]
)
def test_what_is_called_unreached_is_not_caught(
    tmp_path: Path, verilator: Tool, compiler: Tool, kind: str
) -> None:
    """The list of reasons would be worth nothing if it held bits that matter."""
    graph = KINDS[kind]()
    tables = build_tables(graph, 8)
    unreached = Unreached(tables)
    bits = random_bits(tables, 600, seed=0)
    dead = [bit for bit in bits if unreached.why(bit.table, bit.word, bit.bit)]
    found = mutants(graph, tables, dead[:20], tmp_path, verilator, compiler)
    assert [mutant for mutant in found if mutant.fate is Fate.CAUGHT] == []


def test_reasons() -> None:
    """A threshold beyond all sums, the weights of its neuron, and those that read it."""
    graph = little(15)
    silent = replace(STAIRCASE, theta=Tensor.integer([20, 1 << 13, 25]))
    nodes = [replace(n, neuron=silent) if isinstance(n, Population) else n for n in graph.nodes]
    tables = build_tables(Graph(name="silent", nodes=tuple(nodes), outputs=graph.outputs), 8)
    unreached, slot = Unreached(tables), tables.widths.weight
    assert unreached.why("neurons", 1, 0) == "no sum in bounds has another level"
    assert unreached.why("neurons", 0, 4) == ""
    assert unreached.why("weights", 0, slot) == "the level is the same for all sums in bounds"
    assert unreached.why("weights", 0, 0) == ""
    first = PassProgram(tables.memories, tables.widths, 1).descriptor.weights
    assert unreached.why("weights", first + 1, 0) == "the levels that it is multiplied with are always 0"
    assert unreached.why("weights", first, 0) == ""


def test_the_fire_unit_is_the_neuron() -> None:
    """For sums and thresholds that the registers hold, with and without breakpoints."""
    widths, sums = replace(wide(8), potential=16, fire_steps=3, correction=8), np.arange(-300, 300)
    for theta, bias in ((1, 0), (7, -20), (90, 45)):
        expected = np.clip((sums + bias) // theta, 0, 6)
        assert np.array_equal(fired(Neuron(theta=theta, bias=bias), sums, widths, 6), expected)
        corrections = (0, -3, 0, 2, 5, 5, 9, 40)
        limits = theta * np.arange(1, 8) + np.array(corrections[1:])
        if (np.diff(limits) >= 0).all():
            neuron = Neuron(theta=theta, bias=bias, corrections=corrections)
            found = fired(neuron, sums, widths, 7)
            assert np.array_equal(found, (sums[:, None] + bias >= limits).sum(axis=1))


def test_a_flip() -> None:
    assert flipped(b"0f\n10\n", Bit(table="weights", word=1, bit=5)) == b"0f\n30\n"
