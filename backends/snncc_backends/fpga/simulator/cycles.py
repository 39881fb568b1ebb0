"""The cycle simulator: runs tables as the core does, level for level and cycle for cycle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snncc_backends.fpga.planning.maps import WORD
from snncc_backends.fpga.simulator.map_memory import MapMemory
from snncc_backends.fpga.simulator.runner import PassRunner
from snncc_backends.fpga.simulator.timing import FILL, START
from snncc_backends.fpga.tables.program import PassProgram
from snncc_backends.fpga.tables.tables import DESCRIPTOR_WORDS, Tables
from snncc_ir.tensors import Ints


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Every word that one image writes: rows (cycle, bank, address, 8 levels) and (cycle, word, G values)."""

    levels: NDArray[np.int32]
    results: Ints


@dataclass(frozen=True, kw_only=True)
class Run:
    """What N images gave: `values[name][N, C, H, W]` of every pass, `cycles[N]` and `pass_cycles[N, passes]`.

    A readout's values are its drives plus bias.
    """

    values: Mapping[str, Ints]
    cycles: Ints
    pass_cycles: Ints
    traces: tuple[Trace, ...]


class Simulator:
    """Runs the tables of one network."""

    def __init__(self, tables: Tables) -> None:
        """Read the program; nothing runs yet."""
        self.tables = tables
        count = tables.memories["passes"].words // DESCRIPTOR_WORDS
        self.passes = tuple(
            PassRunner(PassProgram(tables.memories, tables.widths, number), tables, number)
            for number in range(count)
        )

    def run(self, inputs: Mapping[str, Ints], *, trace: bool = False) -> Run:
        """Run images `inputs[name][N, *shape]`."""
        images = len(next(iter(inputs.values())))
        memory = self.loaded(inputs)
        values: dict[str, Ints] = {}
        spans: list[Ints] = []
        writes = self._rows(images) if trace else None
        results: list[Ints] = []
        written = 0
        clock = np.full(images, START, dtype=np.int64)
        for runner in self.passes:
            times = runner.times(memory)
            found = runner.fire(memory)
            ends = clock[:, None] + FILL + np.cumsum(times.reshape(images, -1), axis=1) - 1
            values[runner.name] = runner.values(found)
            if not runner.is_readout:
                words = runner.written(found)
                runner.write(memory, words)
                if writes is not None:
                    runner.trace_words(writes[:, written : written + words.shape[1]], words, ends)
                written += words.shape[1]
            elif trace:
                results.append(runner.trace_results(found, ends))
            after = ends[:, -1] + runner.tail
            spans.append(after - clock)
            clock = after
        return Run(
            values=values,
            cycles=clock,
            pass_cycles=np.stack(spans, axis=1),
            traces=() if writes is None else self._traces(writes, results),
        )

    def loaded(self, inputs: Mapping[str, Ints]) -> MapMemory:
        """The map memory of images `inputs[name][N, *shape]` before the first pass."""
        memory = MapMemory(self.tables, len(next(iter(inputs.values()))))
        for name, levels in inputs.items():
            self._load(memory, name, levels)
        return memory

    def before(self, inputs: Mapping[str, Ints], number: int) -> MapMemory:
        """The same before pass `number`."""
        memory = self.loaded(inputs)
        for runner in self.passes[:number]:
            if not runner.is_readout:
                runner.write(memory, runner.written(runner.fire(memory)))
        return memory

    def _rows(self, images: int) -> NDArray[np.int32]:
        """Room for every word that the passes write."""
        writes = sum(len(runner.writes.order) for runner in self.passes if not runner.is_readout)
        return np.empty((images, writes, 3 + WORD), dtype=np.int32)

    def _traces(self, levels: NDArray[np.int32], results: list[Ints]) -> tuple[Trace, ...]:
        none = np.zeros((len(levels), 0, 2 + self.tables.widths.groups), dtype=np.int64)
        values = np.concatenate([none, *results], axis=1)
        return tuple(Trace(levels=a, results=b) for a, b in zip(levels, values, strict=True))

    def _load(self, memory: MapMemory, name: str, levels: Ints) -> None:
        level_map = self.tables.maps[name]
        bank, address, lane = level_map.places()
        word = bank * self.tables.widths.map_words + address
        image = level_map.stored(levels)
        memory.levels[:, word, lane] = image
        every = np.unique(word)
        memory.write(every, memory.levels[:, every])
