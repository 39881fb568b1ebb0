"""The split of the lanes into rows and channels, chosen by the closed form for an assumed density."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace

import numpy as np

from snncc_backends.fpga.planning.bits import BitKernel
from snncc_backends.fpga.planning.kernels import Kernel
from snncc_backends.fpga.planning.maps import PACKED_WORD, WORD, LevelMap, ceil_div, pixel_levels
from snncc_backends.fpga.planning.plan import Pass, Plan
from snncc_backends.fpga.planning.tiles import Visits, visits_of
from snncc_ir.tensors import Ints

DENSITY = 0.45
"""Share of non-zero levels that splits are compared at."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """A pass with its rows per tile, and `visits[projection][row tile * window row]`.

    `merge` is 2 where two neighbouring slots compute rows of one pooling window, else 1.
    """

    task: Pass
    slots: int
    merge: int
    kernels: tuple[Kernel | BitKernel, ...]
    visits: tuple[tuple[Visits, ...], ...]

    @property
    def binary(self) -> bool:
        """Whether the binary lanes run it."""
        return isinstance(self.kernels[0], BitKernel)

    @property
    def planes(self) -> bool:
        """Whether they read maps that are not packed: eight levels a word, bit plane by bit plane."""
        return self.binary and not self.kernels[0].map.packed

    @property
    def tiles(self) -> int:
        """Tiles of rows."""
        return -(-len(self.task.window_rows) * self.merge // self.slots)

    def blocks(self, groups: int) -> int:
        """Blocks of output channels."""
        return -(-self.task.shape[0] // (WORD * self.group_words(groups)))

    def group_words(self, groups: int) -> int:
        """Gc, the channel words that are computed at once."""
        return groups // self.slots


def least_tile(groups: int) -> int:
    """M: cycles between the ends of two tiles, at least."""
    return max(WORD, groups)


def split_of(task: Pass, maps: Mapping[str, LevelMap], slots: int) -> Split | None:
    """The split with `slots` rows per tile, None where banks would collide."""
    found = []
    merge = 2 if task.pairs and slots > 1 else 1
    for projection in task.projections:
        visits = visits_of(task, projection, maps[projection.map], slots, merge)
        if visits is None:
            return None
        found.append(visits)
    words = next(iter(maps.values())).banks // slots
    blocks = -(-task.shape[0] // (WORD * words))
    kernels = tuple(
        Kernel(projection, maps[projection.map], words, blocks) for projection in task.projections
    )
    return Split(task=task, slots=slots, merge=merge, kernels=kernels, visits=tuple(found))


def binary_split(task: Pass, maps: Mapping[str, LevelMap]) -> Split:
    """The split on binary lanes: one row, all lanes compute channels of it."""
    kernels = tuple(BitKernel(projection, maps[projection.map]) for projection in task.projections)
    visits = (visits_of(task, kernel.projection, kernel.map, 1, 1) for kernel in kernels)
    return Split(
        task=task, slots=1, merge=1, kernels=kernels, visits=tuple(found for found in visits if found)
    )


def best_split(task: Pass, maps: Mapping[str, LevelMap], groups: int) -> Split:
    """The split with the fewest expected cycles; the fewest rows among equals."""
    slots = (1 << shift for shift in range(groups.bit_length()))
    found = [split for split in (split_of(task, maps, count) for count in slots) if split]
    return min(found, key=lambda split: expected_cycles(split, groups))


def expected_cycles(split: Split, groups: int, density: float = DENSITY) -> float:
    """Cycles of all tiles if every level were non-zero with probability `density`, independently."""
    total: Ints | float = 0.0
    for kernel, visits in zip(split.kernels, split.visits, strict=True):
        present = [[visit.banks.bit_count() for visit in tile] for tile in visits]
        for rows in {count for tile in present for count in tile}:
            times = np.array([tile.count(rows) for tile in present])
            total = total + np.multiply.outer(times, _segment_costs(split.task, kernel, rows, density))
    return float(np.maximum(least_tile(groups), total).sum()) * split.blocks(groups)


def _segment_costs(task: Pass, kernel: Kernel | BitKernel, rows: int, density: float) -> Ints:
    """Expected cycles of every column's segment where `rows` rows are read at once."""
    share = 1 - (1 - density) ** rows
    cost = [
        sum(
            1.0 if kernel.whole else max(1.0, mask.bit_count() * share)
            for _, _, mask in kernel.segment(column)
        )
        for column in range(len(kernel.projection.columns))
    ]
    return np.asarray(np.array(cost)[task.window_columns.reshape(-1)])


def lay_out(
    plan: Plan,
    banks: int,
    inputs: Mapping[str, tuple[int, int]],
    hidden: Mapping[str, tuple[int, int]],
    packed: Set[str],
) -> dict[str, LevelMap]:
    """The maps of all values that are kept, not yet placed; `inputs` and `hidden` give their level ranges."""
    found = {}
    for name, shape in plan.views.shapes.items():
        lo, hi = inputs.get(name) or hidden[name]
        found[name] = LevelMap(
            name=name,
            shape=shape,
            lo=lo,
            hi=hi,
            banks=banks,
            pixel=ceil_div(shape[0], PACKED_WORD) * PACKED_WORD
            if name in packed
            else pixel_levels(shape[0], packed=name in plan.storage.packed),
            packed=name in packed,
            step=_step(plan, name),
            axes=plan.views.axes.get(name, ()),
        )
    return found


def _step(plan: Plan, name: str) -> int:
    """The row step of the reader with the most weights: its neighbouring outputs read neighbouring banks."""
    best = max(_readings(plan, name), default=(0, 1))
    return best[1]


def _readings(plan: Plan, name: str) -> Iterator[tuple[int, int]]:
    for task in plan.passes:
        for projection in task.projections:
            if projection.map == name and (len(task.window_rows) > 1 or task.pairs):
                yield projection.weight.size, _row_step(task, projection.rows)


def _row_step(task: Pass, rows: Ints) -> int:
    """Distance of the rows that two neighbouring slots read with one tap."""
    computed = task.window_rows.reshape(-1) if task.pairs else task.window_rows[:, 0]
    read = rows[computed]
    both = (read[1:] >= 0) & (read[:-1] >= 0)
    steps = (read[1:] - read[:-1])[both]
    return max(1, int(np.median(steps))) if steps.size else 1


def place(maps: Mapping[str, LevelMap], plan: Plan, kept: tuple[str, ...]) -> dict[str, LevelMap]:
    """The maps with addresses: first fit, shared where never alive together; `kept` ones live to the end."""
    ends = {task.name: 0 for task in plan.passes}
    begins = dict.fromkeys(maps, -1)
    for number, task in enumerate(plan.passes):
        begins[task.name] = number
        ends.update({projection.map: number for projection in task.projections})
    ends.update(dict.fromkeys(kept, len(plan.passes)))
    placed: dict[str, LevelMap] = {}
    for name, level_map in maps.items():
        alive = [
            other
            for other in placed.values()
            if ends[other.name] >= begins[name] and begins[other.name] <= ends[name]
        ]
        placed[name] = replace(level_map, base=_first_fit(alive, level_map.words))
    return placed


def _first_fit(alive: list[LevelMap], words: int) -> int:
    base = 0
    for other in sorted(alive, key=lambda other: other.base):
        if base + words <= other.base:
            break
        base = max(base, other.base + other.words)
    return base
