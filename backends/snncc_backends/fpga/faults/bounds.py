"""Between which levels every word of the maps lies, and every sum of a pass, position by position."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_backends.fpga.simulator.cycles import Simulator
from snncc_backends.fpga.simulator.map_memory import MapMemory
from snncc_backends.fpga.simulator.runner import PassRunner
from snncc_backends.fpga.tables.tables import Tables

BOTH = slice(0, 2)
"""The least and the greatest level stand where the simulator has two images."""

Matrices = Sequence[NDArray[Any]]


class Bounds:
    """The levels that any input may give, by interval arithmetic over the tables, pass by pass.

    `memories[k]` holds the bounds of what pass k finds in the maps.
    """

    def __init__(self, tables: Tables) -> None:
        """Go through all passes."""
        self.passes = Simulator(tables).passes
        memory = _inputs(tables)
        self.memories = []
        for runner in self.passes:
            self.memories.append(deepcopy(memory))
            if not runner.is_readout:
                levels = runner.levels(self.sums(runner, runner.matrices))
                runner.write(memory, runner.written(runner.pooled(levels)))

    def sums(self, runner: PassRunner, matrices: Matrices) -> NDArray[np.float64]:
        """Least and greatest sum `[2, slots, tile rows, columns, lanes]` of the pass with these weights."""
        memory = self.memories[runner.number]
        if runner.d.planes:
            memory = _planes(memory)
        positive = [np.maximum(part, 0).astype(np.float64) for part in matrices]
        negative = [np.minimum(part, 0).astype(np.float64) for part in matrices]
        return np.asarray(
            runner.sums(memory, BOTH, positive) + runner.sums(memory, BOTH, negative)[::-1], dtype=np.float64
        )


def _inputs(tables: Tables) -> MapMemory:
    memory = MapMemory(tables, 2)
    computed = {item.split.task.name for item in tables.passes}
    for level_map in tables.maps.values():
        if level_map.name not in computed:
            bank, address, lane = level_map.places()
            words = bank * tables.widths.map_words + address
            memory.levels[:, words, lane] = np.array([level_map.lo, level_map.hi]).reshape(2, 1, 1, 1)
    return memory


def _planes(memory: MapMemory) -> MapMemory:
    """The same for lanes that take levels bit by bit: where a level varies, so does each of its bits."""
    found = deepcopy(memory)
    low, high = memory.levels.astype(np.int64)
    varies = low != high
    filled = high
    for shift in (1, 2, 4, 8):
        filled = filled | filled >> shift
    found.levels[0] = np.where(varies, 0, low)
    found.levels[1] = np.where(varies, np.where(low < 0, -1, filled), high)
    return found
