"""Mutated tables: with a bit of a `*.mem` file flipped, the Verilog must not run as it should."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path

import numpy as np

from snncc_backends.fpga.bench import first_difference, read_trace
from snncc_backends.fpga.faults.seek import Seeker
from snncc_backends.fpga.faults.unreached import Unreached, is_summed
from snncc_backends.fpga.rtl import build_core, image_words, ports_of
from snncc_backends.fpga.simulator.cycles import Run, Simulator
from snncc_backends.fpga.tables.tables import Tables
from snncc_backends.tools.found import Tool
from snncc_backends.tools.run import run_tool
from snncc_ir.errors import ToolError
from snncc_ir.tensors import Ints
from snncc_ir.types import Levels

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

    A bit that no batch catches is `UNREACHED` where it is proved that no input can reach it. Of the others,
    bits of weights, neurons and breakpoints get an image of their own, if a search finds one that shows them;
    what is then not caught is `MISSED`. `inputs` tells shape and levels of every input.
    """

    tables: Tables
    batches: Sequence[Mapping[str, Ints]]
    inputs: Mapping[str, Levels]
    folder: Path
    expected: list[Run] = field(default_factory=list)

    def build(self, verilator: Tool, compiler: Tool) -> None:
        """Build the Verilog; raises ToolError where it is not the simulator before anything is flipped."""
        build_core(verilator, compiler, self.tables, self.folder)
        for images in self.batches:
            self._expect(images)

    def _expect(self, images: Mapping[str, Ints]) -> int:
        """Keep a batch and what it must give; its number."""
        number = len(self.expected)
        (self.folder / f"{number}.bin").write_bytes(image_words(self.tables, images))
        self.expected.append(Simulator(self.tables).run(images, trace=True))
        difference = self._difference(number)
        if difference:
            raise ToolError(f"the Verilog is not its simulator: {difference}")
        return number

    def run(self, bit: Bit) -> Mutant:
        """Flip a bit, run batches until one shows it, and flip it back."""
        difference = self._caught(bit, range(len(self.batches)))
        if difference:
            return Mutant(bit=bit, fate=Fate.CAUGHT, detail=difference)
        why = self._unreached.why(bit.table, bit.word, bit.bit)
        if why:
            return Mutant(bit=bit, fate=Fate.UNREACHED, detail=why)
        difference = self._sought(bit)
        return Mutant(bit=bit, fate=Fate.CAUGHT if difference else Fate.MISSED, detail=difference)

    @cached_property
    def _unreached(self) -> Unreached:
        return Unreached(self.tables)

    def _sought(self, bit: Bit) -> str:
        """What an image shows that was sought for the bit alone."""
        if not is_summed(bit.table):
            return ""
        seeker = Seeker(tables=self.tables, reach=self._unreached.reach, inputs=self.inputs)
        image = seeker.seek(bit.table, bit.word, bit.bit, seed=bit.word)
        return "" if image is None else self._caught(bit, (self._expect(image),))

    def _caught(self, bit: Bit, batches: Iterable[int]) -> str:
        """The first difference that the batches show with the bit flipped."""
        file = self.folder / f"{bit.table}.mem"
        original = file.read_bytes()
        file.write_bytes(flipped(original, bit))
        try:
            return next(filter(None, map(self._difference, batches)), "")
        finally:
            file.write_bytes(original)

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
