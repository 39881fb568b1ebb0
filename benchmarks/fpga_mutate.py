"""Flips bits of a network's FPGA tables at random, and runs the Verilog: which bits does execution catch?

    python benchmarks/fpga_mutate.py [--bits 300] [--seed 0] [--lanes 8] [--network digits|binary|tabled|...]

Every bit of every `*.mem` file is equally likely. The hashes play no part: the Verilog runs on the changed
table and is compared with the cycle simulator, word for word and cycle for cycle. A bit that no image shows
is listed, with the reason where it is proved that no input can reach it; for the others an image is sought.
Exits 1 below 99 % of them. Set OPENBLAS_NUM_THREADS=1 where cores are shared: matrices are small.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from fpga_networks import NETWORKS, Setting, compiled
from fpga_small import SMALL

from snncc_backends.fpga.faults.mutation import Fate, Mutant, Mutations, random_bits
from snncc_backends.fpga.tables.assemble import build_tables
from snncc_backends.tools.compiler import find_compiler
from snncc_backends.tools.found import need
from snncc_backends.tools.verilator import find_verilator
from snncc_ir.graph import Graph
from snncc_ir.tensors import Ints

BATCHES = (4, 48, 600)
"""Images that are tried in turn, each batch only where the one before shows nothing."""

LEAST = 0.99


def images(graph: Graph, count: int, seed: int) -> dict[str, Ints]:
    """Random levels from sparse to dense, the last image all at the top."""
    (node,) = graph.inputs
    levels, rng = graph.levels(node.name), np.random.default_rng(seed)
    shape = (count, *levels.shape)
    keep = rng.random(shape) < rng.uniform(0.05, 1, (count, *(1,) * len(levels.shape)))
    found = rng.integers(levels.lo, levels.hi + 1, shape) * keep
    found[-1] = levels.hi
    return {node.name: found}


def network(name: str, lanes: int, folder: Path) -> Graph:
    """A network of 4-bit levels out of `fpga_networks.py`, or one out of `fpga_small.py`."""
    return SMALL[name]() if name in SMALL else compiled(Setting(name, lanes, 4), folder).graph


def main() -> int:
    """Print the counts, and every bit that was not caught."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bits", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lanes", type=int, default=8)
    parser.add_argument("--network", choices=sorted({*NETWORKS, *SMALL}), default="digits")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        graph = network(options.network, options.lanes, Path(name))
        tables = build_tables(graph, options.lanes)
        batches = [images(graph, count, options.seed + count) for count in BATCHES]
        inputs = {node.name: graph.levels(node.name) for node in graph.inputs}
        mutations = Mutations(tables=tables, batches=batches, inputs=inputs, folder=Path(name) / "verilog")
        mutations.folder.mkdir()
        mutations.build(need(find_verilator()), need(find_compiler()))
        mutants = [mutations.run(bit) for bit in random_bits(tables, options.bits, options.seed)]
    return report(mutants)


def report(mutants: list[Mutant]) -> int:
    """Print what became of the bits; 1 where too many were missed."""
    counts = Counter((mutant.bit.table, mutant.fate) for mutant in mutants)
    print(f"{'table':12}" + "".join(f"{fate.value:>11}" for fate in Fate))
    for table in dict.fromkeys(mutant.bit.table for mutant in mutants):
        print(f"{table:12}" + "".join(f"{counts[table, fate]:11}" for fate in Fate))
    for mutant in mutants:
        if mutant.fate is not Fate.CAUGHT:
            bit, why = mutant.bit, mutant.detail or "no image showed it"
            print(f"{bit.table}.mem, word {bit.word}, bit {bit.bit}: {mutant.fate.value}: {why}")
    caught = sum(mutant.fate is Fate.CAUGHT for mutant in mutants)
    reached = caught + sum(mutant.fate is Fate.MISSED for mutant in mutants)
    share = caught / reached if reached else 0.0
    print(f"{caught} of {reached} bits that some input may reach were caught: {share:.2%}")
    return 0 if share >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
