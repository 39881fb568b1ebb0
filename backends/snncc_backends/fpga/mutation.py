"""Mutated tables: with a bit of a `*.mem` file flipped, the Verilog must not run as it should."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import numpy as np

from snncc_backends.fpga.bench import first_difference, read_trace
from snncc_backends.fpga.cycles import Run, Simulator
from snncc_backends.fpga.rtl import build_core, image_words, ports_of
from snncc_backends.fpga.tables import Tables
from snncc_backends.fpga.unreached import why_unreached
from snncc_backends.tools.found import Tool
from snncc_backends.tools.run import run_tool
from snncc_ir.errors import ToolError
from snncc_ir.tensors import Ints

SECONDS = 600.0
PATIENCE = 4
"""A mutated network may take so many times the cycles of the longest image before it is stopped."""


class Fate(Enum):
    """What became of a flipped bit."""

    CAUGHT = "caught"
    UNREACHED = "unreached"
    MISSED = "missed"


@dataclass(frozen=True, kw_only=True)
class Bit:
    """Bit `bit` of word `word` of a table; bit 0 is the lowest."""

    table: str
    word: int
    bit: int


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A flipped bit, its fate, and why: the first difference, or why no input can reach it."""

    bit: Bit
    fate: Fate
    detail: str


def all_bits(tables: Tables, *names: str) -> list[Bit]:
    """Every bit of the tables called `names`, of all tables without one."""
    return [
        Bit(table=name, word=word, bit=bit)
        for name in names or tables.memories
        for word in range(tables.memories[name].words)
        for bit in range(tables.memories[name].bits)
    ]


def random_bits(tables: Tables, count: int, seed: int) -> list[Bit]:
    """`count` different bits, each of all the tables' bits equally likely."""
    sizes = {name: memory.words * memory.bits for name, memory in tables.memories.items()}
    chosen = np.random.default_rng(seed).choice(sum(sizes.values()), count, replace=False)
    return [_bit_at(tables, sizes, int(place)) for place in np.sort(chosen)]


def _bit_at(tables: Tables, sizes: Mapping[str, int], place: int) -> Bit:
    for name, size in sizes.items():
        if place < size:
            word, bit = divmod(place, tables.memories[name].bits)
            return Bit(table=name, word=word, bit=bit)
        place -= size
    raise IndexError(place)


def flipped(text: bytes, bit: Bit) -> bytes:
    """The file of a table with one bit flipped."""
    lines = text.split()
    digits = len(lines[bit.word])
    lines[bit.word] = f"{int(lines[bit.word], 16) ^ (1 << bit.bit):0{digits}x}".encode()
    return b"\n".join(lines) + b"\n"


@dataclass
class Mutations:
    """The Verilog of one network, built once in `folder`, and the batches of images that are tried in turn.

    A bit that no batch catches is `UNREACHED` where it is proved that no input can reach it, else `MISSED`.
    """

    tables: Tables
    batches: Sequence[Mapping[str, Ints]]
    folder: Path
    expected: list[Run] = field(default_factory=list)

    def build(self, verilator: Tool, compiler: Tool) -> None:
        """Build the Verilog; raises ToolError where it is not the simulator before anything is flipped."""
        build_core(verilator, compiler, self.tables, self.folder)
        for number, images in enumerate(self.batches):
            (self.folder / f"{number}.bin").write_bytes(image_words(self.tables, images))
            self.expected.append(Simulator(self.tables).run(images, trace=True))
            difference = self._difference(number)
            if difference:
                raise ToolError(f"the Verilog is not its simulator: {difference}")

    def run(self, bit: Bit) -> Mutant:
        """Flip a bit, run the batches until one shows it, and flip it back."""
        file = self.folder / f"{bit.table}.mem"
        original = file.read_bytes()
        file.write_bytes(flipped(original, bit))
        try:
            for number in range(len(self.batches)):
                difference = self._difference(number)
                if difference:
                    return Mutant(bit=bit, fate=Fate.CAUGHT, detail=difference)
        finally:
            file.write_bytes(original)
        why = why_unreached(self.tables, bit.table, bit.word, bit.bit)
        return Mutant(bit=bit, fate=Fate.UNREACHED if why else Fate.MISSED, detail=why)

    def _difference(self, number: int) -> str:
        expected = self.expected[number]
        simulation = Tool(name="the Verilog", command=(str(self.folder / "simulation"),))
        limit = str(PATIENCE * int(expected.cycles.max()))
        try:
            run_tool(simulation, self.folder, f"{number}.bin", "trace.bin", limit, seconds=SECONDS)
        except ToolError:
            return "an assertion of the core, or no end"
        trace = (self.folder / "trace.bin").read_bytes()
        written = read_trace(ports_of(self.tables), trace, len(expected.cycles))
        return first_difference(written, expected.traces, expected.cycles)
