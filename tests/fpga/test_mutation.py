"""Flipped bits of a small network's tables: execution catches them, or no input can reach them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from snncc_backends.fpga.assemble import build_tables
from snncc_backends.fpga.emit import table_files
from snncc_backends.fpga.mutation import Bit, Fate, Mutant, Mutations, all_bits, flipped, random_bits
from snncc_backends.fpga.tables import Tables
from snncc_backends.fpga.unreached import why_unreached
from snncc_backends.tools.found import Tool
from support.fpga import little


def mutants(tables: Tables, bits: list[Bit], folder: Path, verilator: Tool, compiler: Tool) -> list[Mutant]:
    rng = np.random.default_rng(3)
    batches = [{"pixels": rng.integers(0, 16, (count, 1, 6, 6))} for count in (8, 200, 2000)]
    mutations = Mutations(tables=tables, batches=batches, folder=folder)
    mutations.build(verilator, compiler)
    found = [mutations.run(bit) for bit in bits]
    assert (folder / "weights.mem").read_bytes() == table_files(tables)["weights.mem"]
    return found


def check(found: list[Mutant]) -> None:
    counts = Counter(mutant.fate for mutant in found)
    missed = [mutant for mutant in found if mutant.fate is Fate.MISSED]
    assert counts[Fate.CAUGHT] >= 0.99 * (counts[Fate.CAUGHT] + counts[Fate.MISSED]), missed


def test_some_bits(tmp_path: Path, verilator: Tool, compiler: Tool) -> None:
    tables = build_tables(little(15), 8)
    check(mutants(tables, random_bits(tables, 50, seed=1), tmp_path, verilator, compiler))


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [8, 16])
def test_many_bits(tmp_path: Path, verilator: Tool, compiler: Tool, lanes: int) -> None:
    tables = build_tables(little(15), lanes)
    found = mutants(tables, random_bits(tables, 400, seed=lanes), tmp_path, verilator, compiler)
    check(found)
    assert {mutant.bit.table for mutant in found} >= {"weights", "neurons", "passes", "row_visits"}


def test_what_is_called_unreached_is_not_caught(tmp_path: Path, verilator: Tool, compiler: Tool) -> None:
    """The list of reasons would be worth nothing if it held bits that matter."""
    tables = build_tables(little(15), 8)
    dead = [bit for bit in all_bits(tables) if why_unreached(tables, bit.table, bit.word, bit.bit)]
    chosen = [dead[place] for place in np.random.default_rng(0).choice(len(dead), 20, replace=False)]
    found = mutants(tables, chosen, tmp_path, verilator, compiler)
    assert [mutant for mutant in found if mutant.fate is Fate.CAUGHT] == []


def test_a_flip() -> None:
    assert flipped(b"0f\n10\n", Bit(table="weights", word=1, bit=5)) == b"0f\n30\n"
